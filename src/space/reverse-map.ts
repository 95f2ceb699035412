/**
 * Physical address -> everything that maps it. Extents of all spaces sorted by physical address, with the largest end
 * below each node of the balanced tree that halving the sorted columns makes: who maps an address takes a few steps per
 * answer, and long extents cost nothing. All of it is shared memory, sent to other threads as it is.
 */
import { PAGE_BYTES } from '../core/address.js'
import type { ExtentColumns } from './extents.js'
import { sharedDoubles, sharedWords } from './growing.js'
import { orderByPage } from './page-order.js'

/** Columns of the map: one entry an extent, ascending by `start`. */
export interface ReverseMapData {
  readonly start: Float64Array
  readonly end: Float64Array
  /** Largest `end` in the subtree whose root the entry is. */
  readonly maxEnd: Float64Array
  /** Page number (4 KiB, signed) at which the extent is mapped. */
  readonly vpn: Float64Array
  /** Index of the space, as given to `buildReverseMap`. */
  readonly space: Uint32Array
}

/** Deep enough for 2^32 entries. */
const STACK = 128

/** Puts the extents of all spaces together; the index in `spaces` is the space's. */
export function buildReverseMap(spaces: readonly ExtentColumns[]): ReverseMapData {
  let count = 0
  for (const { gpa } of spaces) count += gpa.length
  const gpas = new Float64Array(count)
  const lengths = new Float64Array(count)
  const vpns = new Float64Array(count)
  const owner = new Uint32Array(count)
  let at = 0
  for (const [index, { gpa, length, vpn }] of spaces.entries()) {
    gpas.set(gpa, at)
    lengths.set(length, at)
    vpns.set(vpn, at)
    owner.fill(index, at, at + gpa.length)
    at += gpa.length
  }
  const order = orderByPage(gpas, count)
  const start = sharedDoubles(count)
  const end = sharedDoubles(count)
  const vpn = sharedDoubles(count)
  const space = sharedWords(count)
  for (let i = 0; i < count; i++) {
    const from = order[i] as number
    const gpa = gpas[from] as number
    start[i] = gpa
    end[i] = gpa + (lengths[from] as number)
    vpn[i] = vpns[from] as number
    space[i] = owner[from] as number
  }
  const maxEnd = sharedDoubles(count)
  fillMaxEnd(end, maxEnd, 0, count)
  return { start, end, maxEnd, vpn, space }
}

/** The largest end in `low` ≤ index < `high`, written to the middle, which is that part's root. */
function fillMaxEnd(end: Float64Array, maxEnd: Float64Array, low: number, high: number): number {
  if (low >= high) return 0
  const middle = (low + high) >>> 1
  const left = fillMaxEnd(end, maxEnd, low, middle)
  const right = fillMaxEnd(end, maxEnd, middle + 1, high)
  const most = Math.max(left, right, end[middle] as number)
  maxEnd[middle] = most
  return most
}

/** Answers look-ups in a map. One a thread: it keeps the last answer. */
export class ReverseMap {
  readonly data: ReverseMapData
  /** Entries that overlap the page last looked up, ascending by `start`; valid up to `count`. */
  hits = new Uint32Array(64)
  count = 0
  readonly #stack = new Int32Array(STACK)
  #page = -1

  constructor(data: ReverseMapData) {
    this.data = data
  }

  /** Finds every entry that overlaps the 4 KiB page of `gpa`; the caller looks whether it holds the very byte. */
  find(gpa: number): void {
    const page = Math.floor(gpa / PAGE_BYTES)
    if (page === this.#page) return
    this.#page = page
    this.count = 0
    const { start, end, maxEnd } = this.data
    const from = page * PAGE_BYTES
    const to = from + PAGE_BYTES
    const stack = this.#stack
    let low = 0
    let high = start.length
    let depth = 0
    for (;;) {
      // left parts first: answers come in ascending order
      while (low < high) {
        const middle = (low + high) >>> 1
        if ((maxEnd[middle] as number) <= from) break
        stack[depth++] = low
        stack[depth++] = high
        high = middle
      }
      if (depth === 0) return
      high = stack[--depth] as number
      low = stack[--depth] as number
      const middle = (low + high) >>> 1
      if ((start[middle] as number) >= to) {
        low = high
        continue
      }
      if ((end[middle] as number) > from) this.#push(middle)
      low = middle + 1
    }
  }

  #push(entry: number): void {
    if (this.count === this.hits.length) {
      const larger = new Uint32Array(this.count * 2)
      larger.set(this.hits)
      this.hits = larger
    }
    this.hits[this.count++] = entry
  }
}
