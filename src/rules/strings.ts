/** String definitions to patterns: modifiers, keys, alphabets, jumps are checked here. */

import type { HexNode, HexPattern, RegexPattern, StringPattern, TextPattern, Width } from './ast.js'
import { choicesOf, MAX_CHOICES } from './choices.js'
import { RuleFault } from './problem.js'
import { parseRuleRegex, quantifiersOf, RegexFault } from './regex.js'
import type { SourceText } from './source-text.js'
import type { SyntaxDigits, SyntaxHexNode, SyntaxModifier, SyntaxRegex, SyntaxString } from './syntax.js'

const BASE64_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
/** Longest text and longest hex string, in bytes. */
const MAX_STRING_BYTES = 1 << 16
/** Longest jump, as in YARA: a signed 32-bit number. */
const MAX_JUMP = 0x7fff_ffff
/** Jumps beyond this divide a string into parts (YARA's string chaining), and can't stand in alternatives. */
export const CHAINING_THRESHOLD = 200
const MAX_HEX_DEPTH = 200

const ALLOWED: Readonly<Record<StringPattern['kind'], readonly string[]>> = {
  text: ['nocase', 'wide', 'ascii', 'fullword', 'private', 'xor', 'base64', 'base64wide'],
  regex: ['nocase', 'wide', 'ascii', 'fullword', 'private'],
  hex: ['private'],
}
const KIND_NAMES = { text: 'a text', regex: 'a regular expression', hex: 'a hex string' }
/** Pairs that YARA refuses. */
const APART: readonly (readonly [string, string])[] = [
  ['xor', 'nocase'],
  ['base64', 'nocase'],
  ['base64wide', 'nocase'],
  ['base64', 'fullword'],
  ['base64wide', 'fullword'],
  ['base64', 'xor'],
  ['base64wide', 'xor'],
]

type Word = SyntaxModifier['word']
type Modifiers = ReadonlyMap<Word, SyntaxModifier>

/**
 * The pattern of a definition, and whether its matches are kept to itself.
 * @throws RuleFault
 */
export function stringPattern(
  source: SourceText,
  definition: SyntaxString,
): { readonly pattern: StringPattern; readonly isPrivate: boolean } {
  const modifiers = checkedModifiers(definition)
  const pattern = patternOf(source, definition, modifiers)
  const choices = choicesOf(pattern, CHAINING_THRESHOLD)
  if (choices > MAX_CHOICES)
    throw new RuleFault(
      definition.value,
      `${KIND_NAMES[definition.value.kind]} is too complex: ${choices} choices, at most ${MAX_CHOICES}`,
    )
  return { pattern, isPrivate: modifiers.has('private') }
}

function patternOf(source: SourceText, definition: SyntaxString, modifiers: Modifiers): StringPattern {
  const { value } = definition
  switch (value.kind) {
    case 'text':
      return textPattern(definition, value.value, modifiers)
    case 'regex':
      return regexPattern(source, value, modifiers)
    case 'hex':
      return hexPattern(value.node)
  }
}

const NO_MODIFIERS: Modifiers = new Map()

function checkedModifiers({ value, modifiers }: SyntaxString): Modifiers {
  if (modifiers.length === 0) return NO_MODIFIERS
  const found = new Map<Word, SyntaxModifier>()
  for (const modifier of modifiers) {
    const { word } = modifier
    if (!ALLOWED[value.kind].includes(word))
      throw new RuleFault(modifier, `"${word}" is no modifier of ${KIND_NAMES[value.kind]}`)
    if (found.has(word)) throw new RuleFault(modifier, `duplicated modifier "${word}"`)
    for (const [one, other] of APART)
      if ((one === word && found.has(other as Word)) || (other === word && found.has(one as Word)))
        throw new RuleFault(modifier, `invalid modifier combination: ${one} ${other}`)
    found.set(word, modifier)
  }
  return found
}

function widthOf(modifiers: Modifiers): Width {
  const wide = modifiers.has('wide')
  return { wide, ascii: modifiers.has('ascii') || !wide }
}

function textPattern(definition: SyntaxString, text: string, modifiers: Modifiers): TextPattern {
  if (text === '') throw new RuleFault(definition.value, `empty string "$${definition.identifier.name}"`)
  if (text.length > MAX_STRING_BYTES)
    throw new RuleFault(definition.value, `text is too long: at most ${MAX_STRING_BYTES} bytes`)
  const xor = keysOf(modifiers.get('xor'))
  const base64 = base64Of(modifiers)
  return {
    kind: 'text',
    bytes: bytesOf(text),
    nocase: modifiers.has('nocase'),
    fullword: modifiers.has('fullword'),
    ...widthOf(modifiers),
    ...(xor !== undefined && { xor }),
    ...(base64 !== undefined && { base64 }),
  }
}

