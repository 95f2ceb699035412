/** Thompson's construction: a pattern as a graph of states, forwards or backwards. */
import { VmsiftError } from '../core/errors.js'
import { setOf } from './byte-set.js'
import type { Assertion, ByteSet, PatternNode } from './node.js'

/** Most states of one graph; what the parsers let through stays below. */
const MAX_STATES = 1 << 22

/** `bytes`: eats a byte of its set. `split`: either way, eating nothing. `assert`: on, if the neighbours fit. `accept`. */
export type NfaKind = 'bytes' | 'split' | 'assert' | 'accept'

export const BYTES = 0
export const SPLIT = 1
export const ASSERT = 2
export const ACCEPT = 3

export const ASSERTIONS: readonly Assertion[] = [
  'stretch-start',
  'stretch-end',
  'stretch-end-or-final-newline',
  'line-start',
  'line-end',
  'word-boundary',
  'not-word-boundary',
]

/** Direction in which bytes are eaten. Backwards, a match is found from its end to its start. */
export type Direction = 'forward' | 'backward'

/** States as parallel arrays. `next` is the state behind; `value` by kind: set index, second way, assertion, id. */
export class Nfa {
  readonly kinds: number[] = []
  readonly next: number[] = []
  readonly value: number[] = []
  /** The distinct sets that `bytes` states eat. */
  readonly sets: ByteSet[] = []
  /** First state of each pattern given. */
  readonly roots: number[] = []
  readonly #setIndex = new Map<string, number>()
  readonly #direction: Direction

  /** One graph for several patterns; the id of a pattern's `accept` is its index. */
  constructor(patterns: readonly PatternNode[], direction: Direction) {
    this.#direction = direction
    for (const [id, pattern] of patterns.entries())
      this.roots.push(this.#build(pattern, this.#add(ACCEPT, -1, id)))
  }

  #add(kind: number, next: number, value: number): number {
    if (this.kinds.length >= MAX_STATES)
      throw new VmsiftError('bad-pattern', `patterns need more than ${MAX_STATES} automaton states`)
    this.kinds.push(kind)
    this.next.push(next)
    this.value.push(value)
    return this.kinds.length - 1
  }

  #addSet(set: ByteSet, next: number): number {
    const key = set.join()
    let index = this.#setIndex.get(key)
    if (index === undefined) {
      index = this.sets.push(set) - 1
      this.#setIndex.set(key, index)
    }
    return this.#add(BYTES, next, index)
  }

  /** Adds the states of `node` in front of `next`; returns the first. */
  #build(node: PatternNode, next: number): number {
    switch (node.kind) {
      case 'literal': {
        const bytes = this.#direction === 'forward' ? node.bytes.toReversed() : node.bytes
        return bytes.reduce((behind, byte) => this.#addSet(setOf([byte]), behind), next)
      }
      case 'set':
        return this.#addSet(node.set, next)
      case 'assert':
        return this.#add(ASSERT, next, ASSERTIONS.indexOf(node.assertion))
      case 'concat': {
        const items = this.#direction === 'forward' ? node.items.toReversed() : node.items
        return items.reduce((behind, item) => this.#build(item, behind), next)
      }
      case 'alternate': {
        const ways = node.items.map(item => this.#build(item, next))
        return ways.reduceRight((second, first) => this.#add(SPLIT, first, second))
      }
      case 'repeat':
        return this.#buildRepeat(node.item, node.min, node.max, next)
    }
  }

  #buildRepeat(item: PatternNode, min: number, max: number | undefined, next: number): number {
    let first = next
    let required = min
    if (max === undefined) {
      const loop = this.#add(SPLIT, -1, next)
      const body = this.#build(item, loop)
      this.next[loop] = body
      first = loop
      if (required > 0) {
        first = body
        required--
      }
    } else
      for (let optional = max - min; optional > 0; optional--)
        first = this.#add(SPLIT, this.#build(item, first), next)
    for (; required > 0; required--) first = this.#build(item, first)
    return first
  }
}
