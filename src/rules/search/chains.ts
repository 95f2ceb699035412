/**
 * Strings with long jumps: their links are searched one by one, and put together here. A match starts where the first link does, and ends
 * with the first last link that can be reached from there (libyara: `_yr_scan_verify_chained_string_match`).
 */
import { OffsetColumns } from './columns.js'

export interface ChainLink {
  /** Matches of the link, sorted. */
  readonly matches: OffsetColumns
  /** Bytes that may lie between the link before and this one. */
  readonly gapMin: number
  readonly gapMax: number
}

/** Matches of the whole chain; `stretchEnd` tells where the memory that holds an offset ends: none reaches beyond. */
export function linkUp(links: readonly ChainLink[], stretchEnd: (offset: number) => number): OffsetColumns {
  const last = links.at(-1) as ChainLink
  const tails = last.matches
  // of each match of the link in work: the first tail that can be reached
  let reach = Float64Array.from({ length: tails.count }, (_, index) => index)
  for (let at = links.length - 2; at >= 0; at--) {
    const { matches } = links[at] as ChainLink
    const { matches: next, gapMin, gapMax } = links[at + 1] as ChainLink
    const lowest = new RangeLowest(reach)
    const reached = new Float64Array(matches.count)
    for (let i = 0; i < matches.count; i++) {
      const start = matches.offsetAt(i)
      const end = start + matches.lengthAt(i)
      const limit = Math.min(end + gapMax, stretchEnd(start) - 1)
      reached[i] = lowest.between(next.firstFrom(end + gapMin), next.firstFrom(limit + 1))
    }
    reach = reached
  }
  const whole = new OffsetColumns()
  const heads = (links[0] as ChainLink).matches
  for (let i = 0; i < heads.count; i++) {
    const tail = reach[i] as number
    if (tail === Number.POSITIVE_INFINITY) continue
    whole.push(heads.offsetAt(i), tails.offsetAt(tail) + tails.lengthAt(tail) - heads.offsetAt(i))
  }
  return whole
}

/** The lowest value of any range of a list, in a few steps. */
class RangeLowest {
  readonly #count: number
  /** A binary tree: the values are its leaves. */
  readonly #tree: Float64Array

  constructor(values: Float64Array) {
    this.#count = values.length
    this.#tree = new Float64Array(this.#count * 2)
    this.#tree.set(values, this.#count)
    for (let i = this.#count - 1; i > 0; i--)
      this.#tree[i] = Math.min(this.#tree[i * 2] as number, this.#tree[i * 2 + 1] as number)
  }

  /** Of `from` ≤ index < `to`; Infinity when there is none. */
  between(from: number, to: number): number {
    let lowest = Number.POSITIVE_INFINITY
    let low = from + this.#count
    let high = to + this.#count
    while (low < high) {
      if (low & 1) lowest = Math.min(lowest, this.#tree[low++] as number)
      if (high & 1) lowest = Math.min(lowest, this.#tree[--high] as number)
      low >>>= 1
      high >>>= 1
    }
    return lowest
  }
}
