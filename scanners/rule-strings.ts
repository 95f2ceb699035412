/**
 * The strings of YARA rules: rows of bytes are looked for, and each hit is verified where it stands. What is told is what libyara would
 * tell of the same bytes, each match once, however memory was cut.
 */
import { openDatabase } from '../src/ffi/vectorscan.js'
import { type Haystack, KeptStates, SCAN_LIMIT } from '../src/rules/search/fibers.js'
import { COMPARED_BYTES } from '../src/rules/search/pairs.js'
import type { RowTable } from '../src/rules/search/plan.js'
import { codePart, FIXED, FULLWORD, GIVEN_UP, GREEDY, type StringTables } from '../src/rules/search/tables.js'
import { standsAlone, Verifier } from '../src/rules/search/verifier.js'
import { MOST_ROW_BYTES } from '../src/rules/search/words.js'
import type { MatchSink, Scanner, ScanWindow } from '../src/scan/scanner.js'
import type { CandidateFinder } from './candidate-finder.js'
import { dataPieces, isQuietInZeros, type Pieces } from './data-pieces.js'
import { PairFinder } from './pair-finder.js'
import { PendingMatches } from './pending-matches.js'
import { type RowFound, WordFinder } from './word-finder.js'

/** Hits kept at once; what has more is scanned in halves. */
const MAX_HITS = 1 << 20
/** Bytes that are not halved any more, however many hits there are. */
const MIN_PIECE_BYTES = 1 << 14

const NOTHING: Haystack = { bytes: new Uint8Array(0), low: 0, high: 0 }

/**
 * Watches rows as they are found, where a window is not all there is to see: in frames that processes put together in other ways.
 * Offsets are into the window.
 */
export interface RowWatcher {
  enter(window: ScanWindow): void
  /**
   * A row that ends with the byte at `last` asks for `at` to be verified. False: nothing that starts around there is decided by the
   * window.
   */
  meets(part: number, sub: number, at: number, last: number): boolean
  /** Whether the window decides a match that starts here. */
  decides(part: number, start: number): boolean
}

/** Rows that are found by pairs of bytes. */
interface PairGroup {
  readonly finder: PairFinder
  /** The parts whose rows they are. */
  readonly parts: readonly number[]
  /** Nothing of it stands in the midst of zeros. */
  readonly quiet: boolean
}

/** Rows that one finder looks for. */
interface Group {
  readonly rows: RowTable
  readonly finder: CandidateFinder
  readonly longest: number
  /** The parts whose rows they are. */
  readonly parts: readonly number[]
  /** Nothing of it stands in the midst of zeros. */
  readonly quiet: boolean
}

export class RuleStringScanner implements Scanner {
  /** Absent: windows are all there is. */
  watcher: RowWatcher | undefined
  readonly #tables: StringTables
  readonly #words: WordFinder | undefined
  readonly #pairs: readonly PairGroup[]
  readonly #groups: readonly Group[]
  readonly #verifiers = new Map<number, Verifier>()
  readonly #kept = new KeptStates()
  /** Parts that take too long to verify; told once. */
  readonly #givenUp = new Set<number>()
  readonly #pending: PendingMatches
  /** By part: 1 where each place is found once. */
  readonly #simple: Uint8Array
  #sink: MatchSink | undefined
  #hay: Haystack = NOTHING
  /** Bytes of all windows so far. */
  #searched = 0
  /** What starts in the window is told from here on, and below. */
  #start = 0
  #end = 0
  /** The part that is being verified. */
  #part = 0

