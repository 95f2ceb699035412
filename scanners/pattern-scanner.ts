/**
 * Text, bytes and regular expressions: a candidate finder runs over the window, then each candidate becomes the match
 * that is reported. What comes out depends only on the bytes, never on the finder or on how memory was cut.
 */
import type { Expression } from '../src/patterns/expressions.js'
import type { DfaLimits } from '../src/patterns/lazy-dfa.js'
import { relax } from '../src/patterns/relax.js'
import type { CompiledPattern, CompiledScan } from '../src/scan/compiled-scan.js'
import type { MatchSink, Scanner, ScanWindow } from '../src/scan/scanner.js'
import type { CandidateFinder } from './candidate-finder.js'
import { HitLists } from './hit-lists.js'
import { doubled, MatchColumns } from './match-columns.js'
import { MatchMeter, RunRings } from './match-meter.js'
import { StartFinder } from './start-finder.js'

/** Hits kept at once; a window with more is scanned in halves. */
const MAX_HITS = 1 << 20
/** Owned bytes that are not halved any more, however many hits there are. */
const MIN_PIECE_BYTES = 1 << 14
/** More than any `length` of an expression. */
const LENGTH_RADIX = 2 ** 16

const NO_WINDOW: ScanWindow = {
  bytes: new Uint8Array(0),
  gpa: 0,
  ownedStart: 0,
  ownedEnd: 0,
  beginsStretch: false,
  endsStretch: false,
}

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
  readonly #meters = new Map<number, MatchMeter>()
  readonly #startFinders = new Map<number, StartFinder>()
  readonly #rings: RunRings
  readonly #limits: DfaLimits | undefined
  #offsets = new Uint32Array(256)
  #keys = new Float64Array(0)
  #window = NO_WINDOW
  /** The part of the window in work: matches are looked for from `#from`, reported in `#start` ≤ start < `#end`. */
  #from = 0
  #start = 0
  #end = 0
  /** Where the furthest-reaching match of the pattern in work ends. */
  #reach = 0

  /** `expressions` is what the ids of the finder's hits mean. Disposing the scanner disposes the finder. */
  constructor(
    compiled: CompiledScan,
    expressions: readonly Expression[],
    finder: CandidateFinder,
    limits?: DfaLimits,
  ) {
    this.#limits = limits
    this.#patterns = compiled.patterns
    this.#finder = finder
    this.#expressions = expressions
    this.#patternOf = Uint32Array.from(expressions, expression => expression.pattern)
    this.#lengthOf = Uint32Array.from(expressions, e => (e.kind === 'ends' ? 0 : e.length))
    this.#outermost = compiled.outermost
    this.#lookBehind = compiled.outermost ? compiled.lookBehindBytes : 0
    this.#lookAhead = compiled.lookAheadBytes
    this.#lists = new HitLists(compiled.patterns.length)
    this.#rings = new RunRings(compiled.patterns.reduce((most, { maxBytes }) => Math.max(most, maxBytes), 0))
  }

  scan(window: ScanWindow, sink: MatchSink): void {
    this.#window = window
    this.#scanPart(window.ownedStart, window.ownedEnd, sink)
    this.#window = NO_WINDOW
  }

  #scanPart(start: number, end: number, sink: MatchSink): void {
    const { bytes } = this.#window
    const from = Math.max(0, start - this.#lookBehind)
    const to = Math.min(bytes.length, end + this.#lookAhead)
    const part = from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to)
    const small = end - start <= MIN_PIECE_BYTES
    if (!this.#finder.scan(part, small ? Number.POSITIVE_INFINITY : MAX_HITS)) {
      const middle = start + ((end - start) >>> 1)
      this.#scanPart(start, middle, sink)
      this.#scanPart(middle, end, sink)
      return
    }
    if (this.#finder.count === 0) return
    this.#from = from
    this.#start = start
    this.#end = end
    this.#lists.fill(this.#finder.ids, this.#finder.count, this.#patternOf)
    for (const pattern of this.#lists.touched) {
      this.#reach = 0
      this.#collect(pattern)
      if (this.#matches.count >= MAX_HITS) this.#matches.flush(sink)
    }
    this.#matches.flush(sink)
  }

  #collect(pattern: number): void {
    const kind = this.#expressions[this.#finder.ids[this.#lists.first(pattern)] ?? 0]?.kind
    if (kind === 'exact') this.#collectExact(pattern)
    else {
      const meter = this.#meterOf(pattern)
      meter.begin(this.#window)
      if (kind === 'prefix') this.#collectBehindPrefixes(pattern, meter)
      else this.#collectBeforeEnds(pattern, meter)
    }
  }

  /** Each hit is a match; where several branches match at one start, the longest (or shortest) counts. */
  #collectExact(pattern: number): void {
    const { ids, ends, count } = this.#finder
    if (this.#keys.length < count) this.#keys = new Float64Array(ids.length)
    const keys = this.#keys
    let used = 0
    let sorted = true
    for (let hit = this.#lists.first(pattern); hit >= 0; hit = this.#lists.next(hit)) {
      const length = this.#lengthOf[ids[hit] ?? 0] ?? 0
      const key = (this.#from + (ends[hit] ?? 0) - length) * LENGTH_RADIX + length
      if (used > 0 && key < (keys[used - 1] ?? 0)) sorted = false
      keys[used++] = key
    }
    const ordered = keys.subarray(0, used)
    if (!sorted) ordered.sort()
    const lazy = this.#patterns[pattern]?.lazy ?? false
    let previous = -1
    for (let i = 0; i < used; i++) {
      const key = ordered[i] ?? 0
      const length = key % LENGTH_RADIX
      const start = (key - length) / LENGTH_RADIX
      const next = i + 1 < used ? Math.floor((ordered[i + 1] ?? 0) / LENGTH_RADIX) : -1
      if (lazy ? start !== previous : start !== next) this.#report(pattern, start, length)
      previous = start
    }
  }

  /** A match may start at a fixed distance before each hit. */
  #collectBehindPrefixes(pattern: number, meter: MatchMeter): void {
    const { ids, ends } = this.#finder
    let used = 0
    for (let hit = this.#lists.first(pattern); hit >= 0; hit = this.#lists.next(hit)) {
      if (used === this.#offsets.length) this.#offsets = doubled(this.#offsets)
      this.#offsets[used++] = this.#from + (ends[hit] ?? 0) - (this.#lengthOf[ids[hit] ?? 0] ?? 0)
    }
    const starts = this.#offsets.subarray(0, used)
    sortIfNeeded(starts)
    let previous = -1
    for (let i = 0; i < used; i++) {
      const start = starts[i] ?? 0
      if (start >= this.#end) break
      if (start !== previous) this.#report(pattern, start, meter.lengthAt(start))
      previous = start
    }
  }

  /** Matches may start somewhere before the hits. */
  #collectBeforeEnds(pattern: number, meter: MatchMeter): void {
    const { ends } = this.#finder
    let used = 0
    for (let hit = this.#lists.first(pattern); hit >= 0; hit = this.#lists.next(hit)) {
      if (used === this.#offsets.length) this.#offsets = doubled(this.#offsets)
      this.#offsets[used++] = this.#from + (ends[hit] ?? 0)
    }
    sortIfNeeded(this.#offsets.subarray(0, used))
    const finder = this.#startFinderOf(pattern)
    finder.find(this.#window.bytes, this.#offsets, used, this.#from)
    for (let i = finder.count - 1; i >= 0; i--) {
      const start = finder.starts[i] ?? 0
      if (start >= this.#end) break
      this.#report(pattern, start, meter.lengthAt(start))
    }
  }

  /** Takes one match, in ascending order of start; `length` 0 is none. */
  #report(pattern: number, start: number, length: number): void {
    if (length === 0 || start >= this.#end || start < this.#from) return
    const end = start + length
    const inside = this.#outermost && end <= this.#reach
    if (end > this.#reach) this.#reach = end
    if (!inside && start >= this.#start) this.#matches.push(pattern, start, length)
  }

  #meterOf(pattern: number): MatchMeter {
    let meter = this.#meters.get(pattern)
    if (meter === undefined) {
      meter = new MatchMeter(this.#patterns[pattern] as CompiledPattern, this.#rings, this.#limits)
      this.#meters.set(pattern, meter)
    }
    return meter
  }

  #startFinderOf(pattern: number): StartFinder {
    let finder = this.#startFinders.get(pattern)
    if (finder === undefined) {
      const heads = this.#expressions.flatMap(each =>
        each.kind === 'ends' && each.pattern === pattern ? [each.head] : [],
      )
      finder = new StartFinder([...new Set(heads)].map(relax), this.#limits)
      this.#startFinders.set(pattern, finder)
    }
    return finder
  }

  [Symbol.dispose](): void {
    this.#finder[Symbol.dispose]()
  }
}

/** Finders report in ascending order but for rare cases; looking is cheaper than sorting. */
function sortIfNeeded(values: Uint32Array): void {
  for (let i = 1; i < values.length; i++)
    if ((values[i] ?? 0) < (values[i - 1] ?? 0)) {
      values.sort()
      return
    }
}
