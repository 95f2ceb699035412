/** Where a kernel sees its own page tables: one entry of the top table leads back to it. */
import type { PhysicalMemory } from '../../../core/memory.js'
import { levelShifts, type PagingMode } from '../../../paging/mode.js'
import { readPhysical } from '../../search/physical.js'

const PAGE_BYTES = 4096
/** PAE: four directories that follow each other, at the same place in every kernel. */
const PAE_TABLES = { start: 0xc000_0000n, bytes: 8n << 20n }

/** Kernel virtual addresses of the page tables; undefined where the top table does not map itself. */
export function selfMapRange(
  memory: PhysicalMemory,
  { mode, dtb }: { readonly mode: PagingMode; readonly dtb: number },
): { readonly start: bigint; readonly bytes: bigint } | undefined {
  if (mode.name === 'pae') return PAE_TABLES
  const count = 2 ** (mode.indexBits[0] ?? 0)
  const bytes = 1n << BigInt(levelShifts(mode)[0] ?? 0)
  const table = readPhysical(memory, dtb, PAGE_BYTES)
  if (table === undefined) return undefined
  // arm64 kernels have a whole table of their own
  for (let index = mode.splitTables ? 0 : count / 2; index < count; index++) {
    const at = index * mode.entryBytes
    const low = table.readUInt32LE(at)
    const high = mode.entryBytes === 8 ? table.readUInt32LE(at + 4) & FRAME_HIGH[mode.format] : 0
    if ((low & 1) === 0 || high * 2 ** 32 + ((low & -PAGE_BYTES) >>> 0) !== dtb) continue
    const offset = BigInt(index) * bytes
    if (mode.splitTables) return { start: (1n << 64n) - (1n << BigInt(mode.vaBits)) + offset, bytes }
    const start =
      mode.canonical === 'signed' ? BigInt.asUintN(64, BigInt.asIntN(mode.vaBits, offset)) : offset
    return { start, bytes }
  }
  return undefined
}

/** Bits of an entry's high word that are its frame's. */
const FRAME_HIGH = { ia32: 0, 'x86-64': 0xf_ffff, aarch64: 0xffff } as const
