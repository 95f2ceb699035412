/**
 * Regular expressions over bytes: the regular part of PCRE, by recursive descent. A character of the source beyond
 * ASCII stands for its UTF-8 bytes. What is not regular, or not worth its cost, is refused by name with its column.
 */
import { VmsiftError } from '../core/errors.js'
import { ANY_BYTE, setComplement, setOf } from './byte-set.js'
import { lengthsOf, positionsOf } from './measure.js'
import type { PatternNode } from './node.js'
import { foldedCharacter } from './parse-text.js'
import { readClass } from './regex-class.js'
import { RegexCursor } from './regex-cursor.js'
import { readEscape } from './regex-escape.js'
import { concatOf, EMPTY } from './trim.js'

/** Longest source, in UTF-16 code units. */
export const MAX_REGEX_LENGTH = 1 << 16
/** Deepest nesting of groups. */
const MAX_DEPTH = 250
/** Largest count in a quantifier. */
const MAX_COUNT = 65535
/** Most single-byte positions once all counts are written out. */
const MAX_POSITIONS = 1 << 18

export interface ParsedRegex {
  readonly node: PatternNode
  /** There are quantifiers that leave a choice, and all of them are lazy. `{n}` leaves none. */
  readonly lazy: boolean
}

interface Flags {
  ignoreCase: boolean
  dotAll: boolean
  multiline: boolean
  extended: boolean
}

const NOT_NEWLINE = setComplement(setOf([0x0a]))
const NEWLINE_SEQUENCE: PatternNode = {
  kind: 'alternate',
  items: [
    { kind: 'literal', bytes: [0x0d, 0x0a] },
    { kind: 'set', set: setOf([0x0a, 0x0b, 0x0c, 0x0d, 0x85]) },
  ],
}

/**
 * A regular expression as a tree.
 * @throws VmsiftError `bad-pattern` with the column (from 1): syntax, what is not supported, what matches the empty string.
 */
export function parseRegex(source: string, options: { readonly ignoreCase?: boolean } = {}): ParsedRegex {
  if (source === '') throw new VmsiftError('bad-pattern', 'regular expression is empty')
  if (source.length > MAX_REGEX_LENGTH)
    throw new VmsiftError(
      'bad-pattern',
      `regular expression of ${source.length} characters is too long: at most ${MAX_REGEX_LENGTH}`,
    )
  return new RegexParser(source).parse({
    ignoreCase: options.ignoreCase ?? false,
    dotAll: false,
    multiline: false,
    extended: false,
  })
}

