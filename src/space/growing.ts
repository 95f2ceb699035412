/** Numbers in typed arrays that grow: what tables are collected in before their size is known. */

const FIRST_CAPACITY = 1024

/** Appendable doubles. */
export class GrowingDoubles {
  count = 0
  /** Valid up to `count`; another array after it has grown. */
  values: Float64Array

  constructor(capacity = FIRST_CAPACITY) {
    this.values = new Float64Array(capacity)
  }

  push(value: number): void {
    if (this.count === this.values.length) {
      const larger = new Float64Array(this.count * 2)
      larger.set(this.values)
      this.values = larger
    }
    this.values[this.count++] = value
  }

  at(index: number): number {
    return this.values[index] as number
  }

  /** A view of what is there; another `push` may leave it behind. */
  view(): Float64Array {
    return this.values.subarray(0, this.count)
  }
}

/** Appendable unsigned 32-bit integers. */
export class GrowingWords {
  count = 0
  /** Valid up to `count`; another array after it has grown. */
  values: Uint32Array

  constructor(capacity = FIRST_CAPACITY) {
    this.values = new Uint32Array(capacity)
  }

  push(value: number): void {
    if (this.count === this.values.length) {
      const larger = new Uint32Array(this.count * 2)
      larger.set(this.values)
      this.values = larger
    }
    this.values[this.count++] = value
  }

  at(index: number): number {
    return this.values[index] as number
  }

  /** A view of what is there; another `push` may leave it behind. */
  view(): Uint32Array {
    return this.values.subarray(0, this.count)
  }
}

/** A column of doubles in shared memory. */
export function sharedDoubles(length: number): Float64Array {
  return new Float64Array(new SharedArrayBuffer(length * Float64Array.BYTES_PER_ELEMENT))
}

/** A column of unsigned 32-bit integers in shared memory. */
export function sharedWords(length: number): Uint32Array {
  return new Uint32Array(new SharedArrayBuffer(length * Uint32Array.BYTES_PER_ELEMENT))
}
