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

  /** Puts the matches in ascending order. */
  sort(): void {
    if (this.#sorted) return
    const { count } = this
    const order = Uint32Array.from({ length: count }, (_, index) => index)
    const offsets = this.#offsets
    order.sort((a, b) => (offsets[a] as number) - (offsets[b] as number))
    this.#offsets = Float64Array.from(order, index => offsets[index] as number)
    const lengths = this.#lengths
    this.#lengths = Uint32Array.from(order, index => lengths[index] as number)
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