/** The bytes of a text that is latin1, in memory of their own. */
function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at)
  return bytes
}

function keysOf(modifier: SyntaxModifier | undefined): TextPattern['xor'] {
  if (modifier?.word !== 'xor') return undefined
  if (modifier.keys === null) return { min: 0, max: 255 }
  const { min, max } = modifier.keys
  for (const key of [min, max])
    if (key.value > 255n) throw new RuleFault(key, `invalid xor range: a key is 0 to 255, not ${key.value}`)
  if (min.value > max.value) throw new RuleFault(min, 'xor lower bound exceeds upper bound')
  return { min: Number(min.value), max: Number(max.value) }
}

function base64Of(modifiers: Modifiers): TextPattern['base64'] {
  const both = [modifiers.get('base64'), modifiers.get('base64wide')]
  let alphabet: string | undefined
  for (const modifier of both) {
    if (modifier === undefined || (modifier.word !== 'base64' && modifier.word !== 'base64wide')) continue
    const own = modifier.alphabet ?? BASE64_ALPHABET
    if (own.length !== 64) throw new RuleFault(modifier, 'length of base64 alphabet must be 64')
    if (alphabet !== undefined && alphabet !== own)
      throw new RuleFault(modifier, 'can not specify multiple alphabets')
    alphabet = own
  }
  if (alphabet === undefined) return undefined
  return { alphabet, plain: both[0] !== undefined, wide: both[1] !== undefined }
}

function regexPattern(source: SourceText, syntax: SyntaxRegex, modifiers: Modifiers): RegexPattern {
  const regex = regexOf(source, syntax, modifiers.has('nocase'))
  const { greedy, lazy } = quantifiersOf(regex.node)
  if (greedy && lazy)
    throw new RuleFault(syntax, "greedy and ungreedy quantifiers can't be mixed in a regular expression")
  return { kind: 'regex', regex, fullword: modifiers.has('fullword'), ...widthOf(modifiers) }
}

/**
 * A regular expression of the source, parsed.
 * @throws RuleFault at the place within it.
 */
export function regexOf(
  source: SourceText,
  syntax: SyntaxRegex,
  ignoreCase = false,
): ReturnType<typeof parseRuleRegex> {
  try {
    return parseRuleRegex(syntax.source, {
      ignoreCase: ignoreCase || syntax.flags.includes('i'),
      dotAll: syntax.flags.includes('s'),
    })
  } catch (error) {
    if (!(error instanceof RegexFault)) throw error
    const start = indexInSource(source.text, syntax.start + 1, error.index)
    throw new RuleFault({ start, end: start + 1 }, `invalid regular expression: ${error.message}`)
  }
}

/** Where a character of a regular expression stands in the text, in which a slash is two. */
function indexInSource(text: string, start: number, index: number): number {
  let at = start
  for (let i = 0; i < index; i++) at += text[at] === '\\' && text[at + 1] === '/' ? 2 : 1
  return at
}

function hexPattern(syntax: SyntaxHexNode): HexPattern {
  const node = hexNode(syntax, 0)
  if (node.kind === 'concat' && node.items.length > MAX_STRING_BYTES)
    throw new RuleFault(syntax, `hex string is too long: at most ${MAX_STRING_BYTES} bytes`)
  return { kind: 'hex', node }
}

function hexNode(syntax: SyntaxHexNode, depth: number): HexNode {
  if (depth > MAX_HEX_DEPTH) throw new RuleFault(syntax, 'alternatives are nested too deep')
  switch (syntax.kind) {
    case 'bytes': {
      const items: HexNode[] = []
      addHexBytes(syntax, items)
      return items.length === 1 ? (items[0] as HexNode) : { kind: 'concat', items }
    }
    case 'jump':
      throw new RuleFault(syntax, "a jump can't be all there is between two brackets")
    case 'concat':
      return { kind: 'concat', items: hexItems(syntax.items, depth) }
    case 'alternatives':
      return { kind: 'alternatives', items: syntax.items.map(item => hexNode(item, depth + 1)) }
  }
}

