/**
 * YARA's regular expressions to a tree. They are its own (re_lexer.l, re_grammar.y of YARA 4.2): no groups but plain ones, no
 * look-around, no back-references, `{` is a letter unless it opens a count, and `[\w-z]` is the range from w to z.
 */
import {
  ANY_BYTE,
  NO_BYTE,
  setComplement,
  setFoldCase,
  setOf,
  setOfRange,
  setUnion,
} from '../patterns/byte-set.js'
import type { ByteSet } from '../patterns/node.js'
import type { Regex, RegexNode } from './ast.js'

/** Longest source, as in YARA. */
export const MAX_REGEX_BYTES = 8192
/** Highest count, as in YARA. */
const MAX_REPEAT = 32767
const MAX_DEPTH = 200

const DIGITS = setOfRange(0x30, 0x39)
const WORDS = [setOfRange(0x41, 0x5a), setOfRange(0x61, 0x7a), setOf([0x5f])].reduce(setUnion, DIGITS)
const SPACES = setOf([0x20, 0x09, 0x0a, 0x0b, 0x0c, 0x0d])
const NOT_NEWLINE = setComplement(setOf([0x0a]))

/** The set of each byte, and of each byte with its other case: made once, for most of an expression is letters. */
const SINGLE: readonly ByteSet[] = Array.from({ length: 256 }, (_, byte) => setOf([byte]))
const EITHER_CASE: readonly ByteSet[] = SINGLE.map(setFoldCase)

const CLASSES: Readonly<Record<string, ByteSet>> = {
  w: WORDS,
  W: setComplement(WORDS),
  s: SPACES,
  S: setComplement(SPACES),
  d: DIGITS,
  D: setComplement(DIGITS),
}
const CONTROLS: Readonly<Record<string, number>> = { n: 0x0a, t: 0x09, r: 0x0d, f: 0x0c, a: 0x07 }
const COUNT = /\{(\d*)(?:(,)(\d*))?\}/y
const HEX = /^[0-9a-fA-F]{2}$/

/** Something is wrong at an index of the source. */
export class RegexFault extends Error {
  readonly index: number

  constructor(index: number, message: string) {
    super(message)
    this.index = index
  }
}

export interface RegexFlags {
  readonly ignoreCase: boolean
  readonly dotAll: boolean
}

/**
 * Parses a regular expression; `source` is latin1.
 * @throws RegexFault
 */
export function parseRuleRegex(source: string, flags: RegexFlags): Regex {
  if (source.length > MAX_REGEX_BYTES)
    throw new RegexFault(0, `regular expression is too long: at most ${MAX_REGEX_BYTES} bytes`)
  const { node, literal } = new RegexParser(source, flags).parse()
  return { source, ...flags, node, ...(literal !== undefined && { literal }) }
}

/** Whether any quantifier is greedy, or any is lazy. */
export function quantifiersOf(node: RegexNode): { greedy: boolean; lazy: boolean } {
  const found = { greedy: false, lazy: false }
  const visit = (at: RegexNode): void => {
    if (at.kind === 'concat' || at.kind === 'alternatives') at.items.forEach(visit)
    if (at.kind !== 'repeat') return
    found[at.greedy ? 'greedy' : 'lazy'] = true
    visit(at.item)
  }
  visit(node)
  return found
}

/**
 * A group, which stays one where YARA sees a difference: `(.)` is not `.` to a count, and a long jump within a group does not cut a string.
 */
function grouped(node: RegexNode): RegexNode {
  const isDot = node.kind === 'set' && (node.set === ANY_BYTE || node.set === NOT_NEWLINE)
  return isDot || node.kind === 'repeat' || node.kind === 'concat' ? { kind: 'concat', items: [node] } : node
}

class RegexParser {
  readonly #source: string
  readonly #flags: RegexFlags
  #at = 0
  #depth = 0

  constructor(source: string, flags: RegexFlags) {
    this.#source = source
    this.#flags = flags
  }

