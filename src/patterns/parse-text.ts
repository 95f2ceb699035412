/**
 * Text patterns. The UTF-8 bytes are taken as they are: no normalisation. Ignoring case knows the ASCII letters and,
 * beyond ASCII, the case variants that are a single code point again; the variants may differ in length (`ẞ` is three
 * bytes, `ß` two), so a character becomes an alternation.
 */
import { VmsiftError } from '../core/errors.js'
import { setFoldCase, setOf } from './byte-set.js'
import type { PatternNode } from './node.js'

export interface TextOptions {
  /** Look for the UTF-16LE form too. */
  readonly utf16?: boolean
  readonly ignoreCase?: boolean
}

type Encoding = 'utf8' | 'utf16le'

/** Longest text pattern, in bytes of its longer form. */
export const MAX_TEXT_BYTES = 1 << 16

/**
 * A text pattern as a tree: one branch, or two with `utf16`.
 * @throws VmsiftError `bad-pattern` when empty, too long, or not valid Unicode.
 */
export function parseText(text: string, options: TextOptions = {}): PatternNode {
  if (text === '') throw new VmsiftError('bad-pattern', 'text pattern is empty: give at least one character')
  if (/\p{Surrogate}/u.test(text))
    throw new VmsiftError('bad-pattern', `text pattern ${JSON.stringify(text)} holds half a surrogate pair`)
  if (Buffer.byteLength(text) > MAX_TEXT_BYTES)
    throw new VmsiftError(
      'bad-pattern',
      `text pattern of ${Buffer.byteLength(text)} bytes is too long: at most ${MAX_TEXT_BYTES}`,
      { detail: { bytes: Buffer.byteLength(text) } },
    )
  const utf8 = encodeText(text, 'utf8', options.ignoreCase ?? false)
  if (!options.utf16) return utf8
  return { kind: 'alternate', items: [utf8, encodeText(text, 'utf16le', options.ignoreCase ?? false)] }
}

/** The bytes of `text` in one encoding, each character with its case variants. */
function encodeText(text: string, encoding: Encoding, ignoreCase: boolean): PatternNode {
  if (!ignoreCase) return { kind: 'literal', bytes: [...Buffer.from(text, encoding)] }
  const items = [...text].map(character => foldedCharacter(character, encoding))
  return items.length === 1 ? (items[0] as PatternNode) : { kind: 'concat', items }
}

/** One character in every case, as bytes of `encoding`. */
export function foldedCharacter(character: string, encoding: Encoding): PatternNode {
  const bytes = Buffer.from(character, encoding)
  if ((character.codePointAt(0) ?? 0) < 0x80) {
    const set = setFoldCase(setOf([bytes[0] ?? 0]))
    const first: PatternNode = set.every((word, i) => word === setOf([bytes[0] ?? 0])[i])
      ? { kind: 'literal', bytes: [bytes[0] ?? 0] }
      : { kind: 'set', set }
    return encoding === 'utf8' ? first : { kind: 'concat', items: [first, { kind: 'literal', bytes: [0] }] }
  }
  const items = caseVariants(character).map<PatternNode>(variant => ({
    kind: 'literal',
    bytes: [...Buffer.from(variant, encoding)],
  }))
  return items.length === 1 ? (items[0] as PatternNode) : { kind: 'alternate', items }
}

/** The single code points that differ from `character` in case only, itself first. */
export function caseVariants(character: string): string[] {
  const variants = new Set([character])
  for (const direct of [character.toLowerCase(), character.toUpperCase()])
    for (const variant of [direct, direct.toLowerCase(), direct.toUpperCase()])
      if ([...variant].length === 1) variants.add(variant)
  return [...variants]
}
