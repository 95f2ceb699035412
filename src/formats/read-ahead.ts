/** Reads small pieces of a source through one window, so that neighbours cost no system call. */
import type { ByteSource } from '../core/bytes.js'

const FAR_BYTES = 8192

/** One window over a source; not shared between threads. */
export class ReadAhead {
  readonly #source: ByteSource
  readonly #window: Buffer
  #start = 0
  #length = 0

  constructor(source: ByteSource, windowBytes: number) {
    this.#source = source
    this.#window = Buffer.alloc(windowBytes)
  }

  /** `length` bytes at `offset`, borrowed until the next call; `undefined` when the source has fewer. */
  read(offset: number, length: number): Buffer | undefined {
    if (offset < 0 || offset + length > this.#source.size || length > this.#window.length) return undefined
    if (offset < this.#start || offset + length > this.#start + this.#length) {
      const ahead = offset - (this.#start + this.#length)
      // Far from the last read is a page walk, not a scan: a whole window would be thrown away.
      const wanted =
        ahead >= 0 && ahead < this.#window.length ? this.#window.length : Math.max(length, FAR_BYTES)
      this.#start = offset
      this.#length = this.#source.read(offset, this.#window.subarray(0, wanted))
      if (length > this.#length) return undefined
    }
    const at = offset - this.#start
    return this.#window.subarray(at, at + length)
  }
}
