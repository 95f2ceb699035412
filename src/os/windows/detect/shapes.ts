/**
 * Things in physical memory that lead to a Windows guest's top table, each told by its own shape: what boots further processors, tables
 * that map themselves, the processor's control region, and the System process.
 */
import type { PhysicalMemory } from '../../../core/memory.js'
import { isMemory } from '../../search/physical.js'
import { PROCESS_ROWS } from '../layout/by-build.js'
import { type Candidate, windowsMode } from './candidate.js'

const PAGE_BYTES = 4096
const IA32 = windowsMode('ia32-pse')
const PAE = windowsMode('pae')
const LONG = windowsMode('4-level')

/** Physical address bits 12 and up of a CR3. */
const CR3_MASK = 0xf_ffff_ffff_f000n
const KERNEL_64 = 0xffff_8000_0000_0000n

/**
 * PROCESSOR_START_BLOCK, which starts further processors of a 64-bit guest below 1 MiB: a jump over a flag of 1, the kernel's entry at
 * 0x70, CR3 at 0xa0 (shape as memflow and MemProcFS tell it).
 */
export function lowStubAt(page: Buffer): Candidate | undefined {
  if (page.length < 0xa8 || page[0] !== 0xe9) return undefined
  if ((page.readBigUInt64LE(0) & 0xffff_ffff_ffff_00ffn) !== 0x0000_0001_0006_00e9n) return undefined
  const entry = page.readBigUInt64LE(0x70)
  const cr3 = page.readBigUInt64LE(0xa0)
  if (
    (entry & 3n) !== 0n ||
    entry < 0xffff_f800_0000_0000n ||
    (cr3 & 0xffff_ff00_0000_0fffn) !== 0n ||
    cr3 === 0n
  )
    return undefined
  return { mode: LONG, dtb: Number(cr3), way: 'low-stub', inside: entry }
}

/** Whether the entry is present, writable, and leads to `gpa`. */
function leadsTo(low: number, high: number, gpa: number): boolean {
  return (low & 3) === 3 && (high & 0xf_ffff) * 2 ** 32 + ((low & 0xffff_f000) >>> 0) === gpa
}

/** A 64-bit top table: one entry of its upper half leads to itself. Which one is random since Windows 10 1607, before it is 0x1ed. */
export function selfMap64(page: Int32Array, at: number, gpa: number): Candidate | undefined {
  const low = (gpa & -PAGE_BYTES) | 0
  for (let word = at + 512; word < at + 1024; word += 2) {
    // most entries are told off by the low word alone
    if (((page[word] as number) & -PAGE_BYTES) !== low) continue
    if (!leadsTo(page[word] as number, page[word + 1] as number, gpa)) continue
    return { mode: LONG, dtb: gpa, way: 'self-map' }
  }
  return undefined
}

/** A 32-bit page directory maps itself at 0xc0000000. */
export function selfMap32(page: Int32Array, at: number, gpa: number): Candidate | undefined {
  const entry = page[at + 0x300] as number
  if (gpa >= 2 ** 32 || (entry & 3) !== 3) return undefined
  return (entry & -PAGE_BYTES) >>> 0 === gpa ? { mode: IA32, dtb: gpa, way: 'self-map' } : undefined
}

/**
 * The last of the four page directories of a PAE guest: its first four entries are the four directories, the last of which is itself.
 * Gives their gpas: the top table that leads to them has to be looked for.
 */
export function paeDirectories(page: Int32Array, at: number, gpa: number): readonly number[] | undefined {
  if (!leadsTo(page[at + 6] as number, page[at + 7] as number, gpa)) return undefined
  const directories: number[] = []
  for (let i = 0; i < 4; i++) {
    const low = page[at + i * 2] as number
    if ((low & 3) !== 3) return undefined
    directories.push(((page[at + i * 2 + 1] as number) & 0xf_ffff) * 2 ** 32 + ((low & -PAGE_BYTES) >>> 0))
  }
  return new Set(directories).size === 4 ? directories : undefined
}

/** The first 8 bytes of a top table of PAE: present, and nothing else. */
export function paeTopNeedle(directories: readonly number[]): Buffer {
  const needle = Buffer.alloc(32)
  for (const [i, gpa] of directories.entries()) needle.writeBigUInt64LE(BigInt(gpa) | 1n, i * 8)
  return needle
}

/** The top table of PAE that 32 bytes at `gpa` may be. */
export function paeTopAt(gpa: number): Candidate | undefined {
  return gpa % 32 === 0 && gpa < 2 ** 32 ? { mode: PAE, dtb: gpa, way: 'self-map' } : undefined
}

