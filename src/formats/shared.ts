/** Number tables that grow while a header is read, and end over SharedArrayBuffer so that threads share them. */

/** A Float64Array over shared memory. */
export function sharedFloat64(length: number): Float64Array<SharedArrayBuffer> {
  return new Float64Array(new SharedArrayBuffer(length * 8))
}

/** A growing list of doubles: 8 bytes each, where an Array of numbers may take more and holds the heap. */
export class NumberList {
  #values = new Float64Array(64)
  #length = 0

  get length(): number {
    return this.#length
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const grown = new Float64Array(this.#values.length * 2)
      grown.set(this.#values)
      this.#values = grown
    }
    this.#values[this.#length++] = value
  }

  at(index: number): number {
    return this.#values[index] as number
  }

  set(index: number, value: number): void {
    this.#values[index] = value
  }

  /** The values so far, borrowed: dead after the next `push`. */
  view(): Float64Array {
    return this.#values.subarray(0, this.#length)
  }

  /** A copy over shared memory. */
  toShared(): Float64Array<SharedArrayBuffer> {
    const shared = sharedFloat64(this.#length)
    shared.set(this.view())
    return shared
  }
}
