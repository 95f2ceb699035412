/** From the ends that were hit back to where matches may start: one pass, however many ends there are. */
import { type DfaLimits, EMPTY_ROW, UNKNOWN } from '../src/patterns/lazy-dfa.js'
import type { PatternNode } from '../src/patterns/node.js'
import { SearchAutomaton } from '../src/patterns/search-automaton.js'
import { doubled } from './match-columns.js'

/** Finds candidate starts of one pattern. */
export class StartFinder {
  /** Candidate starts, descending; valid up to `count` until the next `find`. */
  starts = new Uint32Array(256)
  count = 0
  readonly #automaton: SearchAutomaton

  /** `heads`: what leads, without assertions, from a match's start to the ends that are given to `find`. */
  constructor(heads: readonly PatternNode[], limits?: DfaLimits) {
    this.#automaton = new SearchAutomaton(heads, 'backward', false, limits)
  }

  /** Collects every start ≥ `floor` from which the pattern reaches one of the `count` ascending ends. */
  find(bytes: Uint8Array, ends: Uint32Array, count: number, floor: number): void {
    const automaton = this.#automaton
    const { dfa, classOf } = automaton
    let { table } = dfa
    let row = EMPTY_ROW
    let left = count
    let at = 0
    this.count = 0
    while (left > 0 || row !== EMPTY_ROW) {
      if (row === EMPTY_ROW) at = ends[left - 1] ?? 0
      if (left > 0 && ends[left - 1] === at) {
        while (left > 0 && ends[left - 1] === at) left--
        row = automaton.enter(row)
        table = dfa.table
      }
      if (at <= floor) break
      at--
      const byteClass = classOf[bytes[at] ?? 0] ?? 0
      let entry = table[row + byteClass] ?? 0
      if (entry === UNKNOWN) {
        entry = dfa.fill(row, byteClass)
        table = dfa.table
      }
      if (entry < 0) {
        this.#push(at)
        row = ~entry
      } else row = entry
    }
  }

  #push(start: number): void {
    if (this.count === this.starts.length) this.starts = doubled(this.starts)
    this.starts[this.count++] = start
  }
}
