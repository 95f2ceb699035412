/**
 * The automaton that measures matches: anchored at a start, forwards, assertions and all. A match is told one step
 * late, on the byte behind it (or on the end of the bytes): only then is it known what the assertions at its end see.
 * What they see before it is part of the state.
 */
import { byteClasses } from './byte-classes.js'
import { isWord, setHas, setOf } from './byte-set.js'
import { Closure } from './closure.js'
import { type DfaLimits, LazyDfa, type Step } from './lazy-dfa.js'
import { hasAssertions } from './measure.js'
import { ACCEPT, ASSERT, ASSERTIONS, BYTES, Nfa } from './nfa.js'
import type { Assertion, PatternNode } from './node.js'

/** What lies on one side of a position. `final-newline`: the stretch's last byte, a newline. */
export type Neighbour = 'edge' | 'newline' | 'final-newline' | 'word' | 'other'

const NEIGHBOURS: readonly Neighbour[] = ['edge', 'newline', 'final-newline', 'word', 'other']
const NEWLINE = 0x0a
const WORD_SET = setOf(Array.from({ length: 256 }, (_, value) => value).filter(isWord))

/** A lazily built automaton of one pattern, with the classes that stand for what is no byte. */
export class MatchAutomaton {
  readonly dfa: LazyDfa
  readonly classOf: Uint8Array
  /** Class of "no byte: the end". */
  readonly endClass: number
  /** Class of a newline that is the last byte of its stretch. */
  readonly finalNewlineClass: number
  /** The pattern has assertions: what lies around a match matters. */
  readonly looksAround: boolean
  readonly #nfa: Nfa
  readonly #closure: Closure
  readonly #example: readonly number[]
  #starts: number[] = []
  #epoch = 0

  constructor(pattern: PatternNode, limits?: DfaLimits) {
    this.looksAround = hasAssertions(pattern)
    this.#nfa = new Nfa([pattern], 'forward')
    this.#closure = new Closure(this.#nfa)
    const around = this.looksAround ? [setOf([NEWLINE]), WORD_SET] : []
    const { classOf, count, example } = byteClasses([...this.#nfa.sets, ...around])
    this.classOf = classOf
    this.#example = example
    this.endClass = count
    this.finalNewlineClass = count + 1
    this.dfa = new LazyDfa(count + 2, (ids, tag, byteClass) => this.#step(ids, tag, byteClass), limits)
  }

  /** The row to begin with, where `before` is the byte before the start, or -1 at the edge of a stretch. */
  startRow(before: number): number {
    if (this.#epoch !== this.dfa.epoch) this.#starts = []
    const tag = this.#tag(before < 0 ? 'edge' : neighbourOf(before))
    const known = this.#starts[tag]
    if (known !== undefined) return known
    this.#closure.clear()
    this.#closure.add(this.#nfa.roots[0] ?? 0)
    const row = this.dfa.row(this.#closure.sorted(), tag)
    if (this.#epoch !== this.dfa.epoch) this.#starts = []
    this.#epoch = this.dfa.epoch
    this.#starts[tag] = row
    return row
  }

  #tag(neighbour: Neighbour): number {
    return this.looksAround ? NEIGHBOURS.indexOf(neighbour) : 0
  }

  #step(ids: readonly number[], tag: number, byteClass: number): Step {
    const eaten = byteClass < this.endClass ? (this.#example[byteClass] ?? 0) : NEWLINE
    const behind =
      byteClass === this.endClass
        ? 'edge'
        : byteClass === this.finalNewlineClass
          ? 'final-newline'
          : neighbourOf(eaten)
    const here = this.looksAround ? this.#resolve(ids, NEIGHBOURS[tag] ?? 'other', behind) : ids
    const { kinds, next, value, sets } = this.#nfa
    this.#closure.clear()
    let match = false
    for (const id of here) {
      if (kinds[id] === ACCEPT) match = true
      else if (kinds[id] === BYTES && byteClass !== this.endClass) {
        const set = sets[value[id] ?? 0]
        if (set !== undefined && setHas(set, eaten)) this.#closure.add(next[id] ?? 0)
      }
    }
    return { ids: this.#closure.sorted(), tag: this.#tag(behind), match }
  }

  /** Follows the assertions that hold between `before` and `behind`. */
  #resolve(ids: readonly number[], before: Neighbour, behind: Neighbour): readonly number[] {
    this.#closure.clear()
    for (const id of ids) this.#closure.add(id)
    const all = this.#closure.ids
    for (let i = 0; i < all.length; i++) {
      const id = all[i] ?? 0
      if (this.#nfa.kinds[id] !== ASSERT) continue
      const assertion = ASSERTIONS[this.#nfa.value[id] ?? 0] as Assertion
      if (holds(assertion, before, behind)) this.#closure.add(this.#nfa.next[id] ?? 0)
    }
    return all.slice()
  }
}

function neighbourOf(byte: number): Neighbour {
  return byte === NEWLINE ? 'newline' : isWord(byte) ? 'word' : 'other'
}

/** Whether an assertion holds between two neighbours. */
function holds(assertion: Assertion, before: Neighbour, behind: Neighbour): boolean {
  switch (assertion) {
    case 'stretch-start':
      return before === 'edge'
    case 'stretch-end':
      return behind === 'edge'
    case 'stretch-end-or-final-newline':
      return behind === 'edge' || behind === 'final-newline'
    case 'line-start':
      return before === 'edge' || before === 'newline' || before === 'final-newline'
    case 'line-end':
      return behind === 'edge' || behind === 'newline' || behind === 'final-newline'
    case 'word-boundary':
      return (before === 'word') !== (behind === 'word')
    case 'not-word-boundary':
      return (before === 'word') === (behind === 'word')
  }
}
