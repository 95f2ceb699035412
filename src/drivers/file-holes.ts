/** Where a sparse file holds nothing: such ranges read as zeros, and need not be read. */
import type { Libc } from '../ffi/libc.js'

/** Shorter holes are read like data: looking for them costs more than reading them. */
const MIN_HOLE_BYTES = 65536

export class FileHoles {
  readonly #libc: Libc
  readonly #fd: number
  /** File range last found to be data, and to be a hole. */
  #data = { start: 0, end: 0 }
  #hole = { start: 0, end: 0 }

  constructor(libc: Libc, fd: number) {
    this.#libc = libc
    this.#fd = fd
  }

  /** How many bytes at `offset` lie in a hole, at most `limit`; 0 for data. Past the end of the file it is 0 too. */
  holeAt(offset: number, limit: number): number {
    if (!this.#covers(this.#hole, offset) && !this.#covers(this.#data, offset)) this.#look(offset, limit)
    if (!this.#covers(this.#hole, offset)) return 0
    return Math.min(limit, this.#hole.end - offset)
  }

  /** How many bytes at `offset`, which is data, come before the next hole, at most `limit`. */
  dataAt(offset: number, limit: number): number {
    if (!this.#covers(this.#data, offset)) this.#look(offset, limit)
    return this.#covers(this.#data, offset) ? Math.min(limit, this.#data.end - offset) : limit
  }

  /**
   * Looks anew the next time: the file may have been written to. What was data is remembered: where it is no more, it reads as
   * zeros, and to find where data ends takes a walk over all of it.
   */
  forgetHole(): void {
    this.#hole = { start: 0, end: 0 }
  }

  #covers(range: { start: number; end: number }, offset: number): boolean {
    return offset >= range.start && offset < range.end
  }

  #look(offset: number, limit: number): void {
    const hole = this.#holeFrom(offset)
    if (hole >= MIN_HOLE_BYTES) {
      this.#hole = { start: offset, end: offset + hole }
      return
    }
    let end = offset + hole
    // step over holes too short to matter, but no further than was asked for
    while (end < offset + limit) {
      end = this.#libc.seekHole(this.#fd, end) ?? Number.MAX_SAFE_INTEGER
      const next = this.#holeFrom(end)
      if (next === 0 || next >= MIN_HOLE_BYTES) break
      end += next
    }
    this.#data = { start: offset, end: Math.max(end, offset + 1) }
  }

  /** Bytes of hole at `offset`. The implicit hole behind the end of the file is not one: those bytes are missing. */
  #holeFrom(offset: number): number {
    if (offset >= Number.MAX_SAFE_INTEGER) return 0
    const data = this.#libc.seekData(this.#fd, offset)
    if (data !== undefined) return data - offset
    const end = this.#libc.fileSize(this.#fd)
    return Math.max(0, end - offset)
  }
}
