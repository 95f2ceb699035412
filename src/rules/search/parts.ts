/** From a YARA string to what is searched on its behalf: parts, each a handful of fixed rows of bytes, or code to be run at an atom. */
import { setMembers } from '../../patterns/byte-set.js'
import type { HexNode, RuleString, TextPattern } from '../ast.js'
import { base64Forms } from './base64.js'
import { hexTree, regexTree, type Tree, type TreeNode } from './tree.js'

/** Bytes b with (b & mask) == value; a letter in both cases has the mask 0xdf. */
export interface Variant {
  readonly values: Uint8Array
  readonly masks: Uint8Array
  /** Every other byte is a zero that stands for nothing: words are told by characters. */
  readonly wide: boolean
}

interface PartFields {
  /** `RuleString.id`. */
  readonly string: number
  /** Which link of the string's chain; 0 for strings without one. */
  readonly link: number
  /** Some link follows. */
  readonly chained: boolean
  readonly gapMin: number
  readonly gapMax: number
  readonly fullword: boolean
}

export type Part = PartFields &
  (
    | { readonly kind: 'fixed'; readonly variants: readonly Variant[] }
    | {
        readonly kind: 'code'
        readonly root: TreeNode
        readonly ascii: boolean
        readonly wide: boolean
        readonly greedy: boolean
        readonly shortest: boolean
      }
  )

/** The parts of a string, in the order of its links. */
export function partsOf(string: RuleString): Part[] {
  const { id, pattern } = string
  if (pattern.kind === 'text') return [fixedPart(id, pattern.fullword, variantsOf(pattern))]
  const hex = pattern.kind === 'hex'
  const row = hex ? hexRow(pattern.node) : undefined
  if (row !== undefined) return [fixedPart(id, false, [row])]
  const tree = hex ? hexTree(pattern.node) : regexTree(pattern.regex.node)
  const width = hex ? { ascii: true, wide: false, fullword: false } : pattern
  return tree.links.map((_, link) => partOf(id, tree, link, width))
}

function fixedPart(string: number, fullword: boolean, variants: readonly Variant[]): Part {
  return { kind: 'fixed', string, link: 0, chained: false, gapMin: 0, gapMax: 0, fullword, variants }
}

/** The bytes of a hex string that is nothing but bytes: as `fixedRow` tells, without a tree. */
function hexRow(node: HexNode): Variant | undefined {
  const items = node.kind === 'concat' ? node.items : [node]
  const values = new Uint8Array(items.length)
  const masks = new Uint8Array(items.length)
  let known = 0
  for (const [at, item] of items.entries()) {
    if (item.kind !== 'byte' || item.negated) return undefined
    values[at] = item.value
    masks[at] = item.mask
    known |= item.mask
  }
  return known === 0 ? undefined : { values, masks, wide: false }
}

function partOf(
  string: number,
  tree: Tree,
  link: number,
  { ascii, wide, fullword }: { readonly ascii: boolean; readonly wide: boolean; readonly fullword: boolean },
): Part {
  const { root, gapMin, gapMax } = tree.links[link] as Tree['links'][number]
  const fields = { string, link, chained: link + 1 < tree.links.length, gapMin, gapMax, fullword }
  const row = fixedRow(root)
  if (row !== undefined) {
    const variants = [...(ascii ? [row] : []), ...(wide ? [widened(row)] : [])]
    return { ...fields, kind: 'fixed', variants }
  }
  return { ...fields, kind: 'code', root, ascii, wide, greedy: tree.greedy, shortest: tree.shortest }
}

/** The bytes of a part that is nothing but bytes under masks. */
function fixedRow(root: TreeNode): Variant | undefined {
  if (root.kind !== 'concat' || root.items.length === 0) return undefined
  const values: number[] = []
  const masks: number[] = []
  let known = false
  for (const item of root.items) {
    if (item.kind !== 'byte' || (item.mask === 0 && setMembers(item.set).length < 256)) return undefined
    known ||= item.mask !== 0
    const mask = item.caseless ? 0xdf : item.mask
    values.push(item.value & mask)
    masks.push(mask)
  }
  return known ? { values: Uint8Array.from(values), masks: Uint8Array.from(masks), wide: false } : undefined
}

/** In the order in which libyara tries them at one place. */
function variantsOf(pattern: TextPattern): Variant[] {
  const { bytes, ascii, wide, nocase, xor, base64 } = pattern
  if (base64 !== undefined) return base64Variants(pattern, base64)
  const plain = variantOf(bytes, nocase)
  const rows = [...(ascii ? [plain] : []), ...(wide ? [widened(plain)] : [])]
  if (xor === undefined) return rows
  const keys = Array.from({ length: xor.max - xor.min + 1 }, (_, index) => xor.min + index)
  return rows.flatMap(row => keys.map(key => ({ ...row, values: row.values.map(byte => byte ^ key) })))
}

function base64Variants(
  { bytes, ascii, wide }: TextPattern,
  { alphabet, plain, wide: encodedWide }: NonNullable<TextPattern['base64']>,
): Variant[] {
  const texts = [...(wide ? [widened(variantOf(bytes, false)).values] : []), ...(ascii ? [bytes] : [])]
  return texts.flatMap(text => {
    const forms = base64Forms(text, alphabet)
      .filter(({ length }) => length > 0)
      .map(form => variantOf(form, false))
    return [...(plain ? forms : []), ...(encodedWide ? forms.map(widened) : [])].map(form => ({
      ...form,
      wide: false,
    }))
  })
}

function variantOf(bytes: Uint8Array, nocase: boolean): Variant {
  const masks = new Uint8Array(bytes.length).fill(0xff)
  const values = Uint8Array.from(bytes)
  if (nocase)
    for (const [at, byte] of bytes.entries()) {
      const letter = byte & 0xdf
      if (letter < 0x41 || letter > 0x5a) continue
      masks[at] = 0xdf
      values[at] = letter
    }
  return { values, masks, wide: false }
}

function widened({ values, masks }: Variant): Variant {
  const wideValues = new Uint8Array(values.length * 2)
  const wideMasks = new Uint8Array(values.length * 2).fill(0xff)
  for (const [at, value] of values.entries()) {
    wideValues[at * 2] = value
    wideMasks[at * 2] = masks[at] ?? 0xff
  }
  return { values: wideValues, masks: wideMasks, wide: true }
}
