/** What guest virtual memory is to everything above the page tables. Virtual addresses are bigint at this level. */
import type { GapReason } from './memory.js'

/** Why a virtual address has no bytes. */
export type AbsentReason =
  /** No valid entry at some level. */
  | 'not-present'
  /** The entry is a swap entry of the guest's. */
  | 'swapped'
  /** The page's frame is no memory of this target. */
  | 'out-of-memory'
  /** Nothing was written to the page yet: it would read as zeros. */
  | 'demand-zero'
  /** A table on the way is no memory of this target. */
  | 'table-out-of-memory'
  /** The address is not canonical, or outside what the tables can translate. */
  | 'non-canonical'
  /** The frame is memory, but could not be read (the gap's reason is the driver's). */
  | 'unreadable'

/** A stretch of virtual memory without bytes. */
export interface Absent {
  readonly va: bigint
  readonly length: number
  readonly reason: AbsentReason
  /** With `unreadable`: what the driver told. */
  readonly gap?: GapReason
}

/** What a read gave: `bytes` is as long as asked; what is absent is zeros there, and listed, ascending. */
export interface VirtualRead {
  readonly bytes: Uint8Array
  readonly absent: readonly Absent[]
}

/** Reads by virtual address. Crosses pages transparently; absence is a result, never an error. */
export interface VirtualMemory {
  readonly pointerBytes: 4 | 8
  /**
   * `length` ≤ 64 MiB. Wraps nowhere: what lies beyond the last address is absent (`non-canonical`).
   * @throws VmsiftError `bad-argument` for a length that is no integer in that range.
   */
  read(va: bigint, length: number): VirtualRead
}