  constructor(tables: StringTables) {
    this.#tables = tables
    const foundOf =
      ({ part, sub }: Pick<RowTable, 'part' | 'sub'>): RowFound =>
      (row, at, end, whole) =>
        this.#candidate(part[row] as number, sub[row] as number, at, end, whole)
    if (tables.words.part.length > 0) this.#words = new WordFinder(tables.words, foundOf(tables.words))
    this.#pairs = tables.pairs.map(table => ({
      finder: new PairFinder(table, foundOf(table)),
      parts: distinct(table.part),
      quiet: table.quiet,
    }))
    this.#groups = tables.groups.map(({ rows, longest, database }) => {
      const finder = openDatabase(database, longest)
      return { rows, longest, parts: distinct(rows.part), finder, quiet: isQuietInZeros(finder, longest) }
    })
    const greedy = (part: number): boolean => ((tables.flags[part] as number) & GREEDY) !== 0
    this.#pending = new PendingMatches(tables.flags.length, greedy)
    this.#simple = simpleParts(tables)
  }

  scan(window: ScanWindow, sink: MatchSink): void {
    this.#sink = sink
    this.#hay = { bytes: window.bytes, low: 0, high: window.bytes.length }
    this.watcher?.enter(window)
    const pieces = dataPieces(window)
    this.#start = window.ownedStart
    this.#end = window.ownedEnd
    this.#searched += window.ownedEnd - window.ownedStart
    if (this.#words !== undefined) this.#scanPieces(this.#words, pieces, MOST_ROW_BYTES)
    for (const group of this.#groups) if (!group.parts.every(this.#isFull)) this.#scanGroup(group, pieces)
    for (const group of this.#pairs) if (!group.parts.every(this.#isFull)) this.#scanPairs(group, pieces)
    this.#pending.flush(sink)
    this.#hay = NOTHING
    this.#sink = undefined
  }

  #scanPairs({ finder, quiet }: PairGroup, pieces: Pieces): void {
    const { bytes } = this.#hay
    if (quiet) this.#scanPieces(finder, pieces, COMPARED_BYTES)
    else finder.scan(bytes, 0, bytes.length)
  }

  /** Looks at what is not pages of zeros, and `around` bytes beside that: most of a row may be zeros, but not all of it. */
  #scanPieces(finder: WordFinder | PairFinder, pieces: Pieces, around: number): void {
    const { bytes } = this.#hay
    for (let i = 0; i < pieces.count; i++) {
      const from = Math.max(0, (pieces.from[i] as number) - around)
      const to = Math.min(bytes.length, (pieces.to[i] as number) + around)
      finder.scan(bytes, from, to)
    }
  }

  #scanGroup(group: Group, pieces: Pieces): void {
    const { bytes } = this.#hay
    if (!group.quiet) {
      this.#scanRange(group, 0, bytes.length, 0)
      return
    }
    const { longest } = group
    for (let i = 0; i < pieces.count; i++) {
      const from = Math.max(0, (pieces.from[i] as number) - longest)
      let to = (pieces.to[i] as number) + longest
      // pieces that touch once they are widened are one
      while (i + 1 < pieces.count && (pieces.from[i + 1] as number) - longest <= to)
        to = (pieces.to[++i] as number) + longest
      this.#scanRange(group, from, Math.min(bytes.length, to), from)
    }
  }

  /** Verifies the hits in `from` to `to` that end above `above`; where there are too many, in two pieces that overlap. */
  #scanRange(group: Group, from: number, to: number, above: number): void {
    const { finder, rows, longest } = group
    const limit = to - from <= MIN_PIECE_BYTES ? Number.POSITIVE_INFINITY : MAX_HITS
    if (!finder.scan(this.#hay.bytes.subarray(from, to), limit)) {
      const middle = from + ((to - from) >>> 1)
      this.#scanRange(group, from, middle, above)
      this.#scanRange(group, Math.max(from, middle - longest), to, Math.max(above, middle))
      return
    }
    const { ids, ends, count } = finder
    const { first, distance } = rows
    for (let i = 0; i < count; i++) {
      const end = from + (ends[i] as number)
      if (end <= above) continue
      const expression = ids[i] as number
      const last = first[expression + 1] as number
      for (let row = first[expression] as number; row < last; row++)
        this.#candidate(
          rows.part[row] as number,
          rows.sub[row] as number,
          end - (distance[row] as number),
          end,
          rows.whole[row] === 1,
        )
    }
  }

  /** With a watcher other windows count as well, in no order that is known here. */
  readonly #isFull = (part: number): boolean =>
    this.watcher === undefined && this.#sink?.isFull?.(part) === true

  /** A row that ends before `end` was found: `at` is the place to be verified, unless the row was the `whole`. */
  #candidate(part: number, sub: number, at: number, end: number, whole: boolean): void {
    const { watcher } = this
    if (watcher === undefined ? this.#isFull(part) : !watcher.meets(part, sub, at, end - 1)) return
    const flags = this.#tables.flags[part] as number
    if ((flags & FIXED) !== 0) {
      if (at >= this.#start && at < this.#end && watcher?.decides(part, at) !== false)
        this.#fixed(part, sub, at, whole, flags)
      return
    }
    // a match that starts in the part in work, or before the place, but not too far
    if (at < this.#start || at >= this.#end + SCAN_LIMIT) return
    let verifier = this.#verifiers.get(part)
    if (verifier === undefined) {
      verifier = new Verifier(codePart(this.#tables, part), this.#kept)
      this.#verifiers.set(part, verifier)
    }
    if (this.#givenUp.has(part)) return
    this.#part = part
    verifier.verify(this.#hay, sub, at, this.#verified)
    if (!verifier.isExhausted(this.#searched)) return
    this.#givenUp.add(part)
    this.#sink?.stringMatch(part, this.#start, GIVEN_UP)
  }

  readonly #verified = (start: number, length: number, order: number): void => {
    const part = this.#part
    if (start >= this.#start && start < this.#end && this.watcher?.decides(part, start) !== false)
      this.#pending.push(part, start, length, order)
  }

  #fixed(part: number, sub: number, at: number, whole: boolean, flags: number): void {
    const { variants, bytes: offsets, values, masks, variantWide } = this.#tables
    const { bytes, high } = this.#hay
    const variant = (variants[part] as number) + sub
    const from = offsets[variant] as number
    const length = (offsets[variant + 1] as number) - from
    if (at + length > high) return
    if (!whole)
      for (let i = 0; i < length; i++)
        if (((bytes[at + i] as number) & (masks[from + i] as number)) !== values[from + i]) return
    if ((flags & FULLWORD) !== 0 && !standsAlone(this.#hay, at, length, variantWide[variant] === 1)) return
    if (this.#simple[part] === 1) this.#sink?.stringMatch(part, at, length)
    else this.#pending.push(part, at, length, sub)
  }

  [Symbol.dispose](): void {
    for (const { finder } of this.#groups) finder[Symbol.dispose]()
  }
}

function distinct(parts: Iterable<number>): number[] {
  return [...new Set(parts)]
}

/** Fixed parts that one row of one group finds: each place comes up once. */
function simpleParts({ words, groups, pairs, flags }: StringTables): Uint8Array {
  const counts = new Uint32Array(flags.length)
  for (const { part } of [words, ...pairs, ...groups.map(({ rows }) => rows)])
    for (const index of part) counts[index] = (counts[index] as number) + 1
  return Uint8Array.from(flags, (flag, part) => ((flag & FIXED) !== 0 && counts[part] === 1 ? 1 : 0))
}
