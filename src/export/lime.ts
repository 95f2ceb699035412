/** LiME version 1 (LiME's doc/README.md "Spec"): a header of 32 bytes, then the bytes, for each range. */
import { FileRanges } from './file-ranges.js'
import type { Finished, MemoryWriter } from './memory-writer.js'
import type { SparseFile } from './sparse-file.js'

const MAGIC = 0x4c694d45
const HEADER_BYTES = 32

/** What could not be read is left out: it lies between two ranges. */
export class LimeWriter implements MemoryWriter {
  readonly #file: SparseFile
  readonly #ranges = new FileRanges(0, end => end + HEADER_BYTES)

  constructor(file: SparseFile) {
    this.#file = file
  }

  data(gpa: number, bytes: Uint8Array): Promise<void> {
    return this.#file.writeSparse(this.#ranges.add(gpa, bytes.length), bytes)
  }

  zeros(gpa: number, length: number): void {
    this.#ranges.add(gpa, length)
  }

  gap(): void {
    this.#ranges.split()
  }

  async finish(): Promise<Finished> {
    // Only now is each range's end known.
    for (const { gpa, length, offset } of this.#ranges.all)
      await this.#file.write(offset - HEADER_BYTES, header(gpa, gpa + length - 1))
    await this.#file.setLength(this.#ranges.end)
    return { ranges: this.#ranges.all.length, fileBytes: this.#ranges.end }
  }
}

/** `last` is inclusive. */
function header(first: number, last: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES)
  bytes.writeUInt32LE(MAGIC, 0)
  bytes.writeUInt32LE(1, 4)
  bytes.writeBigUInt64LE(BigInt(first), 8)
  bytes.writeBigUInt64LE(BigInt(last), 16)
  return bytes
}
