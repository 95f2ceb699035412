/** Decompressed blocks, the least recently used one goes first. */
import type { BlockReader } from '../formats/image.js'

/** Bounded by bytes; holds one block at least. */
export class BlockCache {
  readonly #blocks = new Map<number, Uint8Array>()
  readonly #capacity: number
  readonly #blockBytes: number

  constructor(bytes: number, blockBytes: number) {
    this.#capacity = Math.max(1, Math.floor(bytes / blockBytes))
    this.#blockBytes = blockBytes
  }

  /** The block that starts at `start`, if it is kept; that makes it the most recent one. */
  get(start: number): Uint8Array | undefined {
    const block = this.#blocks.get(start)
    if (block === undefined) return undefined
    // A Map iterates in order of insertion: putting it back makes it the last to go.
    this.#blocks.delete(start)
    this.#blocks.set(start, block)
    return block
  }

  /** Decompresses and keeps the block that starts at `start`; borrowed until the next `add`. */
  add(start: number, reader: BlockReader): Uint8Array {
    const room = this.#takeRoom()
    const length = reader.decode(start, room)
    const block = room.subarray(0, length)
    this.#blocks.set(start, block)
    return block
  }

  clear(): void {
    this.#blocks.clear()
  }

  /** The room of the oldest block once the cache is full: no allocation a block. */
  #takeRoom(): Uint8Array {
    if (this.#blocks.size >= this.#capacity)
      for (const [start, block] of this.#blocks) {
        this.#blocks.delete(start)
        return new Uint8Array(block.buffer)
      }
    return new Uint8Array(this.#blockBytes)
  }
}
