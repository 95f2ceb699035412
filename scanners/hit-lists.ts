/** The hits of one window, put in order pattern by pattern without sorting. */

const NONE = -1

/** Hits threaded on one list per pattern. Reused from window to window; clearing costs what was touched. */
export class HitLists {
  /** Patterns with hits, in the order of their first one. */
  readonly touched: number[] = []
  readonly #first: Int32Array
  readonly #last: Int32Array
  #next = new Int32Array(0)

  constructor(patterns: number) {
    this.#first = new Int32Array(patterns).fill(NONE)
    this.#last = new Int32Array(patterns).fill(NONE)
  }

  /** Threads `count` hits; `patternOf` maps an expression to its pattern. */
  fill(ids: Uint32Array, count: number, patternOf: Uint32Array): void {
    for (const pattern of this.touched) this.#first[pattern] = NONE
    this.touched.length = 0
    if (this.#next.length < count) this.#next = new Int32Array(ids.length)
    for (let hit = 0; hit < count; hit++) {
      const pattern = patternOf[ids[hit] ?? 0] ?? 0
      this.#next[hit] = NONE
      if (this.#first[pattern] === NONE) {
        this.#first[pattern] = hit
        this.touched.push(pattern)
      } else this.#next[this.#last[pattern] ?? 0] = hit
      this.#last[pattern] = hit
    }
  }

  /** First hit of a pattern, or a negative number. */
  first(pattern: number): number {
    return this.#first[pattern] ?? NONE
  }

  /** The pattern's hit behind `hit`, or a negative number. */
  next(hit: number): number {
    return this.#next[hit] ?? NONE
  }
}
