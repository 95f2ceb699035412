/** What the other ways say of a kernel that one of them found. */
import { hex } from '../../../core/address.js'
import type { PhysicalMemory } from '../../../core/memory.js'
import { levelShifts } from '../../../paging/mode.js'
import { readPhysical } from '../../search/physical.js'
import type { FoundBy } from '../kernel.js'
import { presentBytes } from '../pe/image.js'
import { type Candidate, candidateSpace } from './candidate.js'
import type { WindowsRecord } from './record.js'
import { lowStubAt } from './shapes.js'

const PAGE_BYTES = 4096
const LOW_BYTES = 1 << 20
/** The first processor's control region of 32-bit kernels before 6.0; later ones may have it elsewhere. */
const KPCR_32 = 0xffdf_f000n
const KD_VERSION_AT_32 = 0x34
/** DBGKD_GET_VERSION64.KernBase. */
const KERNEL_BASE_AT = 0x10n

/** Each way that could be gone, and whether it agrees. */
export function crossCheckWays(memory: PhysicalMemory, found: Candidate, record: WindowsRecord): FoundBy[] {
  const ways: (FoundBy | undefined)[] = [
    found.way === 'low-stub' ? undefined : lowStub(memory, record),
    found.way === 'self-map' ? undefined : selfMap(memory, record),
    record.mode.vaBits === 32 ? kpcr(memory, record) : undefined,
    kdbg(record),
  ]
  return ways.filter(way => way !== undefined)
}

function lowStub(memory: PhysicalMemory, record: WindowsRecord): FoundBy | undefined {
  if (record.mode.vaBits === 32) return undefined
  for (let gpa = PAGE_BYTES; gpa < LOW_BYTES; gpa += PAGE_BYTES) {
    const page = readPhysical(memory, gpa, 0x100)
    const stub = page === undefined ? undefined : lowStubAt(page)
    if (stub === undefined) continue
    const inside = stub.inside ?? 0n
    const agrees = inside >= record.kernelBase && inside < record.kernelBase + BigInt(record.sizeBytes)
    return { way: 'low-stub', agrees, detail: `at ${hex(gpa)}, page table ${hex(stub.dtb)}` }
  }
  return undefined
}

/** The entry of the top table that leads to itself. */
function selfMap(memory: PhysicalMemory, { mode, dtb }: WindowsRecord): FoundBy | undefined {
  if (mode.name === 'pae' || mode.format === 'aarch64') return undefined
  const table = readPhysical(memory, dtb, PAGE_BYTES)
  if (table === undefined) return undefined
  const count = 2 ** (mode.indexBits[0] ?? 0)
  for (let index = count / 2; index < count; index++) {
    const at = index * mode.entryBytes
    const low = table.readUInt32LE(at)
    const high = mode.entryBytes === 8 ? table.readUInt32LE(at + 4) & 0xf_ffff : 0
    if ((low & 1) === 0 || high * 2 ** 32 + ((low & -PAGE_BYTES) >>> 0) !== dtb) continue
    const base = BigInt(index) << BigInt(levelShifts(mode)[0] ?? 0)
    const va = mode.canonical === 'signed' ? BigInt.asUintN(64, BigInt.asIntN(mode.vaBits, base)) : base
    return { way: 'self-map', agrees: true, detail: `page tables at ${hex(va)}` }
  }
  return { way: 'self-map', agrees: false, detail: `${hex(dtb)} does not map itself` }
}

function kpcr(memory: PhysicalMemory, record: WindowsRecord): FoundBy | undefined {
  const space = candidateSpace(memory, record)
  const region = presentBytes(space, KPCR_32, 0x60)
  if (region === undefined || region.readUInt32LE(0x1c) !== Number(KPCR_32)) return undefined
  const version = BigInt(region.readUInt32LE(KD_VERSION_AT_32))
  const base = presentBytes(space, version + KERNEL_BASE_AT, 4)?.readUInt32LE(0)
  if (base === undefined) return undefined
  return { way: 'kpcr', agrees: BigInt(base) === record.kernelBase, detail: `KdVersionBlock ${hex(version)}` }
}

function kdbg({ places: { kdbg: block } }: WindowsRecord): FoundBy | undefined {
  return block === undefined ? undefined : { way: 'kdbg', agrees: true, detail: `at ${hex(block.address)}` }
}