/** What follows `(?` and is refused, longest first. */
const REFUSED_GROUPS: readonly (readonly [RegExp, string])[] = [
  [/\(\?=/y, 'look-ahead'],
  [/\(\?!/y, 'negative look-ahead'],
  [/\(\?<=/y, 'look-behind'],
  [/\(\?<!/y, 'negative look-behind'],
  [/\(\?>/y, 'atomic group'],
  [/\(\?\|/y, 'branch-reset group'],
  [/\(\?P=/y, 'back-reference'],
  [/\(\?(?:R|[+-]?\d+|&|P>)/y, 'recursion'],
  [/\(\?\(/y, 'conditional group'],
  [/\(\?C/y, 'callout'],
  [/\(\*/y, 'verb'],
]

class RegexParser {
  readonly #cursor: RegexCursor
  #lazySeen = false
  #greedySeen = false

  constructor(source: string) {
    this.#cursor = new RegexCursor(source)
  }

  parse(flags: Flags): ParsedRegex {
    const cursor = this.#cursor
    const node = this.#alternatives(flags, 0)
    if (!cursor.done)
      throw cursor.error(cursor.at, 'the parenthesis ")" @ closes nothing; write "\\)" for the character')
    if (lengthsOf(node).min === 0)
      throw cursor.error(
        0,
        'it can match the empty string, which is everywhere; make some part of it obligatory',
      )
    if (positionsOf(node) > MAX_POSITIONS)
      throw cursor.error(
        0,
        `its repetitions amount to more than ${MAX_POSITIONS} bytes when written out; lower the counts`,
      )
    return { node, lazy: this.#lazySeen && !this.#greedySeen }
  }

  /** Up to the `)` that closes the group, or the end. `flags` change within. */
  #alternatives(flags: Flags, depth: number): PatternNode {
    const cursor = this.#cursor
    if (depth > MAX_DEPTH) throw cursor.error(cursor.at, `groups @ are nested more than ${MAX_DEPTH} deep`)
    const branches: PatternNode[] = []
    let items: PatternNode[] = []
    while (!cursor.done && cursor.peek() !== ')') {
      if (cursor.skip('|')) {
        branches.push(concatOf(items))
        items = []
        continue
      }
      if (this.#skipped(flags)) continue
      const from = cursor.at
      const atom = this.#atom(flags, depth)
      if (atom === undefined) continue
      const item = this.#quantified(atom, flags)
      if (positionsOf(item) > MAX_POSITIONS)
        throw cursor.error(
          from,
          `the repetition @ amounts to more than ${MAX_POSITIONS} bytes when written out; lower the counts`,
        )
      items.push(item)
    }
    branches.push(concatOf(items))
    return branches.length === 1 ? (branches[0] as PatternNode) : { kind: 'alternate', items: branches }
  }

  /** Skips comments, and with (?x) white space. */
  #skipped(flags: Flags): boolean {
    const cursor = this.#cursor
    if (cursor.sees('(?#')) {
      if (cursor.take(/\(\?#[^)]*\)/y) === undefined)
        throw cursor.error(cursor.at, 'the comment "(?#" @ is not closed; add ")"')
      return true
    }
    if (cursor.skip('\\E')) return true
    return flags.extended && cursor.take(/\s+|#[^\n]*\n?/y) !== undefined
  }

  /** One item without its quantifier; undefined for what only changes flags. */
  #atom(flags: Flags, depth: number): PatternNode | undefined {
    const cursor = this.#cursor
    const from = cursor.at
    const quantifier = cursor.take(/[*+?]|\{\d+(?:,\d*)?\}|\{,\d+\}/y)
    if (quantifier !== undefined)
      throw cursor.error(from, `the quantifier "${quantifier[0]}" @ has nothing to repeat`)
    switch (cursor.peek()) {
      case '(':
        return this.#group(flags, depth)
      case '[':
        return readClass(cursor, flags.ignoreCase)
      case '.':
        cursor.at++
        return { kind: 'set', set: flags.dotAll ? ANY_BYTE : NOT_NEWLINE }
      case '^':
        cursor.at++
        return { kind: 'assert', assertion: flags.multiline ? 'line-start' : 'stretch-start' }
      case '$':
        cursor.at++
        return { kind: 'assert', assertion: flags.multiline ? 'line-end' : 'stretch-end-or-final-newline' }
      case '\\':
        return this.#escape(flags)
      default:
        return this.#character(cursor.next(), flags)
    }
  }

  #character(character: string, flags: Flags): PatternNode {
    if (/\p{Surrogate}/u.test(character))
      throw this.#cursor.error(this.#cursor.at - 1, 'the character @ is half a surrogate pair')
    if (flags.ignoreCase) return foldedCharacter(character, 'utf8')
    return { kind: 'literal', bytes: [...Buffer.from(character)] }
  }

  #escape(flags: Flags): PatternNode {
    const cursor = this.#cursor
    const from = cursor.at
    if (cursor.skip('\\Q')) {
      const close = cursor.source.indexOf('\\E', cursor.at)
      const text = cursor.source.slice(cursor.at, close < 0 ? undefined : close)
      // The last character stays behind, so that a quantifier after \E repeats it alone, as in PCRE.
      const characters = [...text]
      cursor.at = close < 0 ? cursor.source.length : close + 2
      const nodes = characters.map(character => this.#character(character, flags))
      if (nodes.length === 0) return EMPTY
      const last = this.#quantified(nodes.at(-1) as PatternNode, flags)
      return concatOf([...nodes.slice(0, -1), last])
    }
    const meaning = readEscape(cursor, false)
    switch (meaning.kind) {
      case 'byte':
        return flags.ignoreCase && meaning.value < 0x80
          ? foldedCharacter(String.fromCharCode(meaning.value), 'utf8')
          : { kind: 'literal', bytes: [meaning.value] }
      case 'character':
        return this.#character(meaning.character, flags)
      case 'newline-sequence':
        return NEWLINE_SEQUENCE
      case 'set':
      case 'assert':
        return meaning
      default:
        throw cursor.error(from, 'the escape @ is unknown')
    }
  }

  /** A group, or a setting of flags for the rest of the group around it. */
  #group(flags: Flags, depth: number): PatternNode | undefined {
    const cursor = this.#cursor
    const from = cursor.at
    for (const [expression, name] of REFUSED_GROUPS) {
      const found = cursor.take(expression)
      if (found !== undefined)
        throw cursor.unsupported(from, name, found[0], 'only regular languages can be searched in one pass')
    }
    let inner = { ...flags }
    if (cursor.take(/\(\?(?:P?<[A-Za-z_]\w*>|'[A-Za-z_]\w*')/y) === undefined && cursor.skip('(?')) {
      inner = this.#readFlags(from, flags)
      if (cursor.skip(')')) {
        Object.assign(flags, inner)
        return undefined
      }
      if (!cursor.skip(':'))
        throw cursor.error(from, `the group "(?${cursor.peek()}" @ is unknown; write "\\(" for the character`)
    } else if (cursor.at === from) cursor.at++
    const node = this.#alternatives(inner, depth + 1)
    if (!cursor.skip(')')) throw cursor.error(from, 'the group "(" @ is not closed; add ")"')
    return node
  }

  /** Letters up to `)` or `:`; a minus turns those behind it off, `^` all. */
  #readFlags(from: number, outer: Flags): Flags {
    const cursor = this.#cursor
    let flags = { ...outer }
    if (cursor.skip('^')) flags = { ignoreCase: false, dotAll: false, multiline: false, extended: false }
    let on = true
    for (;;) {
      if (cursor.skip('-')) on = false
      else if (cursor.skip('i')) flags.ignoreCase = on
      else if (cursor.skip('s')) flags.dotAll = on
      else if (cursor.skip('m')) flags.multiline = on
      else if (cursor.skip('xx') || cursor.skip('x')) flags.extended = on
      else if (cursor.take(/[A-Za-z]/y) !== undefined) {
        const letter = cursor.source[cursor.at - 1] ?? ''
        throw cursor.unsupported(from, 'the flag', `(?${letter})`, 'known: i m s x')
      } else return flags
    }
  }

  #quantified(atom: PatternNode, flags: Flags): PatternNode {
    const cursor = this.#cursor
    while (flags.extended && cursor.take(/\s+|#[^\n]*\n?/y) !== undefined);
    const from = cursor.at
    const found = cursor.take(/[*+?]|\{(\d+)(?:(,)(\d*))?\}|\{,(\d+)\}/y)
    if (found === undefined) return atom
    const [text, least, comma, most, only] = found
    const min = text === '+' ? 1 : Number(least ?? 0)
    const max = maximum(text, { least, comma, most, only })
    if (cursor.skip('+'))
      throw cursor.unsupported(from, 'possessive quantifier', `${text}+`, 'leave the "+" out')
    const lazy = cursor.skip('?')
    if (min > MAX_COUNT || (max ?? 0) > MAX_COUNT)
      throw cursor.error(from, `the quantifier "${text}" @ counts beyond ${MAX_COUNT}`)
    if (max !== undefined && max < min) throw cursor.error(from, `the quantifier "${text}" @ runs backwards`)
    if (min !== max && lazy) this.#lazySeen = true
    else if (min !== max) this.#greedySeen = true
    const again = cursor.at
    if (cursor.take(/[*+?]|\{\d+(?:,\d*)?\}|\{,\d+\}/y) !== undefined)
      throw cursor.error(again, 'the quantifier @ follows another; put what is repeated in a group')
    if (max === 0) return EMPTY
    return max === undefined ? { kind: 'repeat', item: atom, min } : { kind: 'repeat', item: atom, min, max }
  }
}

type Bounds = Readonly<Record<'least' | 'comma' | 'most' | 'only', string | undefined>>

/** Upper bound of a quantifier, or undefined when there is none. */
function maximum(text: string, { least, comma, most, only }: Bounds): number | undefined {
  if (text === '*' || text === '+') return undefined
  if (text === '?') return 1
  if (only !== undefined) return Number(only)
  if (comma === undefined) return Number(least)
  return most === undefined || most === '' ? undefined : Number(most)
}
