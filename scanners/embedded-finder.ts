/**
 * The embedded matcher: no library, no start-up. One or two literals are left to the runtime's own search; everything
 * else goes through one automaton. An automaton that turns out to be too large gives way to one that does not count
 * (`relaxedExpressionsOf`), and that one, if need be, to two with half of the patterns each. The answers stay the same:
 * hits are candidates, and what is reported is measured on the patterns themselves.
 */
import { type Expression, expressionsOf, relaxedExpressionsOf } from '../src/patterns/expressions.js'
import type { DfaLimits } from '../src/patterns/lazy-dfa.js'
import type { CompiledPattern } from '../src/scan/compiled-scan.js'
import type { CandidateFinder } from './candidate-finder.js'
import { DfaEngine } from './dfa-engine.js'
import { HitColumns } from './hit-columns.js'

/** More literals than this are faster in one automaton than one after the other. */
const MAX_SEARCHED_LITERALS = 2

/** An engine with the patterns it is for. */
interface Slot {
  readonly engine: DfaEngine
  readonly patterns: readonly number[]
  readonly relaxed: boolean
}

export class EmbeddedFinder implements CandidateFinder {
  /** What the ids of hits mean: the exact expressions, then the relaxed ones. */
  readonly expressions: readonly Expression[]
  readonly #literals: { readonly id: number; readonly bytes: Buffer }[] = []
  /** Index of the first relaxed expression. */
  readonly #relaxedFrom: number
  readonly #warmUp: number
  readonly #limits: DfaLimits | undefined
  #hits = new HitColumns()
  #slots: Slot[] = []

  /** Looks for the patterns with these `indices`. */
  constructor(
    patterns: readonly CompiledPattern[],
    indices: readonly number[] = [...patterns.keys()],
    limits?: DfaLimits,
  ) {
    this.#limits = limits
    const exact = expressionsOf(patterns, indices)
    this.expressions = exact.concat(relaxedExpressionsOf(patterns, indices))
    this.#relaxedFrom = exact.length
    this.#warmUp = indices.reduce((most, index) => Math.max(most, patterns[index]?.maxBytes ?? 0), 0)
    if (exact.length <= MAX_SEARCHED_LITERALS && exact.every(({ node }) => node.kind === 'literal')) {
      for (const [id, { node }] of exact.entries())
        if (node.kind === 'literal') this.#literals.push({ id, bytes: Buffer.from(node.bytes) })
    } else this.#slots = [this.#slot(indices, false)]
  }

  get ids(): Uint32Array {
    return this.#hits.ids
  }

  get ends(): Uint32Array {
    return this.#hits.ends
  }

  get count(): number {
    return this.#hits.count
  }

  scan(bytes: Uint8Array, maxHits: number): boolean {
    this.#hits.count = 0
    if (this.#literals.length > 0) return this.#searchLiterals(bytes, maxHits)
    for (let i = 0; i < this.#slots.length; i++) {
      const slot = this.#slots[i] as Slot
      const before = this.#hits.count
      const result = slot.engine.scan(bytes, maxHits - before, this.#hits)
      if (result === 'full') return false
      if (result === 'thrashing') {
        this.#slots.splice(i, 1, ...this.#smaller(slot))
        this.#hits.count = before
        i--
      }
    }
    return true
  }

  #searchLiterals(bytes: Uint8Array, maxHits: number): boolean {
    const haystack = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    for (const { id, bytes: needle } of this.#literals)
      for (let at = haystack.indexOf(needle); at >= 0; at = haystack.indexOf(needle, at + 1)) {
        if (this.#hits.count >= maxHits) return false
        this.#hits.push(id, at + needle.length)
      }
    return true
  }

  #slot(patterns: readonly number[], relaxed: boolean): Slot {
    const wanted = new Set(patterns)
    const ids = [...this.expressions.keys()].filter(
      id => id >= this.#relaxedFrom === relaxed && wanted.has(this.expressions[id]?.pattern ?? -1),
    )
    const nodes = ids.map(id => (this.expressions[id] as Expression).node)
    const patient = relaxed && patterns.length === 1
    return {
      engine: new DfaEngine(nodes, ids, { warmUp: this.#warmUp, patient, limits: this.#limits }),
      patterns,
      relaxed,
    }
  }

  #smaller({ patterns, relaxed }: Slot): Slot[] {
    if (!relaxed) return [this.#slot(patterns, true)]
    const middle = Math.ceil(patterns.length / 2)
    return [this.#slot(patterns.slice(0, middle), true), this.#slot(patterns.slice(middle), true)]
  }

  [Symbol.dispose](): void {
    this.#slots = []
    this.#hits = new HitColumns()
  }
}
