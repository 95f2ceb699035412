/**
 * Automata without assertions that accept on the very byte. Backwards from many ends at once they find starts;
 * forwards and unanchored they find ends of many patterns in one pass.
 */
import { byteClasses } from './byte-classes.js'
import { setHas } from './byte-set.js'
import { Closure } from './closure.js'
import { type DfaLimits, EMPTY_ROW, LazyDfa, type Step } from './lazy-dfa.js'
import { ACCEPT, BYTES, type Direction, Nfa } from './nfa.js'
import type { PatternNode } from './node.js'

/** Steps through several patterns at once; row `EMPTY_ROW` is where nothing has begun. */
export class SearchAutomaton {
  readonly dfa: LazyDfa
  readonly classOf: Uint8Array
  readonly #nfa: Nfa
  readonly #closure: Closure
  readonly #example: readonly number[]
  readonly #initial: readonly number[]
  readonly #everywhere: boolean
  readonly #begun: (readonly number[] | undefined)[] = []
  #entered: Int32Array = new Int32Array(0)
  #accepts = new Map<number, readonly number[]>()
  #epoch = 0

  /** `everywhere`: a match may begin at any byte, so the patterns are entered before each. Else `enter` does it. */
  constructor(
    patterns: readonly PatternNode[],
    direction: Direction,
    everywhere: boolean,
    limits?: DfaLimits,
  ) {
    this.#nfa = new Nfa(patterns, direction)
    this.#closure = new Closure(this.#nfa)
    this.#everywhere = everywhere
    const { classOf, count, example } = byteClasses(this.#nfa.sets)
    this.classOf = classOf
    this.#example = example
    for (const root of this.#nfa.roots) this.#closure.add(root)
    this.#initial = this.#closure.sorted()
    this.dfa = new LazyDfa(count, (ids, _tag, byteClass) => this.#step(ids, byteClass), limits)
  }

  /** The row in which, beside all that goes on in `row`, the patterns begin anew. May start a new epoch. */
  enter(row: number): number {
    this.#renew()
    const index = row / this.dfa.stride
    const known = this.#entered[index]
    if (known !== undefined && known > 0) return known
    this.#closure.clear()
    for (const id of this.dfa.idsOf(row)) this.#closure.add(id)
    for (const id of this.#initial) this.#closure.add(id)
    const entered = this.dfa.row(this.#closure.sorted(), 0)
    if (this.#renew()) return entered
    if (index >= this.#entered.length) {
      const larger = new Int32Array((index + 1) * 2)
      larger.set(this.#entered)
      this.#entered = larger
    }
    this.#entered[index] = entered
    return entered
  }

  /** Which patterns are accepted on arriving in `row`. */
  accepted(row: number): readonly number[] {
    this.#renew()
    let ids = this.#accepts.get(row)
    if (ids === undefined) {
      const { kinds, value } = this.#nfa
      ids = this.dfa
        .idsOf(row)
        .filter(id => kinds[id] === ACCEPT)
        .map(id => value[id] ?? 0)
      this.#accepts.set(row, ids)
    }
    return ids
  }

  /** Drops what is of an earlier epoch; whether there was one. */
  #renew(): boolean {
    if (this.#epoch === this.dfa.epoch) return false
    this.#epoch = this.dfa.epoch
    this.#entered = new Int32Array(0)
    this.#accepts = new Map()
    return true
  }

  #step(ids: readonly number[], byteClass: number): Step {
    this.#closure.clear()
    this.#follow(ids, byteClass)
    if (this.#everywhere) for (const id of this.#begin(byteClass)) this.#closure.add(id)
    const sorted = this.#closure.sorted()
    return { ids: sorted, tag: 0, match: sorted.some(id => this.#nfa.kinds[id] === ACCEPT) }
  }

  #follow(ids: readonly number[], byteClass: number): void {
    const { kinds, next, value, sets } = this.#nfa
    const eaten = this.#example[byteClass] ?? 0
    for (const id of ids) {
      if (kinds[id] !== BYTES) continue
      const set = sets[value[id] ?? 0]
      if (set !== undefined && setHas(set, eaten)) this.#closure.add(next[id] ?? 0)
    }
  }

  /** Where the patterns are after their first byte. Kept by class: with thousands of patterns it is a long walk. */
  #begin(byteClass: number): readonly number[] {
    const known = this.#begun[byteClass]
    if (known !== undefined) return known
    const outer = this.#closure.ids
    this.#closure.clear()
    this.#follow(this.#initial, byteClass)
    const begun = this.#closure.sorted().slice()
    this.#begun[byteClass] = begun
    this.#closure.clear()
    for (const id of outer) this.#closure.add(id)
    return begun
  }
}

export { EMPTY_ROW }
