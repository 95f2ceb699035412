/** Byte patterns: hexadecimal digits with `?` for any nibble, `4d 5a ?? 0?`. */
import { VmsiftError } from '../core/errors.js'
import { setOf } from './byte-set.js'
import type { PatternNode } from './node.js'
import { quoted } from './regex-cursor.js'

/** Longest byte pattern. */
export const MAX_HEX_BYTES = 1 << 16

const YARA_ONLY: Readonly<Record<string, string>> = {
  '[': 'a jump "["',
  '(': 'an alternative "("',
  '|': 'an alternative "|"',
  '~': 'a negation "~"',
  '{': 'a brace "{"',
}

/**
 * A byte pattern as a tree. White space may stand between bytes.
 * @throws VmsiftError `bad-pattern` with the column (from 1) of what is wrong.
 */
export function parseHex(hex: string): PatternNode {
  const items: PatternNode[] = []
  let literal: number[] = []
  const flush = () => {
    if (literal.length > 0) items.push({ kind: 'literal', bytes: literal })
    literal = []
  }
  for (let at = 0; at < hex.length; ) {
    if (/\s/.test(hex[at] ?? '')) {
      at++
      continue
    }
    const high = nibble(hex, at)
    if (at + 1 >= hex.length || /\s/.test(hex[at + 1] ?? ''))
      throw bad(hex, at, `half a byte "${hex[at]}": a byte is two digits`)
    const low = nibble(hex, at + 1)
    if (high !== undefined && low !== undefined) literal.push(high * 16 + low)
    else {
      flush()
      items.push({ kind: 'set', set: nibbleSet(high, low) })
    }
    at += 2
  }
  flush()
  if (items.length === 0)
    throw new VmsiftError('bad-pattern', 'byte pattern is empty: give at least one byte, like "4d 5a"')
  if (hex.length / 2 > MAX_HEX_BYTES * 2)
    throw new VmsiftError('bad-pattern', `byte pattern is too long: at most ${MAX_HEX_BYTES} bytes`)
  return items.length === 1 ? (items[0] as PatternNode) : { kind: 'concat', items }
}

/** The value of the digit at `at`, or undefined for `?`. */
function nibble(hex: string, at: number): number | undefined {
  const digit = hex[at] ?? ''
  if (digit === '?') return undefined
  if (/[0-9a-f]/i.test(digit)) return Number.parseInt(digit, 16)
  const construct = YARA_ONLY[digit]
  if (construct !== undefined)
    throw bad(hex, at, `${construct} is not supported: use a regular expression or a YARA rule`)
  throw bad(hex, at, `"${String.fromCodePoint(hex.codePointAt(at) ?? 0)}" is not a hexadecimal digit or "?"`)
}

function bad(hex: string, at: number, what: string): VmsiftError {
  return new VmsiftError('bad-pattern', `byte pattern ${quoted(hex)}, column ${at + 1}: ${what}`, {
    detail: { hex, column: at + 1 },
  })
}

/** The bytes that fit two nibbles, either of which may be any. */
function nibbleSet(high: number | undefined, low: number | undefined): readonly number[] {
  const values: number[] = []
  for (let value = 0; value < 256; value++)
    if ((high === undefined || value >>> 4 === high) && (low === undefined || (value & 15) === low))
      values.push(value)
  return setOf(values)
}
