/**
 * Text, bytes and regular expressions: a candidate finder runs over the window, then each candidate becomes the match
 * that is reported. What comes out depends only on the bytes, never on the finder or on how memory was cut.
 */
import { type Expression, expressionsOf } from '../src/patterns/expressions.js'
import type { CompiledPattern, CompiledScan } from '../src/scan/compiled-scan.js'
import type { MatchSink, Scanner, ScanWindow } from '../src/scan/scanner.js'
import type { CandidateFinder } from './candidate-finder.js'
import { HitLists } from './hit-lists.js'
import { MatchColumns } from './match-columns.js'

/** Hits kept at once; a window with more is scanned in halves. */
const MAX_HITS = 1 << 20
/** Owned bytes that are not halved any more, however many hits there are. */
const MIN_PIECE_BYTES = 1 << 14

/** Runs all patterns over windows with one finder. */
export class PatternScanner implements Scanner {
  readonly #patterns: readonly CompiledPattern[]
  readonly #expressions: readonly Expression[]
  readonly #patternOf: Uint32Array
  readonly #lengthOf: Uint32Array
  readonly #lookBehind: number
  readonly #lookAhead: number
  readonly #outermost: boolean
  readonly #finder: CandidateFinder
  readonly #lists: HitLists
  readonly #matches = new MatchColumns()

  constructor(compiled: CompiledScan, finder: CandidateFinder) {
    this.#patterns = compiled.patterns
    this.#finder = finder
    this.#expressions = expressionsOf(compiled.patterns)
    this.#patternOf = Uint32Array.from(this.#expressions, expression => expression.pattern)
    this.#lengthOf = Uint32Array.from(this.#expressions, e => (e.kind === 'ends' ? 0 : e.length))
    this.#outermost = compiled.outermost
    this.#lookBehind = compiled.outermost ? compiled.lookBehindBytes : 0
    this.#lookAhead = compiled.lookAheadBytes
    this.#lists = new HitLists(compiled.patterns.length)
  }

  scan(window: ScanWindow, sink: MatchSink): void {
    this.#scanPart(window, window.ownedStart, window.ownedEnd, sink)
  }

  #scanPart(window: ScanWindow, start: number, end: number, sink: MatchSink): void {
    const { bytes } = window
    const from = Math.max(0, start - this.#lookBehind)
    const to = Math.min(bytes.length, end + this.#lookAhead)
    const part = from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to)
    const small = end - start <= MIN_PIECE_BYTES
    if (!this.#finder.scan(part, small ? Number.POSITIVE_INFINITY : MAX_HITS)) {
      const middle = start + ((end - start) >>> 1)
      this.#scanPart(window, start, middle, sink)
      this.#scanPart(window, middle, end, sink)
      return
    }
    if (this.#finder.count === 0) return
    this.#lists.fill(this.#finder.ids, this.#finder.count, this.#patternOf)
    for (const pattern of this.#lists.touched) {
      this.#exact(pattern, from, start, end)
      if (this.#matches.count >= MAX_HITS) this.#matches.flush(sink)
    }
    this.#matches.flush(sink)
  }

  #exact(pattern: number, from: number, start: number, end: number): void {
    const { ids, ends } = this.#finder
    let previous = -1
    for (let hit = this.#lists.first(pattern); hit >= 0; hit = this.#lists.next(hit)) {
      const length = this.#lengthOf[ids[hit] ?? 0] ?? 0
      const at = from + (ends[hit] ?? 0) - length
      if (at < start || at >= end || at === previous) continue
      previous = at
      this.#matches.push(pattern, at, length)
    }
  }

  [Symbol.dispose](): void {
    this.#finder[Symbol.dispose]()
  }
}
