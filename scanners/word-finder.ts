/** Looks for rows by the aligned words of memory (src/rules/search/words.ts). */
import { FOLD, HASH } from '../src/rules/search/word-counts.js'
import {
  othersOf,
  ROW_BYTES,
  SLOT_NUMBERS,
  USE_NUMBERS,
  WORD_BYTES,
  type WordTable,
} from '../src/rules/search/words.js'

// constants of its own: where modules are not bundled, an import may be a call each time
const LETTERS = FOLD
const FACTOR = HASH

/** Words that are looked at in one go. */
const CHUNK_WORDS = 1 << 14

/** Takes a row that stands in the bytes: `at` is the place to be verified, `end` is behind what was compared. */
export type RowFound = (row: number, at: number, end: number) => void

export class WordFinder {
  readonly #table: WordTable
  readonly #shift: number
  readonly #keyShift: number
  /** Indices of the words of a chunk that may be some row's. */
  readonly #chosen = new Int32Array(CHUNK_WORDS)

  constructor(table: WordTable) {
    this.#table = table
    this.#shift = 32 - Math.log2(table.bits.length * 32)
    this.#keyShift = 32 - Math.log2(table.slots.length / SLOT_NUMBERS)
  }

  /** Tells every row that stands within `from` to `to` of the bytes, once. */
  scan(bytes: Uint8Array, from: number, to: number, found: RowFound): void {
    const { buffer, byteOffset } = bytes
    const first = Math.ceil((byteOffset + from) / WORD_BYTES)
    const end = Math.floor((byteOffset + to) / WORD_BYTES)
    if (end <= first) return
    const words = new Int32Array(buffer, first * WORD_BYTES, end - first)
    const start = first * WORD_BYTES - byteOffset
    for (let at = 0; at < words.length; at += CHUNK_WORDS) {
      const count = choose(
        words,
        at,
        Math.min(words.length, at + CHUNK_WORDS),
        this.#table.bits,
        this.#shift,
        this.#chosen,
      )
      for (let i = 0; i < count; i++) {
        const word = this.#chosen[i] as number
        this.#word(bytes, (words[word] as number) | LETTERS, start + word * WORD_BYTES, found)
      }
    }
  }

  /** A folded word that stands at `at`. */
  #word(bytes: Uint8Array, word: number, at: number, found: RowFound): void {
    const { slots, uses } = this.#table
    const last = slots.length - SLOT_NUMBERS
    let slot = (Math.imul(word, FACTOR) >>> this.#keyShift) * SLOT_NUMBERS
    for (;;) {
      const key = slots[slot] as number
      if (key === word) break
      if (key === 0) return
      slot = slot === last ? 0 : slot + SLOT_NUMBERS
    }
    const end = slots[slot + 2] as number
    for (let i = slots[slot + 1] as number; i < end; i += USE_NUMBERS) {
      const use = uses[i] as number
      const start = at - (use & 3)
      if (start < 0 || start + ROW_BYTES > bytes.length) continue
      if (othersOf(bytes, start, use & 3) === uses[i + 1]) this.#row(bytes, use >>> 2, start, found)
    }
  }

  #row(bytes: Uint8Array, index: number, at: number, found: RowFound): void {
    const { firstByte, values, masks, row, distance } = this.#table
    const from = firstByte[index] as number
    const length = (firstByte[index + 1] as number) - from
    const start = at - (row[index] as number)
    if (start < 0 || start + length > bytes.length) return
    for (let i = 0; i < length; i++)
      if (((bytes[start + i] as number) & (masks[from + i] as number)) !== values[from + i]) return
    found(index, start + (distance[index] as number), start + length)
  }
}

/** Indices of words that have their bit; returns how many. Four at a time: a machine does them side by side. */
function choose(
  words: Int32Array,
  from: number,
  to: number,
  bits: Int32Array,
  shift: number,
  chosen: Int32Array,
): number {
  let count = 0
  let at = from
  for (; at + 4 <= to; at += 4) {
    const a = Math.imul((words[at] as number) | LETTERS, FACTOR) >>> shift
    const b = Math.imul((words[at + 1] as number) | LETTERS, FACTOR) >>> shift
    const c = Math.imul((words[at + 2] as number) | LETTERS, FACTOR) >>> shift
    const d = Math.imul((words[at + 3] as number) | LETTERS, FACTOR) >>> shift
    const inA = ((bits[a >>> 5] as number) >>> (a & 31)) & 1
    const inB = ((bits[b >>> 5] as number) >>> (b & 31)) & 1
    const inC = ((bits[c >>> 5] as number) >>> (c & 31)) & 1
    const inD = ((bits[d >>> 5] as number) >>> (d & 31)) & 1
    if ((inA | inB | inC | inD) === 0) continue
    if (inA !== 0) chosen[count++] = at
    if (inB !== 0) chosen[count++] = at + 1
    if (inC !== 0) chosen[count++] = at + 2
    if (inD !== 0) chosen[count++] = at + 3
  }
  for (; at < to; at++) {
    const a = Math.imul((words[at] as number) | LETTERS, FACTOR) >>> shift
    if ((((bits[a >>> 5] as number) >>> (a & 31)) & 1) !== 0) chosen[count++] = at
  }
  return count
}
