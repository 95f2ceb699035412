/** Looks for rows by the aligned words of memory (src/rules/search/words.ts), in WebAssembly: word-search.wat. */
import { WORD_BYTES } from '../src/rules/search/word-counts.js'
import { comparedBytes, type WordTable } from '../src/rules/search/words.js'
import { ChunkSearch } from './chunk-search.js'
import { WORD_SEARCH } from './word-search.js'

/** Takes a row that stands in the bytes: `at` is the place to be verified, `end` is behind what was compared; `whole`: nothing is left to verify. */
export type RowFound = (row: number, at: number, end: number, whole: boolean) => void

export class WordFinder {
  readonly #stride: number
  readonly #search: ChunkSearch
  readonly #found: (row: number, start: number) => void

  constructor(table: WordTable, found: RowFound) {
    const { image, mostUses, stride, filterShift, slotShift, slots, rows, distance, length } = table
    const mask = (1n << BigInt(8 * comparedBytes(stride))) - 1n
    const slotMask = 2 ** (32 - slotShift) - 1
    const imports = { stride, mask, filterShift, slotShift, slotMask, slots, rows }
    this.#stride = stride
    this.#search = new ChunkSearch(WORD_SEARCH, { image, mostHits: mostUses, imports })
    this.#found = (row, start) =>
      found(row, start + (distance[row] as number), start + (length[row] as number), false)
  }

  /** Tells every row that stands within `from` to `to` of the bytes, once. */
  scan(bytes: Uint8Array, from: number, to: number): void {
    // words of the bytes' own alignment
    const first = Math.ceil((bytes.byteOffset + from) / this.#stride) * this.#stride - bytes.byteOffset
    this.#search.scan(bytes, first, to - WORD_BYTES + 1, this.#found)
  }
}
