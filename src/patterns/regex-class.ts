/** Character classes: `[a-z\d[:space:]]`. */
import {
  isLetter,
  isWord,
  NO_BYTE,
  setComplement,
  setFoldCase,
  setOf,
  setOfRange,
  setUnion,
} from './byte-set.js'
import type { ByteSet, PatternNode } from './node.js'
import { caseVariants } from './parse-text.js'
import type { RegexCursor } from './regex-cursor.js'
import { readEscape } from './regex-escape.js'

const POSIX: Readonly<Record<string, (value: number) => boolean>> = {
  alnum: value => isWord(value) && value !== 0x5f,
  alpha: isLetter,
  ascii: value => value < 0x80,
  blank: value => value === 0x09 || value === 0x20,
  cntrl: value => value < 0x20 || value === 0x7f,
  digit: value => value >= 0x30 && value <= 0x39,
  graph: value => value > 0x20 && value < 0x7f,
  lower: value => value >= 0x61 && value <= 0x7a,
  print: value => value >= 0x20 && value < 0x7f,
  punct: value => value > 0x20 && value < 0x7f && !(isWord(value) && value !== 0x5f),
  space: value => (value >= 0x09 && value <= 0x0d) || value === 0x20,
  upper: value => value >= 0x41 && value <= 0x5a,
  word: isWord,
  xdigit: value => /[0-9A-Fa-f]/.test(String.fromCharCode(value)) && value < 0x80,
}

/** One item of a class: a set of bytes, or a character that may be an end of a range. */
type Item = { readonly set: ByteSet } | { readonly byte: number } | { readonly wide: string }

/** Reads a class; the cursor stands on its `[`. */
export function readClass(cursor: RegexCursor, ignoreCase: boolean): PatternNode {
  const from = cursor.at
  cursor.at++
  const negated = cursor.skip('^')
  let set = NO_BYTE
  const wide: string[] = []
  let quoting = false
  for (let first = true; ; first = false) {
    if (cursor.done) throw cursor.error(from, 'the class "[" @ is not closed; add "]"')
    if (quoting ? cursor.skip('\\E') : cursor.skip('\\Q')) {
      quoting = !quoting
      continue
    }
    if (!quoting && cursor.skip('\\E')) continue
    if (!quoting && !first && cursor.skip(']')) break
    const itemAt = cursor.at
    const item = quoting ? characterItem(cursor) : readItem(cursor)
    if ('set' in item) {
      set = setUnion(set, item.set)
      continue
    }
    if (!quoting && cursor.peek() === '-' && !cursor.sees('-]') && cursor.at + 1 < cursor.source.length) {
      cursor.at++
      set = setUnion(set, readRange(cursor, itemAt, item))
    } else if ('wide' in item) wide.push(item.wide)
    else set = setUnion(set, setOf([item.byte]))
  }
  return finish(cursor, from, { set, wide, negated, ignoreCase })
}

interface ClassParts {
  readonly set: ByteSet
  readonly wide: readonly string[]
  readonly negated: boolean
  readonly ignoreCase: boolean
}

function finish(cursor: RegexCursor, from: number, parts: ClassParts): PatternNode {
  const { wide, negated, ignoreCase } = parts
  if (negated && wide.length > 0)
    throw cursor.unsupported(
      from,
      `the character "${wide[0]}" in a negated class`,
      '[^',
      'it is several bytes, and a class is over single bytes',
    )
  const folded = ignoreCase ? setFoldCase(parts.set) : parts.set
  const set = negated ? setComplement(folded) : folded
  const empty = set.every(word => word === 0)
  if (empty && wide.length === 0) throw cursor.error(from, 'the class @ matches no byte')
  if (wide.length === 0) return { kind: 'set', set }
  const variants = new Set(ignoreCase ? wide.flatMap(caseVariants) : wide)
  const items = [...variants].map<PatternNode>(character => ({
    kind: 'literal',
    bytes: [...Buffer.from(character)],
  }))
  return { kind: 'alternate', items: empty ? items : [{ kind: 'set', set }, ...items] }
}

function characterItem(cursor: RegexCursor): Item {
  const character = cursor.next()
  const code = character.codePointAt(0) ?? 0
  return code < 0x80 ? { byte: code } : { wide: character }
}

function readItem(cursor: RegexCursor): Item {
  const from = cursor.at
  if (cursor.sees('[.') || cursor.sees('[=')) {
    const close = cursor.source.indexOf(`${cursor.source[from + 1]}]`, from + 2)
    if (close > 0)
      throw cursor.unsupported(
        from,
        'collating element',
        cursor.source.slice(from, close + 2),
        'list the bytes',
      )
  }
  const posix = cursor.take(/\[:(\^?)([A-Za-z]*):\]/y)
  if (posix !== undefined) {
    const member = POSIX[posix[2] ?? '']
    if (member === undefined)
      throw cursor.error(
        from,
        `the class name "${posix[0]}" @ is unknown; known: ${Object.keys(POSIX).join(' ')}`,
      )
    const set = setOf(Array.from({ length: 256 }, (_, value) => value).filter(member))
    return { set: posix[1] === '^' ? setComplement(set) : set }
  }
  if (cursor.peek() !== '\\') return characterItem(cursor)
  const meaning = readEscape(cursor, true)
  if (meaning.kind === 'set') return { set: meaning.set }
  if (meaning.kind === 'byte') return { byte: meaning.value }
  if (meaning.kind === 'character') {
    const code = meaning.character.codePointAt(0) ?? 0
    return code < 0x80 ? { byte: code } : { wide: meaning.character }
  }
  throw cursor.error(from, 'the escape @ has no meaning in a class')
}

/** The end of a range whose start was `first`; the cursor stands behind the `-`. */
function readRange(cursor: RegexCursor, from: number, first: Item): ByteSet {
  const last = readItem(cursor)
  const text = cursor.source.slice(from, cursor.at)
  if ('wide' in first || 'wide' in last)
    throw cursor.unsupported(from, 'a range beyond ASCII', text, 'a class is over single bytes: use \\xHH')
  if (!('byte' in first) || !('byte' in last))
    throw cursor.error(from, `the range "${text}" @ must end in a character; write "\\-" for a hyphen`)
  if (first.byte > last.byte) throw cursor.error(from, `the range "${text}" @ runs backwards`)
  return setOfRange(first.byte, last.byte)
}