  parse(): { node: RegexNode; literal: Uint8Array | undefined } {
    const literal = this.#literal()
    const node = this.#alternatives()
    if (this.#at < this.#source.length) throw this.#fault('")" without its "("')
    return { node, literal }
  }

  /** The bytes of a source that is nothing but letters: YARA looks for such a regular expression as for a text. */
  #literal(): Uint8Array | undefined {
    const bytes: number[] = []
    const mark = this.#at
    try {
      while (this.#at < this.#source.length) {
        const char = this.#source[this.#at] ?? ''
        if ('[()|$.^+*?'.includes(char) || (char === '{' && this.#count() !== undefined)) return undefined
        if (char !== '\\') bytes.push(this.#source.charCodeAt(this.#at++))
        else if ('wWsSdDbB0123456789'.includes(this.#source[this.#at + 1] ?? '0')) return undefined
        else bytes.push(this.#escape())
      }
      return Uint8Array.from(bytes)
    } catch (error) {
      if (error instanceof RegexFault) return undefined
      throw error
    } finally {
      this.#at = mark
    }
  }

  #alternatives(): RegexNode {
    if (++this.#depth > MAX_DEPTH) throw this.#fault('groups are nested too deep')
    const items = [this.#concat(false)]
    while (this.#source[this.#at] === '|') {
      this.#at++
      items.push(this.#concat(true))
    }
    this.#depth--
    return items.length === 1 ? (items[0] as RegexNode) : { kind: 'alternatives', items }
  }

  #concat(mayBeEmpty: boolean): RegexNode {
    const items: RegexNode[] = []
    for (;;) {
      const char = this.#source[this.#at]
      if (char === undefined || char === '|' || char === ')') break
      items.push(this.#repeat(char))
    }
    if (items.length > 0) return items.length === 1 ? (items[0] as RegexNode) : { kind: 'concat', items }
    if (mayBeEmpty) return { kind: 'empty' }
    const next = this.#source[this.#at]
    throw this.#fault(next === undefined ? 'regular expression ends too early' : `nothing before "${next}"`)
  }

  #repeat(char: string): RegexNode {
    const assertion = this.#assertion(char)
    if (assertion !== undefined) return assertion
    const item = this.#single(char)
    const count = this.#quantifier()
    if (count === undefined) return item
    const greedy = this.#source[this.#at] !== '?'
    if (!greedy) this.#at++
    return { kind: 'repeat', item, ...count, greedy }
  }

  #assertion(char: string): RegexNode | undefined {
    const two = this.#source.slice(this.#at, this.#at + 2)
    const found =
      char === '^'
        ? 'start'
        : char === '$'
          ? 'end'
          : two === '\\b'
            ? 'word-boundary'
            : two === '\\B'
              ? 'not-word-boundary'
              : undefined
    if (found === undefined) return undefined
    this.#at += char === '\\' ? 2 : 1
    return { kind: 'assert', assertion: found }
  }

  #quantifier(): { min: number; max: number | undefined } | undefined {
    const char = this.#source[this.#at]
    if (char === '{') {
      const count = this.#count()
      if (count === undefined) return undefined
      const { min, max, length } = count
      const open = max === undefined
      if (min > MAX_REPEAT || (max ?? 0) > MAX_REPEAT)
        throw this.#fault(`count is too large: at most ${MAX_REPEAT}`)
      if ((!open && max < min) || (min === 0 && max === 0)) throw this.#fault('bad count')
      this.#at += length
      return { min, max }
    }
    if (char !== '*' && char !== '+' && char !== '?') return undefined
    this.#at++
    return { min: char === '+' ? 1 : 0, max: char === '?' ? 1 : undefined }
  }

  /** The count that starts here: `{3}`, `{3,8}`, `{,5}`, `{7,}`; undefined where `{` is a letter. */
  #count(): { min: number; max: number | undefined; length: number } | undefined {
    COUNT.lastIndex = this.#at
    const match = COUNT.exec(this.#source)
    if (match === null || match[0] === '{}') return undefined
    const [whole, low = '', comma, high = ''] = match
    const min = Number(low)
    return {
      min,
      max: comma === undefined ? min : high === '' ? undefined : Number(high),
      length: whole.length,
    }
  }

  #single(char: string): RegexNode {
    switch (char) {
      case '(': {
        this.#at++
        if (this.#source[this.#at] === '?')
          throw this.#fault('YARA has plain groups only: no "(?", no look-around')
        const node = this.#alternatives()
        if (this.#source[this.#at] !== ')') throw this.#fault('"(" without its ")"')
        this.#at++
        return grouped(node)
      }
      case '[':
        return { kind: 'set', set: this.#class(), isClass: true }
      case '.':
        this.#at++
        return { kind: 'set', set: this.#flags.dotAll ? ANY_BYTE : NOT_NEWLINE }
      case '*':
      case '+':
      case '?':
        throw this.#fault(`nothing to repeat before "${char}"`)
      case '\\': {
        const name = this.#source[this.#at + 1] ?? ''
        const known = CLASSES[name]
        if (known !== undefined) {
          this.#at += 2
          return { kind: 'set', set: known, isClass: true }
        }
        if (name >= '0' && name <= '9') throw this.#fault('back-references are not allowed')
        return this.#letter(this.#escape())
      }
      default:
        if (char === '{' && this.#count() !== undefined)
          throw this.#fault('nothing to repeat before the count')
        this.#at++
        return this.#letter(char.charCodeAt(0))
    }
  }

  #letter(byte: number): RegexNode {
    if (!this.#flags.ignoreCase) return { kind: 'set', set: SINGLE[byte] ?? NO_BYTE }
    return { kind: 'set', set: EITHER_CASE[byte] ?? NO_BYTE, written: byte }
  }

  #folded(set: ByteSet): ByteSet {
    return this.#flags.ignoreCase ? setFoldCase(set) : set
  }

  /** The byte of an escape sequence, which starts here. */
  #escape(): number {
    const char = this.#source[this.#at + 1]
    if (char === undefined) throw this.#fault('illegal escape sequence: a backslash at the end')
    if (char === 'x') {
      const digits = this.#source.slice(this.#at + 2, this.#at + 4)
      if (!HEX.test(digits)) throw this.#fault('illegal escape sequence: "\\x" wants two hexadecimal digits')
      this.#at += 4
      return Number.parseInt(digits, 16)
    }
    this.#at += 2
    return CONTROLS[char] ?? char.charCodeAt(0)
  }

  #class(): ByteSet {
    const open = this.#at++
    const negated = this.#source[this.#at] === '^'
    if (negated) this.#at++
    let set: ByteSet = NO_BYTE
    // A bracket that stands first is one of the members.
    if (this.#source[this.#at] === ']') {
      set = setOf([0x5d])
      this.#at++
    }
    for (;;) {
      const char = this.#source[this.#at]
      if (char === undefined) {
        this.#at = open
        throw this.#fault('"[" without its "]"')
      }
      if (char === ']') break
      set = setUnion(set, this.#member(char))
    }
    this.#at++
    const folded = this.#folded(set)
    return negated ? setComplement(folded) : folded
  }

  #member(char: string): ByteSet {
    const mark = this.#at
    const known = char === '\\' ? CLASSES[this.#source[mark + 1] ?? ''] : undefined
    const first = char === '\\' ? this.#escape() : char.charCodeAt(0)
    if (char !== '\\') this.#at++
    const last = this.#source[this.#at + 1]
    if (this.#source[this.#at] === '-' && last !== undefined && last !== ']') {
      this.#at++
      const end = last === '\\' ? this.#escape() : last.charCodeAt(0)
      if (last !== '\\') this.#at++
      if (end < first) {
        this.#at = mark
        throw this.#fault('bad range: its end is lower than its start')
      }
      return setOfRange(first, end)
    }
    if (known !== undefined) return known
    if (char !== '\\' && (first < 32 || first > 126)) {
      this.#at = mark
      throw this.#fault('non-ASCII character in a class: write it as \\xAB')
    }
    return setOf([first])
  }

  #fault(message: string): RegexFault {
    return new RegexFault(this.#at, message)
  }
}
