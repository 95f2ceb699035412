/** Everything that was found of the parts of strings in one space, put together string by string. Bounded by libyara's own limit. */
import { type ChainLink, linkUp } from './chains.js'
import { OffsetColumns } from './columns.js'
import { CHAINED, GIVEN_UP, type StringTables } from './tables.js'

/** Matches of one string; libyara gives up on a string beyond. */
export const MAX_STRING_MATCHES = 1_000_000
/** A part is cut down when it holds so many. */
const TRIM_AT = MAX_STRING_MATCHES * 1.25
/** Matches of all strings together: 400 MB. */
const MAX_MATCHES = 32 << 20

export class Gathered {
  readonly #tables: StringTables
  readonly #parts: (OffsetColumns | undefined)[] = []
  /** Parts that have matches. */
  readonly #touched: number[] = []
  /** Ids of strings that have more matches than are kept. */
  readonly limited = new Set<number>()
  #total = 0

  constructor(tables: StringTables) {
    this.#tables = tables
  }

  /** Takes a match of a part; each at most once. */
  add(part: number, offset: number, length: number): void {
    if (length === GIVEN_UP) {
      this.limited.add(this.#tables.string[part] as number)
      return
    }
    let columns = this.#parts[part]
    if (columns === undefined) {
      columns = new OffsetColumns()
      this.#parts[part] = columns
      this.#touched.push(part)
    }
    if (this.#total >= MAX_MATCHES && columns.count >= FEW) {
      this.limited.add(this.#tables.string[part] as number)
      return
    }
    columns.push(offset, length)
    this.#total++
    if (columns.count < TRIM_AT) return
    this.#total -= columns.count - MAX_STRING_MATCHES
    this.#trim(part, columns)
  }

  #trim(part: number, columns: OffsetColumns): void {
    if (columns.count <= MAX_STRING_MATCHES) return
    columns.trim(MAX_STRING_MATCHES)
    this.limited.add(this.#tables.string[part] as number)
  }

  /** The matches of every string that has some, sorted. `stretchEnd`: as in `linkUp`. */
  finish(stretchEnd: (offset: number) => number): Map<number, OffsetColumns> {
    const { string, flags, gapMin, gapMax } = this.#tables
    const isChained = (part: number): boolean => ((flags[part] as number) & CHAINED) !== 0
    const strings = new Map<number, OffsetColumns>()
    // a string has matches only where its first link has
    const firsts = this.#touched.filter(part => part === 0 || !isChained(part - 1))
    for (const first of firsts.sort((a, b) => a - b)) {
      let last = first
      while (isChained(last)) last++
      const links: ChainLink[] = []
      for (let link = first; link <= last; link++) {
        const matches = this.#parts[link]
        if (matches === undefined) break
        matches.sort()
        this.#trim(link, matches)
        links.push({ matches, gapMin: gapMin[link] as number, gapMax: gapMax[link] as number })
      }
      if (links.length <= last - first) continue
      const whole = links.length === 1 ? (links[0] as ChainLink).matches : linkUp(links, stretchEnd)
      if (whole.count > 0) strings.set(string[first] as number, whole)
    }
    return strings
  }
}

/** Matches that a part may have however many there are of others. */
const FEW = 1000