function hexItems(items: readonly SyntaxHexNode[], depth: number): HexNode[] {
  const nodes: HexNode[] = []
  for (const [index, item] of items.entries()) {
    if (item.kind === 'bytes') addHexBytes(item, nodes)
    else if (item.kind !== 'jump') nodes.push(hexNode(item, depth))
    else if (index === 0) throw new RuleFault(item, "a hex string can't begin with a jump")
    else if (index === items.length - 1) throw new RuleFault(item, "a hex string can't end with a jump")
    else nodes.push(hexJump(item, depth > 0))
  }
  return nodes
}

const QUESTION_MARK = 0x3f
/** Each byte under each mask, made once: most of the hex strings are these. By the codes of its two digits, which are ASCII. */
const BYTE_NODES = new Array<HexNode | undefined>(1 << 14)

function addHexBytes(syntax: SyntaxHexNode & { readonly kind: 'bytes' }, nodes: HexNode[]): void {
  const { digits, negated } = syntax
  for (let at = 0; at < digits.length; at += 2) {
    const high = digits.charCodeAt(at)
    const low = digits.charCodeAt(at + 1)
    nodes.push(negated ? negatedNode(syntax, high, low) : plainNode(high, low))
  }
}

function plainNode(high: number, low: number): HexNode {
  const key = (high << 7) | low
  const known = BYTE_NODES[key]
  if (known !== undefined) return known
  const node = byteNode(high, low, false)
  BYTE_NODES[key] = node
  return node
}

function negatedNode(syntax: SyntaxHexNode, high: number, low: number): HexNode {
  const node = byteNode(high, low, true)
  if (node.mask === 0) throw new RuleFault(syntax, '"~??" matches nothing')
  return node
}

function byteNode(high: number, low: number, negated: boolean): HexNode & { readonly kind: 'byte' } {
  const mask = (high === QUESTION_MARK ? 0 : 0xf0) | (low === QUESTION_MARK ? 0 : 0x0f)
  return { kind: 'byte', value: ((nibble(high) << 4) | nibble(low)) & mask, mask, negated }
}

/** The value of a digit, of whatever else nothing that matters. */
function nibble(digit: number): number {
  return digit < 0x40 ? digit & 15 : (digit & 7) + 9
}

function hexJump(jump: SyntaxHexNode & { readonly kind: 'jump' }, inAlternatives: boolean): HexNode {
  const { from, dash, to } = jump
  const bound = (digits: SyntaxDigits | null) => {
    const value = digits === null ? undefined : Number(digits.text)
    if (value !== undefined && value > MAX_JUMP)
      throw new RuleFault(digits ?? jump, `jump is too long: at most ${MAX_JUMP}`)
    return value
  }
  const low = bound(from)
  const high = bound(to)
  // `[n]`, `[n-m]`, `[n-]`, `[-]`
  if ((!dash && (low === undefined || high !== undefined)) || (low === undefined && high !== undefined))
    throw new RuleFault(jump, 'a jump is written [4], [4-8], [4-] or [-]')
  const min = low ?? 0
  const max = dash ? high : min
  if (!dash && min === 0) throw new RuleFault(jump, 'invalid jump length')
  // libyara takes `[1]` for `??`, but not `[1-1]`
  if (!dash && min === 1) return plainNode(QUESTION_MARK, QUESTION_MARK)
  if (max !== undefined && max < min) throw new RuleFault(jump, 'invalid jump range')
  if (inAlternatives && (max === undefined || max > CHAINING_THRESHOLD))
    throw new RuleFault(
      jump,
      max === undefined
        ? 'unbounded jumps not allowed inside alternation (|)'
        : `jumps over ${CHAINING_THRESHOLD} not allowed inside alternation (|)`,
    )
  return { kind: 'jump', min, max }
}

/**
 * Whether YARA looks for a string as for fixed bytes: then it may drop what is not at the one offset the condition asks for.
 * Of a hex string that is divided at a long jump the part before it counts.
 */
export function isLiteral(pattern: StringPattern): boolean {
  switch (pattern.kind) {
    case 'text':
      return pattern.base64 === undefined
    case 'regex':
      return pattern.regex.literal !== undefined
    case 'hex': {
      const items = pattern.node.kind === 'concat' ? pattern.node.items : [pattern.node]
      const long = items.findIndex(
        item => item.kind === 'jump' && (item.max === undefined || item.max > CHAINING_THRESHOLD),
      )
      return (long < 0 ? items : items.slice(0, long)).every(
        item => item.kind === 'byte' && item.mask === 0xff && !item.negated,
      )
    }
  }
}
