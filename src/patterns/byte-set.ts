/** Sets of byte values: 256 bits as eight 32-bit words, so that patterns stay plain data. */
import type { ByteSet } from './node.js'

/** The set of no byte. */
export const NO_BYTE: ByteSet = [0, 0, 0, 0, 0, 0, 0, 0]

/** The set of every byte. */
export const ANY_BYTE: ByteSet = [-1, -1, -1, -1, -1, -1, -1, -1]

/** A set from byte values. */
export function setOf(values: Iterable<number>): ByteSet {
  const words = [...NO_BYTE]
  for (const value of values) words[value >>> 5] = (words[value >>> 5] ?? 0) | (1 << (value & 31))
  return words
}

/** The set `from` ≤ byte ≤ `to`. */
export function setOfRange(from: number, to: number): ByteSet {
  const values: number[] = []
  for (let value = from; value <= to; value++) values.push(value)
  return setOf(values)
}

/** Whether `value` is in the set. */
export function setHas(set: ByteSet, value: number): boolean {
  return (((set[value >>> 5] ?? 0) >>> (value & 31)) & 1) === 1
}

/** Bytes in either set. */
export function setUnion(a: ByteSet, b: ByteSet): ByteSet {
  return a.map((word, i) => word | (b[i] ?? 0))
}

/** Bytes not in the set. */
export function setComplement(set: ByteSet): ByteSet {
  return set.map(word => ~word)
}

/** The members, ascending. */
export function setMembers(set: ByteSet): number[] {
  const members: number[] = []
  for (let value = 0; value < 256; value++) if (setHas(set, value)) members.push(value)
  return members
}

/** Adds the other case of every ASCII letter in the set. */
export function setFoldCase(set: ByteSet): ByteSet {
  const members = setMembers(set)
  return setOf(members.concat(members.filter(isLetter).map(value => value ^ 0x20)))
}

/** Whether a byte is an ASCII letter. */
export function isLetter(value: number): boolean {
  const lower = value | 0x20
  return lower >= 0x61 && lower <= 0x7a
}

/** Whether a byte is one of `[0-9A-Za-z_]`, what \b looks at. */
export function isWord(value: number): boolean {
  return isLetter(value) || (value >= 0x30 && value <= 0x39) || value === 0x5f
}
