/** The address spaces of a guest: what owners and virtual scans are about. Plain data. */
import type { AbsentDecoderName } from '../paging/absent.js'
import type { PagingMode } from '../paging/mode.js'

/** Kernel owners are told with this pid and name. */
export const KERNEL_PID = 0
export const KERNEL_NAME = 'kernel'

/** One process (its thread-group leader) that has memory of its own. */
export interface ProcessSpace {
  readonly pid: number
  readonly name: string
  /** gpa of its top table; flag bits may be set. */
  readonly dtb: number
  /**
   * Its mapped areas, where they are known, so that absent pages can be told: page numbers (4 KiB) as pairs, start and
   * exclusive end, ascending and disjoint.
   */
  readonly areas?: Float64Array
}

export interface GuestSpaces {
  readonly mode: PagingMode
  /** The kernel's own top table; absent when only processes are known. */
  readonly kernelDtb?: number
  readonly processes: readonly ProcessSpace[]
  /** What entries without a valid bit mean; absent: an entry that isn't present is just that. */
  readonly absent?: AbsentDecoderName
}

/** What a scan looks at. */
export type SpaceChoice = 'physical' | 'kernel' | 'processes' | { readonly pid: number }

/** Who maps something, and where. */
export interface Owner {
  readonly pid: number
  readonly process: string
  readonly va: bigint
}

/** The file whose bytes stand in a page of memory. */
export interface PageFile {
  /** As the kernel's structures tell it. */
  readonly path: string
  /** Of the byte in the file, where it is known. */
  readonly offset?: number
}
