/** Looks for rows by two bytes side by side (src/rules/search/pairs.ts), in WebAssembly: pair-search.wat. */
import type { PairTable } from '../src/rules/search/pairs.js'
import { ChunkSearch } from './chunk-search.js'
import { PAIR_SEARCH } from './pair-search.js'
import type { RowFound } from './word-finder.js'

export class PairFinder {
  readonly #search: ChunkSearch
  readonly #found: (row: number, start: number) => void

  constructor({ image, mostRows, distance, length, whole }: PairTable, found: RowFound) {
    this.#search = new ChunkSearch(PAIR_SEARCH, { image, mostHits: mostRows })
    this.#found = (row, start) =>
      found(
        row,
        start + (distance[row] as number),
        start + (length[row] as number),
        (whole[row] as number) === 1,
      )
  }

  /** Tells every row whose pair begins at `from` to `to` of the bytes, once. */
  scan(bytes: Uint8Array, from: number, to: number): void {
    this.#search.scan(bytes, from, to, this.#found)
  }
}
