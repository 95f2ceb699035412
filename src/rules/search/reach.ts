/** How far what is looked for reaches: what a search that is put together from pieces must see together. */
import { SCAN_LIMIT } from './fibers.js'
import { longestOf } from './starts.js'
import { codePart, FIXED, type StringTables } from './tables.js'

/** Bytes before a start that decide about it, and behind its longest match. */
const BEHIND = 4
const BEYOND = 4

/** Longest row of any expression: what a hit looks at. */
export function longestRow({ words, groups, pairs }: StringTables): number {
  let most = 1
  for (const { length } of [words, ...pairs]) for (const each of length) most = Math.max(most, each)
  for (const { longest } of groups) most = Math.max(most, longest)
  return most
}

export interface Reach {
  /** A start is decided by this many bytes before it, and by `ahead` from it on. */
  readonly behind: number
  readonly ahead: number
  /** Bytes before a place that is verified, and from it on, that decide what is told of it. */
  readonly before: number
  readonly after: number
  /** Bytes from a start to such a place at most. */
  readonly back: number
}

/** The reach of a part. */
export function reachOf(tables: StringTables, part: number): Reach {
  const fixed = ((tables.flags[part] as number) & FIXED) !== 0
  const longest = fixed ? longestVariant(tables, part) : longestOf(codePart(tables, part))
  const back = fixed ? 0 : Math.min(longest, SCAN_LIMIT)
  return {
    behind: BEHIND,
    ahead: longest + BEYOND,
    before: back + BEHIND,
    after: (fixed ? longest : Math.min(longest, SCAN_LIMIT)) + BEYOND,
    back,
  }
}

function longestVariant({ variants, bytes }: StringTables, part: number): number {
  let most = 0
  for (let variant = variants[part] as number; variant < (variants[part + 1] as number); variant++)
    most = Math.max(most, (bytes[variant + 1] as number) - (bytes[variant] as number))
  return most
}