/** KPCR.Prcb's ProcessorState.SpecialRegisters.Cr3, from the KPCR (PDBs: KPRCB.ProcessorState at 0x40, since 15063 at 0x100). */
const CR3_IN_KPCR_64 = [0x180 + 0x40 + 0x10, 0x180 + 0x100 + 0x10]
/** KPCR.PrcbData.ProcessorState.SpecialRegisters.Cr3 (PDBs: KPRCB.ProcessorState at 0x18, up to 6.0 at 0x1c). */
const CR3_IN_KPCR_32 = [0x120 + 0x18 + 0x2cc + 8, 0x120 + 0x1c + 0x2cc + 8]

/** The processor control region of 64-bit kernels: it points to itself, and to its KPRCB at 0x180. */
export function kpcr64At(memory: PhysicalMemory, page: Buffer): Candidate | undefined {
  const self = page.readBigUInt64LE(0x18)
  if (self < KERNEL_64 || page.readBigUInt64LE(0x20) !== self + 0x180n || (self & 0xfn) !== 0n)
    return undefined
  for (const at of CR3_IN_KPCR_64) {
    const cr3 = page.readBigUInt64LE(at)
    const dtb = Number(cr3 & CR3_MASK)
    if (cr3 === 0n || (cr3 & 0xffen) !== 0n || !isMemory(memory, dtb, PAGE_BYTES)) continue
    return { mode: LONG, dtb, way: 'kpcr' }
  }
  return undefined
}

/** That of 32-bit kernels: SelfPcr at 0x1c, Prcb at 0x20 is 0x120 behind it. */
export function kpcr32At(memory: PhysicalMemory, page: Buffer): Candidate[] {
  const self = page.readUInt32LE(0x1c)
  if (self < 0x8000_0000 || self % PAGE_BYTES !== 0 || page.readUInt32LE(0x20) !== self + 0x120) return []
  return CR3_IN_KPCR_32.flatMap((at): Candidate[] => {
    const cr3 = page.readUInt32LE(at)
    if (cr3 === 0 || (cr3 & 0x1f) !== 0 || !isMemory(memory, cr3, 32)) return []
    const pae: Candidate = { mode: PAE, dtb: cr3, way: 'kpcr' }
    return cr3 % PAGE_BYTES === 0 ? [{ mode: IA32, dtb: cr3, way: 'kpcr' }, pae] : [pae]
  })
}

/** `System` as EPROCESS.ImageFileName starts with it; longer needles take Node's other, slower way of searching. */
export const SYSTEM_NAME = Buffer.from('System\0', 'latin1')
/** The member's other bytes. */
const SYSTEM_REST = Buffer.alloc(8)
const SYSTEM_PID = 4

/** What is read before and behind the name. */
export const SYSTEM_BEFORE = 0x600

const LAYOUTS = [
  ...new Map(
    PROCESS_ROWS.map(row => [`${row.machine} ${row.ImageFileName} ${row.UniqueProcessId}`, row]),
  ).values(),
]

/** The System process around its name at `at`: its process id and top table stand where some build has them. */
export function systemProcessAt(memory: PhysicalMemory, bytes: Buffer, at: number): Candidate[] {
  const found: Candidate[] = []
  const rest = at + SYSTEM_NAME.length
  if (!bytes.subarray(rest, rest + SYSTEM_REST.length).equals(SYSTEM_REST)) return found
  for (const { machine, UniqueProcessId, ImageFileName } of LAYOUTS) {
    const start = at - ImageFileName
    if (start < 0) continue
    const id = start + UniqueProcessId
    if (machine === 'x64') {
      if (bytes.readBigUInt64LE(id) !== BigInt(SYSTEM_PID) || bytes.readBigUInt64LE(id + 8) < KERNEL_64)
        continue
      const cr3 = bytes.readBigUInt64LE(start + 0x28)
      const dtb = Number(cr3 & CR3_MASK)
      if (cr3 >> 52n === 0n && dtb !== 0 && isMemory(memory, dtb, PAGE_BYTES))
        found.push({ mode: LONG, dtb, way: 'process' })
    } else {
      if (bytes.readUInt32LE(id) !== SYSTEM_PID || bytes.readUInt32LE(id + 4) < 0x8000_0000) continue
      const cr3 = bytes.readUInt32LE(start + 0x18)
      if (cr3 === 0 || cr3 % 32 !== 0 || !isMemory(memory, cr3, 32)) continue
      if (cr3 % PAGE_BYTES === 0) found.push({ mode: IA32, dtb: cr3, way: 'process' })
      found.push({ mode: PAE, dtb: cr3, way: 'process' })
    }
  }
  return found
}
