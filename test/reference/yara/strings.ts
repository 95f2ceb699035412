/** Every match of a string in some bytes, found byte by byte: what the fast path has to find too. */

import type { HexNode, RegexNode, RuleString, StringPattern, TextPattern } from '../../../src/rules/ast.js'
import { CHAINING_THRESHOLD } from '../../../src/rules/strings.js'
import { hexProgram, matchAt, type Program, regexProgram } from './regex.js'

export interface FoundString {
  readonly offset: number
  readonly length: number
}

/** The matches by offset; offsets begin at 0, whatever the bytes stand for. */
export function findString(
  { pattern, fixedOffset }: Pick<RuleString, 'pattern' | 'fixedOffset'>,
  data: Uint8Array,
): FoundString[] {
  const found = isChained(pattern) ? findChained(pattern, data) : findPlain(pattern, data)
  return fixedOffset === undefined ? found : found.filter(({ offset }) => BigInt(offset) === fixedOffset)
}

function findPlain(pattern: StringPattern, data: Uint8Array): FoundString[] {
  const lengthAt = measure(pattern)
  const found: FoundString[] = []
  for (let offset = 0; offset < data.length; offset++) {
    const length = lengthAt(data, offset)
    if (length !== undefined) found.push({ offset, length })
  }
  return found
}

type Measure = (data: Uint8Array, offset: number) => number | undefined

function measure(pattern: StringPattern): Measure {
  switch (pattern.kind) {
    case 'text':
      return pattern.base64 === undefined ? measureText(pattern) : measureBase64(pattern)
    case 'hex': {
      const program = hexProgram(pattern.node)
      return (data, offset) => matchAt(program, data, offset, false)
    }
    case 'regex':
      return measureRegex(regexProgram(pattern.regex.node), pattern)
  }
}

interface Widths {
  readonly ascii: boolean
  readonly wide: boolean
  readonly fullword: boolean
}

function measureRegex(program: Program, { ascii, wide, fullword }: Widths): Measure {
  return (data, offset) => {
    for (const width of [ascii && 1, wide && 2]) {
      if (width === false) continue
      const length = matchAt(program, data, offset, width === 2)
      if (length === undefined) continue
      // Where the expression matches bytes, YARA does not look for the wide form any more.
      if (length === 0 || (fullword && !isFullword(data, offset, length, width === 2))) return undefined
      return length
    }
    return undefined
  }
}

function isAlphanumeric(byte: number | undefined): boolean {
  return byte !== undefined && /[0-9A-Za-z]/.test(String.fromCharCode(byte))
}

function isFullword(data: Uint8Array, offset: number, length: number, wide: boolean): boolean {
  const end = offset + length
  if (!wide) return !isAlphanumeric(data[offset - 1]) && !isAlphanumeric(data[end])
  if (offset >= 2 && data[offset - 1] === 0 && isAlphanumeric(data[offset - 2])) return false
  return !(end + 1 < data.length && data[end + 1] === 0 && isAlphanumeric(data[end]))
}

const lower = (byte: number) => (byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte)

function measureText({ bytes, nocase, fullword, ascii, wide, xor }: TextPattern): Measure {
  const forms = [
    ...(ascii ? [{ form: [...bytes], isWide: false }] : []),
    ...(wide ? [{ form: [...bytes].flatMap(byte => [byte, 0]), isWide: true }] : []),
  ]
  return (data, offset) => {
    for (const { form, isWide } of forms) {
      const key = xor === undefined ? 0 : (data[offset] ?? 0) ^ (form[0] ?? 0)
      if (xor !== undefined && (key < xor.min || key > xor.max)) continue
      const equal = form.every((byte, i) => {
        const found = data[offset + i]
        if (found === undefined) return false
        return nocase ? lower(found) === lower(byte) : found === (byte ^ key)
      })
      if (equal && (!fullword || isFullword(data, offset, form.length, isWide))) return form.length
      // A long text that is no word of its own is not looked for in its other form.
      if (equal && bytes.length > 2) return undefined
    }
    return undefined
  }
}

/** The encodings of a text at each of the three places in a group, without the characters that depend on its neighbours. */
export function base64Forms({ bytes, ascii, wide, base64 }: TextPattern): Uint8Array[] {
  if (base64 === undefined) return []
  const plain = [...bytes]
  const texts = [...(wide ? [plain.flatMap(byte => [byte, 0])] : []), ...(ascii ? [plain] : [])]
  return texts
    .flatMap(text => [
      ...(base64.plain ? encodings(text, base64.alphabet) : []),
      ...(base64.wide ? encodings(text, base64.alphabet).map(form => form.flatMap(byte => [byte, 0])) : []),
    ])
    .map(form => Uint8Array.from(form))
}

