/** What stands behind a backslash, inside a class and outside. */
import { isWord, setComplement, setOf } from './byte-set.js'
import type { Assertion, ByteSet } from './node.js'
import type { RegexCursor } from './regex-cursor.js'

/** What an escape means. `bytes`: one byte value, never subject to UTF-8. `character`: itself. */
export type Escape =
  | { readonly kind: 'byte'; readonly value: number }
  | { readonly kind: 'character'; readonly character: string }
  | { readonly kind: 'set'; readonly set: ByteSet }
  | { readonly kind: 'assert'; readonly assertion: Assertion }
  | { readonly kind: 'newline-sequence' }

const ALL = Array.from({ length: 256 }, (_, value) => value)
const DIGITS = setOf(ALL.filter(value => value >= 0x30 && value <= 0x39))
const WORD = setOf(ALL.filter(isWord))
const SPACE = setOf([0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20])
// PCRE2 in byte mode: pcre2pattern(3), "Generic character types".
const HORIZONTAL = setOf([0x09, 0x20, 0xa0])
const VERTICAL = setOf([0x0a, 0x0b, 0x0c, 0x0d, 0x85])
const NEWLINE = setOf([0x0a])

const SETS: Readonly<Record<string, ByteSet>> = {
  d: DIGITS,
  D: setComplement(DIGITS),
  w: WORD,
  W: setComplement(WORD),
  s: SPACE,
  S: setComplement(SPACE),
  h: HORIZONTAL,
  H: setComplement(HORIZONTAL),
  v: VERTICAL,
  V: setComplement(VERTICAL),
  N: setComplement(NEWLINE),
}

const BYTES: Readonly<Record<string, number>> = { a: 0x07, e: 0x1b, f: 0x0c, n: 0x0a, r: 0x0d, t: 0x09 }

const ASSERTIONS: Readonly<Record<string, Assertion>> = {
  A: 'stretch-start',
  z: 'stretch-end',
  Z: 'stretch-end-or-final-newline',
  b: 'word-boundary',
  B: 'not-word-boundary',
}

const REFUSED: Readonly<Record<string, string>> = {
  K: 'match reset',
  G: 'match-start assertion',
  C: 'single code unit',
  X: 'grapheme cluster',
  p: 'Unicode property',
  P: 'Unicode property',
  g: 'back-reference',
  k: 'back-reference',
  U: 'case modification',
  L: 'case modification',
  u: 'case modification',
  l: 'case modification',
}

/** Reads one escape; the cursor stands on the backslash. */
export function readEscape(cursor: RegexCursor, inClass: boolean): Escape {
  const from = cursor.at
  cursor.at++
  if (cursor.done)
    throw cursor.error(from, 'the backslash @ has nothing behind it; write \\\\ for the character')
  const letter = cursor.next()
  if (letter === 'N' && cursor.peek() === '{') throw cursor.unsupported(from, 'named character', '\\N{')
  if (letter === 'N' && inClass)
    throw cursor.unsupported(from, 'escape', '\\N', 'it has no meaning in a class')
  const set = SETS[letter]
  if (set !== undefined) return { kind: 'set', set }
  const value = BYTES[letter]
  if (value !== undefined) return { kind: 'byte', value }
  if (inClass && letter === 'b') return { kind: 'byte', value: 0x08 }
  const assertion = ASSERTIONS[letter]
  if (assertion !== undefined && !inClass) return { kind: 'assert', assertion }
  if (letter === 'R' && !inClass) return { kind: 'newline-sequence' }
  if (letter === 'x') return { kind: 'byte', value: readHex(cursor, from) }
  if (letter === 'o') return { kind: 'byte', value: readBracedOctal(cursor, from) }
  if (letter === 'c') return { kind: 'byte', value: readControl(cursor, from) }
  if (/[0-9]/.test(letter)) return { kind: 'byte', value: readOctal(cursor, from, inClass) }
  const refused = REFUSED[letter]
  if (refused !== undefined) throw cursor.unsupported(from, refused, `\\${letter}`, advice(refused))
  if (/[A-Za-z]/.test(letter))
    throw cursor.error(
      from,
      `the escape "\\${letter}" @ is unknown${inClass ? ' in a class' : ''}; write "${letter}" for the letter`,
    )
  return { kind: 'character', character: letter }
}

function advice(construct: string): string {
  if (construct === 'Unicode property') return 'patterns are over bytes: write the byte ranges out'
  if (construct === 'back-reference') return 'only regular languages can be searched in one pass'
  return 'leave it out'
}

function readHex(cursor: RegexCursor, from: number): number {
  const braced = cursor.take(/\{\s*([0-9a-fA-F]+)\s*\}/y)
  const digits = braced?.[1] ?? cursor.take(/[0-9a-fA-F]{1,2}/y)?.[0]
  if (digits === undefined)
    throw cursor.error(from, 'the escape "\\x" @ needs one or two hexadecimal digits, or {..}')
  const value = Number.parseInt(digits, 16)
  if (value > 0xff)
    throw cursor.error(
      from,
      `the escape "\\x{${digits}}" @ is more than a byte; write the bytes of its encoding`,
    )
  return value
}

function readBracedOctal(cursor: RegexCursor, from: number): number {
  const digits = cursor.take(/\{\s*([0-7]+)\s*\}/y)?.[1]
  if (digits === undefined) throw cursor.error(from, 'the escape "\\o" @ needs octal digits in braces')
  const value = Number.parseInt(digits, 8)
  if (value > 0xff) throw cursor.error(from, `the escape "\\o{${digits}}" @ is more than a byte`)
  return value
}

function readControl(cursor: RegexCursor, from: number): number {
  const letter = cursor.take(/[!-~]/y)?.[0]
  if (letter === undefined) throw cursor.error(from, 'the escape "\\c" @ needs a printable character')
  return letter.toUpperCase().charCodeAt(0) ^ 0x40
}

/** `\0`, `\012`, `\101`: octal. `\1` and the like are back-references, except in a class, where they are octal. */
function readOctal(cursor: RegexCursor, from: number, inClass: boolean): number {
  cursor.at = from + 1
  const expression = cursor.peek() === '0' ? /0[0-7]{0,2}/y : inClass ? /[0-7]{1,3}/y : /[1-3][0-7]{2}/y
  const digits = cursor.take(expression)?.[0]
  if (digits === undefined) {
    const text = cursor.take(/[0-9]+/y)?.[0] ?? ''
    throw cursor.unsupported(from, 'back-reference', `\\${text}`, advice('back-reference'))
  }
  const value = Number.parseInt(digits, 8)
  if (value > 0xff) throw cursor.error(from, `the escape "\\${digits}" @ is more than a byte`)
  return value
}
