/** Matches as growing columns: where they start and how long they are. */

const FIRST_CAPACITY = 16

/** Matches of one part or string in one space. Offsets are numbers: of an image from its first byte, else virtual addresses. */
export class OffsetColumns {
  count = 0
  #offsets = new Float64Array(FIRST_CAPACITY)
  #lengths = new Uint32Array(FIRST_CAPACITY)
  #sorted = true

  push(offset: number, length: number): void {
    if (this.count === this.#offsets.length) this.#resize(this.count * 2)
    if (this.count > 0 && offset < (this.#offsets[this.count - 1] as number)) this.#sorted = false
    this.#offsets[this.count] = offset
    this.#lengths[this.count] = length
    this.count++
  }

  /** 0 ≤ index < count. */
  offsetAt(index: number): number {
    return this.#offsets[index] as number
  }

  lengthAt(index: number): number {
    return this.#lengths[index] as number
  }

  /** Puts the matches in ascending order; those at one offset stay in the order in which they came. */
  sort(): void {
    if (this.#sorted) return
    const { count } = this
    let from: Columns = { offsets: this.#offsets, lengths: this.#lengths }
    let to: Columns = { offsets: new Float64Array(count), lengths: new Uint32Array(count) }
    // what comes from several places in order of each one is a few runs that ascend
    let starts = runsOf(this.#offsets, count)
    while (starts.length > 1) {
      const merged: number[] = []
      for (let run = 0; run < starts.length; run += 2) {
        const start = starts[run] as number
        mergeRuns(from, to, start, starts[run + 1] ?? count, starts[run + 2] ?? count)
        merged.push(start)
      }
      starts = merged
      const before = from
      from = to
      to = before
    }
    this.#offsets = from.offsets
    this.#lengths = from.lengths
    this.#sorted = true
  }

  /** Keeps the `most` matches with the lowest offsets. */
  trim(most: number): void {
    if (this.count <= most) return
    this.sort()
    this.count = most
    this.#resize(most)
  }

  /** Index of the first match at `offset` or behind; the columns must be sorted. */
  firstFrom(offset: number): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#offsets[middle] as number) < offset) low = middle + 1
      else high = middle
    }
    return low
  }

  #resize(capacity: number): void {
    const offsets = new Float64Array(capacity)
    offsets.set(this.#offsets.subarray(0, Math.min(capacity, this.count)))
    const lengths = new Uint32Array(capacity)
    lengths.set(this.#lengths.subarray(0, Math.min(capacity, this.count)))
    this.#offsets = offsets
    this.#lengths = lengths
  }
}

interface Columns {
  readonly offsets: Float64Array<ArrayBuffer>
  readonly lengths: Uint32Array<ArrayBuffer>
}

/** Where runs of ascending offsets begin. */
function runsOf(offsets: Float64Array, count: number): number[] {
  const starts = [0]
  for (let i = 1; i < count; i++) if ((offsets[i] as number) < (offsets[i - 1] as number)) starts.push(i)
  return starts
}

/** Merges two runs, `start` to `middle` and `middle` to `end`. */
function mergeRuns(from: Columns, to: Columns, start: number, middle: number, end: number): void {
  let one = start
  let other = middle
  for (let at = start; at < end; at++) {
    const takesOne =
      one < middle && (other >= end || (from.offsets[one] as number) <= (from.offsets[other] as number))
    const next = takesOne ? one++ : other++
    to.offsets[at] = from.offsets[next] as number
    to.lengths[at] = from.lengths[next] as number
  }
}
