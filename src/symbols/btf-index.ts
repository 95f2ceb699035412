/** Types of a BTF blob by name: chains of type ids by the hash of their names' bytes. Built in some milliseconds, once. */
import type { BtfBlob } from './btf-blob.js'

/** Names longer than that are told apart by what they start with. */
const MAX_HASHED = 128

/** Candidates for a name: ids whose names have the same hash. */
export class BtfIndex {
  readonly #heads: Uint32Array
  readonly #next: Uint32Array

  constructor({ view, offsets, count, strings }: BtfBlob) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(16, count)))
    this.#heads = new Uint32Array(slots)
    this.#next = new Uint32Array(count)
    // From the last to the first, so that chains ascend.
    for (let id = count - 1; id > 0; id--) {
      const name = view.getUint32(offsets[id] as number, true)
      if (name === 0 || name >= strings.length) continue
      const slot = hash(strings, name) & (slots - 1)
      this.#next[id] = this.#heads[slot] as number
      this.#heads[slot] = id
    }
  }

  /** The first candidate's id; 0 for none. */
  first(name: Buffer): number {
    return this.#heads[hash(name, 0) & (this.#heads.length - 1)] as number
  }

  /** The next candidate's id; 0 behind the last. */
  next(id: number): number {
    return this.#next[id] as number
  }
}

/** FNV-1a up to a NUL or the end. */
function hash(bytes: Uint8Array, start: number): number {
  let value = 0x811c9dc5
  const end = Math.min(bytes.length, start + MAX_HASHED)
  for (let at = start; at < end && bytes[at] !== 0; at++)
    value = Math.imul(value ^ (bytes[at] as number), 0x01000193)
  return (value ^ (value >>> 15)) >>> 0
}
