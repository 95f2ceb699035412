/**
 * Whether a regular expression matches anywhere in a text, for `matches`: all states at once, so time grows with the product of
 * text and expression and no further. As in YARA, `^` is the text's first place, `$` its end, and only the first 4096 bytes count.
 */
import { isWord, setHas } from '../../patterns/byte-set.js'
import type { ByteSet } from '../../patterns/node.js'
import type { Regex, RegexNode } from '../ast.js'
import type { Pieces } from '../modules/module.js'

/** As YR_RE_SCAN_LIMIT. */
const MAX_BYTES = 4096
/** States that a regular expression may have with its counts written out. */
export const MAX_STATES = 1 << 16

type Assertion = 'start' | 'end' | 'word-boundary' | 'not-word-boundary'

/** One state: eats a byte of `set`, or passes an assertion, or goes to both `next` and `other`. */
interface RegexState {
  readonly set?: ByteSet
  readonly assertion?: Assertion
  next: number
  other: number
}

const ACCEPT = -1
const NOWHERE = -2

/** How many states an expression comes to; Infinity is possible. */
export function statesOf(node: RegexNode): number {
  switch (node.kind) {
    case 'empty':
      return 0
    case 'set':
    case 'assert':
      return 1
    case 'concat':
      return node.items.reduce((sum, item) => sum + statesOf(item), 0)
    case 'alternatives':
      return node.items.reduce((sum, item) => sum + statesOf(item) + 1, 0)
    case 'repeat': {
      const one = statesOf(node.item)
      return node.max === undefined ? (node.min + 1) * (one + 1) : node.max * (one + 1)
    }
  }
}

export class RegexSearch {
  readonly #states: RegexState[] = []
  readonly #start: number
  #visited = new Uint32Array(0)
  #generation = 0

  /** The expression has at most `MAX_STATES` states. */
  constructor({ node }: Regex) {
    this.#start = this.#add(node, ACCEPT)
  }

  /** Stops where it takes long. */
  *matches(
    text: Uint8Array,
    { spend, isLate }: { readonly spend: (steps: number) => void; readonly isLate: () => boolean },
  ): Pieces<boolean> {
    if (text.length === 0) return false
    if (this.#visited.length === 0) this.#visited = new Uint32Array(this.#states.length)
    const limit = Math.min(text.length, MAX_BYTES)
    let current: number[] = []
    for (let at = 0; at <= limit; at++) {
      const next: number[] = []
      this.#generation++
      // Started anew at each byte but behind the last one.
      const seeds = at < limit || at === 0 ? [...current, this.#start] : current
      spend(1 + (seeds.length >>> 4))
      if (isLate()) yield
      const reached: number[] = []
      if (this.#follow(seeds, text, at, limit, reached)) return true
      if (at === limit) break
      const byte = text[at] ?? 0
      for (const index of reached) {
        const state = this.#states[index]
        if (state?.set !== undefined && setHas(state.set, byte)) next.push(state.next)
      }
      current = next
    }
    return false
  }

  /** What can be reached without a byte; true when that is the end of the expression. */
  #follow(seeds: readonly number[], text: Uint8Array, at: number, limit: number, reached: number[]): boolean {
    const stack = [...seeds]
    for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
      if (index === ACCEPT) return true
      const state = this.#states[index]
      if (state === undefined || this.#visited[index] === this.#generation) continue
      this.#visited[index] = this.#generation
      if (state.set !== undefined) reached.push(index)
      else if (state.assertion === undefined) stack.push(state.next, state.other)
      else if (holds(state.assertion, text, at, limit)) stack.push(state.next)
    }
    return false
  }

  #state(state: RegexState): number {
    return this.#states.push(state) - 1
  }

  /** Adds the states of a node that goes on at `next`; returns where it begins. */
  #add(node: RegexNode, next: number): number {
    switch (node.kind) {
      case 'empty':
        return next
      case 'set':
        return this.#state({ set: node.set, next, other: NOWHERE })
      case 'assert':
        return this.#state({ assertion: node.assertion, next, other: NOWHERE })
      case 'concat':
        return node.items.reduceRight((after, item) => this.#add(item, after), next)
      case 'alternatives':
        return node.items
          .map(item => this.#add(item, next))
          .reduceRight((other, first) => this.#state({ next: first, other }))
      case 'repeat':
        return this.#repeat(node, next)
    }
  }

  #repeat({ item, min, max }: RegexNode & { readonly kind: 'repeat' }, next: number): number {
    let at = next
    if (max === undefined) {
      const loop = this.#state({ next: NOWHERE, other: next })
      const state = this.#states[loop] as RegexState
      state.next = this.#add(item, loop)
      at = loop
    } else for (let i = min; i < max; i++) at = this.#state({ next: this.#add(item, at), other: next })
    for (let i = 0; i < min; i++) at = this.#add(item, at)
    return at
  }
}

function holds(assertion: Assertion, text: Uint8Array, at: number, limit: number): boolean {
  switch (assertion) {
    case 'start':
      return at === 0
    case 'end':
      return at === text.length
    default: {
      // At either edge YARA takes every place for a boundary.
      const boundary = at === 0 || at >= limit || isWord(text[at] ?? 0) !== isWord(text[at - 1] ?? 0)
      return boundary === (assertion === 'word-boundary')
    }
  }
}
