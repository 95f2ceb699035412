/** Questions about the matches of a string, with offsets as conditions see them: signed 64 bits. */
import type { StringMatches } from '../space.js'

const HIGHEST = 2n ** 64n

/** An offset of the space as a number of a condition. */
export function signed(offset: bigint): bigint {
  return BigInt.asIntN(64, offset)
}

/** A number of a condition as an offset of the space. */
export function unsigned(value: bigint): bigint {
  return BigInt.asUintN(64, value)
}

/** How many matches start at `from` to `to`, both inclusive. */
export function countIn(matches: StringMatches, from: bigint, to: bigint): number {
  if (from > to) return 0
  let count = 0
  if (to >= 0n) count += between(matches, from < 0n ? 0n : from, to + 1n)
  if (from < 0n) count += between(matches, from + HIGHEST, (to < 0n ? to : -1n) + HIGHEST + 1n)
  return count
}

/** Whether a match starts at an offset. */
export function isAt(matches: StringMatches, value: bigint): boolean {
  const offset = unsigned(value)
  const index = matches.firstFrom(offset)
  return index < matches.count && matches.offsetAt(index) === offset
}

function between(matches: StringMatches, from: bigint, end: bigint): number {
  const last = end >= HIGHEST ? matches.count : matches.firstFrom(end)
  return last - matches.firstFrom(from)
}
