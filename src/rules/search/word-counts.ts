/** How often words of four bytes, and pairs of bytes, stand in memory, told from samples of it: what is looked for should be seldom. */

const SLOT_BITS = 18
/** Bytes of a word. */
export const WORD_BYTES = 4
/** Factor of the hash of a word: `Math.imul(word, HASH) >>> (32 - bits)`. */
export const HASH = 0x9e3779b1 | 0
/** Factor of another. */
export const SECOND_HASH = 0x85ebca6b | 0
/** Letters in both cases are one. */
export const FOLD = 0x20202020

/** A word as it is looked for, from its four bytes: little-endian, letters folded. */
export function foldedWord(bytes: ArrayLike<number>, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24) |
    FOLD |
    0
  )
}

export class WordCounts {
  /** Words that were counted. */
  total = 0
  readonly #slots = new Uint32Array(1 << SLOT_BITS)
  /** By two bytes side by side, the first of them the lower one. */
  readonly #pairs = new Uint32Array(1 << 16)

  /** Counts every word of a sample, wherever it begins. */
  add(sample: Uint8Array): void {
    const slots = this.#slots
    const pairs = this.#pairs
    let word = 0
    for (let i = 0; i < sample.length; i++) {
      word = (word >>> 8) | ((sample[i] as number) << 24)
      const slot = slotOf(word | FOLD)
      slots[slot] = (slots[slot] as number) + 1
      pairs[word >>> 16] = (pairs[word >>> 16] as number) + 1
    }
    this.total += sample.length
  }

  /** At most as often as this a folded word was seen. */
  of(word: number): number {
    return this.#slots[slotOf(word)] as number
  }

  /** How often one of the bytes `first` was seen before one of `second`. */
  ofPairs(first: readonly number[], second: readonly number[]): number {
    let count = 0
    for (const high of second) for (const low of first) count += this.#pairs[low | (high << 8)] as number
    return count
  }
}

function slotOf(word: number): number {
  return Math.imul(word, HASH) >>> (32 - SLOT_BITS)
}
