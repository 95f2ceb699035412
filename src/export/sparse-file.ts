/** A file written at offsets, in which pages of zeros take no room. */
import type { FileHandle } from 'node:fs/promises'

const PAGE_BYTES = 4096
const ZERO_PAGE = Buffer.alloc(PAGE_BYTES)

/** Writes through a handle that stays its opener's. Offsets below which nothing was written read as zeros. */
export class SparseFile {
  readonly #handle: FileHandle

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  /** Writes every byte. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, offset + done)
      done += bytesWritten
    }
  }

  /** Writes all but the file's pages that would be zeros. Only where nothing was written before. */
  async writeSparse(offset: number, bytes: Uint8Array): Promise<void> {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    let start = -1
    for (let at = 0; at < buffer.length; ) {
      const next = Math.min(buffer.length, at + PAGE_BYTES - ((offset + at) % PAGE_BYTES))
      const zero = buffer.compare(ZERO_PAGE, 0, next - at, at, next) === 0
      if (!zero && start < 0) start = at
      if (zero && start >= 0) {
        await this.write(offset + start, buffer.subarray(start, at))
        start = -1
      }
      at = next
    }
    if (start >= 0) await this.write(offset + start, buffer.subarray(start))
  }

  /** Sets the file's length: what was skipped at its end becomes a hole. */
  async setLength(length: number): Promise<void> {
    await this.#handle.truncate(length)
  }
}
