/** What guest physical memory is to everything above the drivers. */

/** A contiguous guest physical range that is memory. Bytes between runs are holes: not memory at all. */
export interface MemoryRun {
  readonly gpa: number
  readonly length: number
}

/** Why bytes that belong to a run were not read. */
export type GapReason =
  | 'unreadable'
  | 'truncated'
  | 'error'
  | 'excluded'
  | 'not-present'
  | 'swapped'
  | 'demand-zero'

/** Gaps with these reasons are told but are no failure: the image never claimed to hold the bytes. */
export const EXPECTED_GAPS: ReadonlySet<GapReason> = new Set(['excluded', 'not-present', 'demand-zero'])

/** A contiguous range inside a run that was not read. */
export interface Gap extends MemoryRun {
  readonly reason: GapReason
}

/**
 * What stands at an address, as far as the driver knows without reading it.
 * `data`: bytes to read. `zero`: known to be zeros (a file hole), reading is free. `gap`: not held by the image.
 * `length` is at least 1 and never passes the limit asked for nor the end of the run.
 */
export type Span =
  | { readonly kind: 'data'; readonly length: number }
  | { readonly kind: 'zero'; readonly length: number }
  | { readonly kind: 'gap'; readonly length: number; readonly reason: GapReason }

/** Where and why a read stopped early: the `length` bytes behind the last good one can't be read. */
export interface ReadStop {
  readonly reason: GapReason
  readonly length: number
}

/**
 * Bytes lent by the driver. They die at the next `window` or `read` call and at `close`: keep with `.slice()`.
 * `bytes` is shorter than asked only with `stop`, which then describes what follows its last byte.
 */
export interface Window {
  readonly bytes: Uint8Array
  readonly stop?: ReadStop
}

/**
 * Guest physical memory, one instance a thread. Addresses and lengths are in bytes.
 * A request must lie inside one run; asking for a hole is a `VmsiftError` `out-of-range`.
 */
export interface PhysicalMemory extends Disposable {
  /** Sorted, disjoint, touching ranges merged. */
  readonly runs: readonly MemoryRun[]
  /** What stands at `gpa`, looking no further than `limit` bytes. */
  spanAt(gpa: number, limit: number): Span
  /** Lends `length` bytes at `gpa`, zero-copy where the driver can. Never longer than `length`; `length` ≤ 64 MiB. */
  window(gpa: number, length: number): Window
  /**
   * The same memory for one pass over much of it, where that can be faster than through this instance. It must be disposed when the pass
   * ends, and no later than the thread goes idle.
   */
  forPass?(): PhysicalMemory
}

/** Memory that can be written: a snapshot's overlay, a live guest's. */
export interface WritableMemory extends PhysicalMemory {
  /**
   * Writes `bytes` at `gpa`, all of them or none.
   * @throws VmsiftError `out-of-range` where there is no memory to write.
   */
  write(gpa: number, bytes: Uint8Array): void
}

/** Whether this memory can be written. */
export function isWritable(memory: PhysicalMemory): memory is WritableMemory {
  return 'write' in memory
}

/** Memory whose loan somebody else may be waiting for: a file that another process wants to truncate. */
export interface LeasedMemory {
  /** Whoever borrowed a window should be done with it at once; the next `window` call settles the matter. */
  readonly wanted: boolean
  /** Ends the loan until the next `window` call: the borrower goes idle, and must not keep others waiting. */
  giveBack(): void
}

/** Whether this memory can be asked for back. */
export function isLeased(memory: PhysicalMemory): memory is PhysicalMemory & LeasedMemory {
  return 'wanted' in memory
}

/** Memory that changes by itself: a running guest's. */
export interface ChangingMemory {
  /** Whether what was read before should be read anew: the guest has had time to run. Having said so, it counts from there. */
  changed(): boolean
}

/** Whether this memory changes by itself. */
export function isChanging(memory: PhysicalMemory): memory is PhysicalMemory & ChangingMemory {
  return 'changed' in memory
}

/** Copies memory into `target`; what could not be read is left as it is and listed in the result. */
export function readInto(memory: PhysicalMemory, gpa: number, target: Uint8Array, limit = 4 << 20): Gap[] {
  const gaps: Gap[] = []
  let done = 0
  while (done < target.length) {
    const left = target.length - done
    const { bytes, stop } = memory.window(gpa + done, Math.min(left, limit))
    target.set(bytes, done)
    done += bytes.length
    if (stop === undefined) continue
    const length = Math.min(stop.length, target.length - done)
    if (length > 0) gaps.push({ gpa: gpa + done, length, reason: stop.reason })
    done += length
  }
  return gaps
}