function encodings(text: readonly number[], alphabet: string): number[][] {
  const standard = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  return [0, 1, 2].flatMap(lead => {
    if (lead === 1 && text.length === 1) return []
    const encoded = Buffer.from([...Array.from({ length: lead }, () => 0), ...text]).toString('base64')
    const padding = /=*$/.exec(encoded)?.[0].length ?? 0
    const kept = encoded.slice(lead === 0 ? 0 : lead + 1, encoded.length - (padding === 0 ? 0 : padding + 1))
    return [[...kept].map(char => alphabet.charCodeAt(standard.indexOf(char)))]
  })
}

function measureBase64(pattern: TextPattern): Measure {
  const forms = base64Forms(pattern)
  return (data, offset) =>
    forms.find(form => form.length > 0 && form.every((byte, i) => data[offset + i] === byte))?.length
}

/** Long jumps divide a string into parts that are found for themselves: YARA's string chaining. */
interface Part {
  readonly measure: Measure
  /** Bytes between the end of the part before and this one. */
  readonly min: number
  readonly max: number
}

const INT_MAX = 0x7fff_ffff

function isChained(pattern: StringPattern): boolean {
  return partsOf(pattern).length > 1
}

function partsOf(pattern: StringPattern): Part[] {
  if (pattern.kind === 'hex' && pattern.node.kind === 'concat')
    return divide(
      pattern.node.items,
      item => (item.kind === 'jump' ? item : undefined),
      (items: HexNode[]) => {
        const program = hexProgram({ kind: 'concat', items })
        return (data, offset) => matchAt(program, data, offset, false)
      },
    )
  if (pattern.kind === 'regex' && pattern.regex.node.kind === 'concat')
    return divide(
      pattern.regex.node.items,
      item =>
        item.kind === 'repeat' && !item.greedy && item.max !== undefined && isDot(item.item)
          ? { min: item.min, max: item.max }
          : undefined,
      (items: RegexNode[]) => measureRegex(regexProgram({ kind: 'concat', items }), pattern),
    )
  return []
}

function isDot(node: RegexNode): boolean {
  if (node.kind !== 'set') return false
  const count = node.set.reduce((sum, word) => sum + word.toString(2).replace(/[^1]/g, '').length, 0)
  return node.set.every((word, i) => (i === 0 ? (word | 0x400) === -1 : word === -1)) && count >= 0
}

function divide<Item>(
  items: readonly Item[],
  jumpOf: (item: Item) => { readonly min: number; readonly max: number | undefined } | undefined,
  measureItems: (items: Item[]) => Measure,
): Part[] {
  const parts: Part[] = []
  let from = 0
  let gap = { min: 0, max: 0 }
  items.forEach((item, index) => {
    const jump = jumpOf(item)
    if (jump === undefined || index === 0 || index === items.length - 1) return
    if (jump.min <= CHAINING_THRESHOLD && (jump.max ?? INT_MAX) <= CHAINING_THRESHOLD) return
    parts.push({ measure: measureItems(items.slice(from, index)), ...gap })
    gap = { min: jump.min, max: jump.max ?? INT_MAX }
    from = index + 1
  })
  parts.push({ measure: measureItems(items.slice(from)), ...gap })
  return parts
}

function findChained(pattern: StringPattern, data: Uint8Array): FoundString[] {
  const parts = partsOf(pattern)
  const [heads = [], ...rest] = parts.map(part => findAll(part.measure, data))
  return heads.flatMap(head => {
    // Ends that can be reached with the parts so far.
    let ends = [head.offset + head.length]
    let last: FoundString | undefined
    for (const [index, matches] of rest.entries()) {
      const { min, max } = parts[index + 1] as Part
      const next = matches.filter(({ offset }) =>
        ends.some(end => offset - end >= min && offset - end <= max),
      )
      ends = next.map(({ offset, length }) => offset + length)
      last = next[0]
    }
    return last === undefined
      ? []
      : [{ offset: head.offset, length: last.offset + last.length - head.offset }]
  })
}

function findAll(measureAt: Measure, data: Uint8Array): FoundString[] {
  const found: FoundString[] = []
  for (let offset = 0; offset < data.length; offset++) {
    const length = measureAt(data, offset)
    if (length !== undefined) found.push({ offset, length })
  }
  return found
}
