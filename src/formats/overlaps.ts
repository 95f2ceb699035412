/**
 * Which of several overlapping ranges speaks for each byte, in O(n log n).
 * QEMU's `paging=on` writes a PT_LOAD per virtual mapping, so one physical page may stand in hundreds of segments;
 * a flattened dump writes the same offset again when the writer went back to its header.
 */

/** A piece of range number `index`; pieces come ascending and disjoint, neighbours of one range joined. */
export type EmitPiece = (index: number, start: number, length: number) => void

/**
 * Sweeps `count` ranges (any order; empty ones are ignored) and emits for every covered byte the range that wins there:
 * the one with the lowest index, or the highest with `winner: 'last'`. At most 2·count pieces.
 */
export function resolveOverlaps(
  starts: Float64Array,
  lengths: Float64Array,
  winner: 'first' | 'last',
  emit: EmitPiece,
): void {
  const order = byStart(starts, lengths)
  const count = order.length
  const heap = new IndexHeap(count, winner === 'first' ? 1 : -1)
  const startOf = (i: number): number => starts[order[i] as number] as number
  const endOf = (range: number): number => (starts[range] as number) + (lengths[range] as number)
  let pieceIndex = -1
  let pieceStart = 0
  let pieceEnd = 0
  let at = 0
  let next = 0
  for (;;) {
    while (heap.size > 0 && endOf(heap.top) <= at) heap.pop()
    if (heap.size === 0) {
      if (next >= count) break
      at = startOf(next)
    }
    while (next < count && startOf(next) <= at) heap.push(order[next++] as number)
    const top = heap.top
    const end = Math.min(endOf(top), next < count ? startOf(next) : Number.POSITIVE_INFINITY)
    if (top === pieceIndex && at === pieceEnd) pieceEnd = end
    else {
      if (pieceIndex >= 0) emit(pieceIndex, pieceStart, pieceEnd - pieceStart)
      pieceIndex = top
      pieceStart = at
      pieceEnd = end
    }
    at = end
  }
  if (pieceIndex >= 0) emit(pieceIndex, pieceStart, pieceEnd - pieceStart)
}

/** Indices of the non-empty ranges by ascending start; already sorted input, the usual case, costs one pass. */
function byStart(starts: Float64Array, lengths: Float64Array): Uint32Array {
  const order = new Uint32Array(starts.length)
  let count = 0
  let sorted = true
  let last = Number.NEGATIVE_INFINITY
  for (let i = 0; i < starts.length; i++) {
    if (!((lengths[i] as number) > 0)) continue
    const start = starts[i] as number
    if (start < last) sorted = false
    last = start
    order[count++] = i
  }
  const used = order.subarray(0, count)
  return sorted ? used : used.sort((a, b) => (starts[a] as number) - (starts[b] as number) || a - b)
}

/** A binary heap of range numbers; `sign` 1 keeps the lowest on top, -1 the highest. */
class IndexHeap {
  readonly #items: Int32Array
  readonly #sign: 1 | -1
  size = 0

  constructor(capacity: number, sign: 1 | -1) {
    this.#items = new Int32Array(capacity + 1)
    this.#sign = sign
  }

  get top(): number {
    return Math.abs(this.#at(0))
  }

  push(index: number): void {
    const value = index * this.#sign
    let at = this.size++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (this.#at(parent) <= value) break
      this.#items[at] = this.#at(parent)
      at = parent
    }
    this.#items[at] = value
  }

  pop(): void {
    const value = this.#at(--this.size)
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= this.size) break
      if (child + 1 < this.size && this.#at(child + 1) < this.#at(child)) child++
      if (this.#at(child) >= value) break
      this.#items[at] = this.#at(child)
      at = child
    }
    this.#items[at] = value
  }

  #at(index: number): number {
    return this.#items[index] as number
  }
}
