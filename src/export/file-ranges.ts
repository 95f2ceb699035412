/** Where contiguous ranges of memory go in a file that leaves gaps out. */

export interface FileRange {
  readonly gpa: number
  readonly length: number
  /** Of the range's first byte. */
  readonly offset: number
}

/** Lays ranges out one behind the other, as their pieces come in ascending order. */
export class FileRanges {
  readonly #place: (end: number, gpa: number) => number
  readonly #ranges: { gpa: number; length: number; offset: number }[] = []
  #end: number
  #joins = false

  /** Offsets start at `start`; `place` says where a range at `gpa` begins when the file so far ends at `end`. */
  constructor(start: number, place: (end: number, gpa: number) => number) {
    this.#end = start
    this.#place = place
  }

  /** Room for `length` bytes at `gpa`; returns their file offset. */
  add(gpa: number, length: number): number {
    const last = this.#ranges.at(-1)
    if (this.#joins && last !== undefined && last.gpa + last.length === gpa) last.length += length
    else this.#ranges.push({ gpa, length, offset: this.#place(this.#end, gpa) })
    this.#joins = true
    const range = this.#ranges.at(-1) as FileRange
    this.#end = range.offset + range.length
    return this.#end - length
  }

  /** The next piece starts a range of its own. */
  split(): void {
    this.#joins = false
  }

  get all(): readonly FileRange[] {
    return this.#ranges
  }

  /** File offset behind the last byte. */
  get end(): number {
    return this.#end
  }
}
