/** Paging modes as data: what a walker needs to know of an architecture. */
import type { Architecture } from '../core/architecture.js'

/**
 * How the bits of an entry are laid out.
 * - `ia32`: 32-bit entries (Intel SDM vol. 3A 4.3).
 * - `x86-64`: 64-bit entries of PAE, 4-level and 5-level paging (4.4, 4.5).
 * - `aarch64`: VMSAv8-64 stage 1 descriptors (Arm ARM D8.3).
 */
export type EntryFormat = 'ia32' | 'x86-64' | 'aarch64'

/** One paging mode, plain data that crosses threads. */
export interface PagingMode {
  readonly name: string
  readonly architecture: Architecture
  readonly format: EntryFormat
  /** Bytes of a table entry. */
  readonly entryBytes: 4 | 8
  /** log2 of the smallest page. */
  readonly pageShift: 12 | 14 | 16
  /** Bits of a virtual address that are translated. */
  readonly vaBits: number
  /** Index bits of each level, from the top table down. */
  readonly indexBits: readonly number[]
  /** Names of the entries of each level, from the top table down. */
  readonly entryNames: readonly string[]
  /** Whether an entry of a level may map a page itself, from the top table down; the last is always true. */
  readonly leaves: readonly boolean[]
  /** How many contiguous entries a contiguous hint joins, from the top table down; 1 where there is none. */
  readonly contiguous: readonly number[]
  /**
   * Where bits of a physical address beyond the plain ones stand in an entry.
   * `pse36`: bits 13-20 of a 4 MiB page's entry are address bits 32-39. `lpa`: bits 12-15 are 48-51. `lpa2`: bits 8-9 are 50-51.
   */
  readonly highBits: 'none' | 'pse36' | 'lpa' | 'lpa2'
  /** Levels, from the top, whose entries carry no permissions (the PDPTEs of PAE). */
  readonly bareLevels: number
  /** Addresses beyond `vaBits` are the sign extension (64-bit), or don't exist (32-bit). */
  readonly canonical: 'signed' | 'unsigned'
  /** The upper half has a top table of its own (TTBR1). */
  readonly splitTables: boolean
  /** First address that is not the user's; on 32 bits as Linux splits them (3 to 1). */
  readonly userEnd: bigint
  /** First address of the kernel's half. */
  readonly kernelStart: bigint
}

/** Bytes of the smallest page. */
export function pageBytes(mode: PagingMode): number {
  return 2 ** mode.pageShift
}

/** log2 of the bytes that one entry of each level maps, from the top table down. */
export function levelShifts(mode: PagingMode): number[] {
  let shift = mode.pageShift as number
  const shifts = mode.indexBits.map(() => 0)
  for (let level = mode.indexBits.length - 1; level >= 0; level--) {
    shifts[level] = shift
    shift += mode.indexBits[level] as number
  }
  return shifts
}

/** Page sizes of a mode in bytes, the smallest first; contiguous hints are not counted. */
export function pageSizes(mode: PagingMode): number[] {
  return levelShifts(mode)
    .filter((_, level) => mode.leaves[level])
    .map(shift => 2 ** shift)
    .reverse()
}
