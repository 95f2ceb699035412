/**
 * Address spaces laid out one behind the other, stretch by stretch, with holes between: memory like any other, for what must see virtual
 * bytes as they follow each other, however often a frame comes up.
 */

import { PAGE_BYTES } from '../core/address.js'
import type { MemoryRun, PhysicalMemory, Span, Window } from '../core/memory.js'
import { lastAtOrBelow } from '../core/sorted.js'
import type { ExtentColumns } from './extents.js'
import { sharedDoubles } from './growing.js'

/** Extents in their new order; shared memory. An extent continues the one before it when their addresses touch. */
export interface LinearTable {
  readonly address: Float64Array
  readonly gpa: Float64Array
  readonly length: Float64Array
  /** Page number (4 KiB, signed) of the extent in its space. */
  readonly vpn: Float64Array
}

/** Where each space lies in a table: addresses, end exclusive. */
export interface LinearSlot {
  readonly space: number
  readonly start: number
  readonly end: number
  /** Its extents in the table, end exclusive. */
  readonly firstExtent: number
  readonly endExtent: number
}

/** Lays spaces out; `spaces` are pairs of a space's index and its extents. */
export function layOut(spaces: readonly (readonly [number, ExtentColumns])[]): {
  readonly table: LinearTable
  readonly slots: readonly LinearSlot[]
} {
  const count = spaces.reduce((sum, [, extents]) => sum + extents.vpn.length, 0)
  const address = sharedDoubles(count)
  const gpa = sharedDoubles(count)
  const length = sharedDoubles(count)
  const vpn = sharedDoubles(count)
  const slots: LinearSlot[] = []
  let at = 0
  let next = 0
  for (const [space, extents] of spaces) {
    const start = at
    const firstExtent = next
    gpa.set(extents.gpa, next)
    length.set(extents.length, next)
    vpn.set(extents.vpn, next)
    let before = extents.vpn[0] ?? 0
    for (let i = 0; i < extents.vpn.length; i++) {
      const page = extents.vpn[i] as number
      const bytes = extents.length[i] as number
      if (before !== page) at = nextHole(at)
      address[next++] = at
      at += bytes
      before = page + bytes / PAGE_BYTES
    }
    slots.push({ space, start, end: at, firstExtent, endExtent: next })
    at = nextHole(at)
  }
  return { table: { address, gpa, length, vpn }, slots }
}

/** A page-aligned address with a hole of a page before it. */
function nextHole(at: number): number {
  return Math.ceil(at / PAGE_BYTES) * PAGE_BYTES + PAGE_BYTES
}

/** Index of the extent that holds `address`, or -1. */
export function linearExtentAt({ address, length }: LinearTable, at: number): number {
  const index = lastAtOrBelow(address, at)
  return index >= 0 && at < (address[index] as number) + (length[index] as number) ? index : -1
}

/** Index of the slot that holds `address`, or -1; slots ascend. */
export function slotAt(slots: readonly LinearSlot[], address: number): number {
  let low = 0
  let high = slots.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((slots[middle] as LinearSlot).end <= address) low = middle + 1
    else high = middle
  }
  const slot = slots[low]
  return slot !== undefined && address >= slot.start ? low : -1
}

/** The stretches of a table, or of its extents `first` ≤ index < `end`. */
export function linearRuns({ address, length }: LinearTable, first = 0, end = address.length): MemoryRun[] {
  const runs: { gpa: number; length: number }[] = []
  for (let i = first; i < end; i++) {
    const last = runs.at(-1)
    if (last !== undefined && last.gpa + last.length === address[i]) last.length += length[i] as number
    else runs.push({ gpa: address[i] as number, length: length[i] as number })
  }
  return runs
}

/** The laid-out spaces as memory. `inner` stays the caller's. */
export class LinearMemory implements PhysicalMemory {
  readonly #table: LinearTable
  readonly #inner: PhysicalMemory
  #runs: readonly MemoryRun[] | undefined
  #scratch = new Uint8Array(0)

  constructor(table: LinearTable, inner: PhysicalMemory) {
    this.#table = table
    this.#inner = inner
  }

  /** Its stretches, made when they are asked for: there may be hundreds of thousands. */
  get runs(): readonly MemoryRun[] {
    this.#runs ??= linearRuns(this.#table)
    return this.#runs
  }

  spanAt(gpa: number, limit: number): Span {
    const index = linearExtentAt(this.#table, gpa)
    if (index < 0) return { kind: 'gap', length: 1, reason: 'not-present' }
    const into = gpa - (this.#table.address[index] as number)
    const length = Math.min(limit, (this.#table.length[index] as number) - into)
    const span = this.#inner.spanAt((this.#table.gpa[index] as number) + into, length)
    // known zeros are read like data: pieces of them are small
    return span.kind === 'gap' ? span : { kind: 'data', length: limit }
  }

  window(gpa: number, length: number): Window {
    if (this.#scratch.length < length) this.#scratch = new Uint8Array(length)
    const { address, gpa: frames, length: lengths } = this.#table
    let index = linearExtentAt(this.#table, gpa)
    let done = 0
    while (done < length) {
      const into = gpa + done - (address[index] as number)
      const piece = Math.min(length - done, (lengths[index] as number) - into)
      const { bytes, stop } = this.#inner.window((frames[index] as number) + into, piece)
      this.#scratch.set(bytes, done)
      done += bytes.length
      if (stop !== undefined && done < length)
        return {
          bytes: this.#scratch.subarray(0, done),
          stop: { reason: stop.reason, length: Math.min(stop.length, piece - bytes.length) },
        }
      index++
    }
    return { bytes: this.#scratch.subarray(0, length) }
  }

  [Symbol.dispose](): void {
    this.#scratch = new Uint8Array(0)
  }
}
