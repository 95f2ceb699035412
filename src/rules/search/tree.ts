/**
 * A YARA string as libyara sees it: the shapes of its own syntax tree, because what it calls an atom, where a match is split
 * into a part before and a part behind, and so which length it tells, follow from them (libyara 4.2: re_grammar.y, hex_grammar.y).
 */
import { isLetter, setHas, setMembers, setOf } from '../../patterns/byte-set.js'
import type { ByteSet } from '../../patterns/node.js'
import type { HexNode, RegexNode } from '../ast.js'
import { nearestStart } from './last-links.js'

/** What libyara calls an unbounded count. */
export const MOST_REPEATS = 32767
/** A jump that may be longer than this cuts a string into links of a chain. */
const LONGEST_JUMP = 200
const NEWLINE = 0x0a

export type TreeAssertion = 'start' | 'end' | 'word-boundary' | 'not-word-boundary'

/** A node; `forward` and `backward` are set when its code is made: where matching from this node on, or back from it, begins. */
export type TreeNode = TreeBody & { forward: number; backward: number }

export type TreeBody =
  /** A byte that can be part of an atom: `value` under `mask` (0xff, 0xf0, 0x0f or 0). */
  | {
      readonly kind: 'byte'
      readonly set: ByteSet
      readonly value: number
      readonly mask: number
      /** A letter in both cases; `value` is the one that is written. */
      readonly caseless: boolean
    }
  /** Any other set of bytes. */
  | { readonly kind: 'class'; readonly set: ByteSet }
  | { readonly kind: 'concat'; readonly items: TreeNode[] }
  | { readonly kind: 'either'; readonly left: TreeNode; readonly right: TreeNode }
  | { readonly kind: 'star'; readonly item: TreeNode; readonly greedy: boolean }
  | { readonly kind: 'plus'; readonly item: TreeNode; readonly greedy: boolean }
  | {
      readonly kind: 'range'
      readonly item: TreeNode
      readonly min: number
      readonly max: number
      readonly greedy: boolean
    }
  /** A count of any bytes: of `set`, which leaves out the newline unless `.` matches it. */
  | {
      readonly kind: 'jump'
      readonly set: ByteSet
      readonly min: number
      readonly max: number
      readonly greedy: boolean
    }
  | { readonly kind: 'assert'; readonly assertion: TreeAssertion }
  | { readonly kind: 'empty' }

/** A string, or a link of its chain. */
export interface TreeLink {
  readonly root: TreeNode
  /** What may lie between the link before and this one. */
  readonly gapMin: number
  readonly gapMax: number
}

export interface Tree {
  readonly links: readonly TreeLink[]
  /** Some quantifier is greedy: then all are. */
  readonly greedy: boolean
  /** A hex string without alternatives: libyara takes the shortest way through its jumps, not the first one that it tries. */
  readonly shortest: boolean
}

/** The tree of a hex string. */
export function hexTree(pattern: HexNode): Tree {
  return {
    links: linksOf(rootOf(fromHex(pattern))),
    greedy: false,
    shortest: !hasAlternatives(pattern),
  }
}

/** The tree of a regular expression. */
export function regexTree(pattern: RegexNode): Tree {
  return { links: linksOf(rootOf(fromRegex(pattern))), greedy: isGreedy(pattern), shortest: false }
}

/** A node without code. */
export function treeNode(body: TreeBody): TreeNode {
  return { ...body, forward: -1, backward: -1 }
}

function rootOf(node: TreeNode): TreeNode {
  return node.kind === 'concat' ? node : treeNode({ kind: 'concat', items: [node] })
}

function fromHex(node: HexNode): TreeNode {
  switch (node.kind) {
    case 'byte':
      return hexByte(node)
    case 'jump':
      return treeNode({
        kind: 'jump',
        set: maskedSet(0, 0),
        min: node.min,
        max: node.max ?? 2 ** 31 - 1,
        greedy: false,
      })
    case 'concat':
      return treeNode({ kind: 'concat', items: node.items.map(fromHex) })
    case 'alternatives':
      return eitherOf(node.items.map(fromHex))
  }
}

function hexByte({ value, mask, negated }: { value: number; mask: number; negated: boolean }): TreeNode {
  if (!negated) return treeNode({ kind: 'byte', set: maskedSet(value, mask), value, mask, caseless: false })
  const others = Array.from({ length: 256 }, (_, byte) => byte).filter(byte => (byte & mask) !== value)
  return treeNode({ kind: 'class', set: setOf(others) })
}

const MASKED = new Map<number, ByteSet>()

/** Bytes b with (b & mask) == value; the same set each time. */
export function maskedSet(value: number, mask: number): ByteSet {
  const key = value * 256 + mask
  let set = MASKED.get(key)
  if (set === undefined) {
    const members: number[] = []
    for (let byte = 0; byte < 256; byte++) if ((byte & mask) === value) members.push(byte)
    set = setOf(members)
    MASKED.set(key, set)
  }
  return set
}

function fromRegex(node: RegexNode): TreeNode {
  switch (node.kind) {
    case 'empty':
      return treeNode({ kind: 'empty' })
    case 'set':
      // libyara takes no atom from a class, be it of one byte
      return node.isClass ? treeNode({ kind: 'class', set: node.set }) : regexSet(node)
    case 'concat':
      return treeNode(
        node.items.length === 0 ? { kind: 'empty' } : { kind: 'concat', items: node.items.map(fromRegex) },
      )
    case 'alternatives':
      return eitherOf(node.items.map(fromRegex))
    case 'repeat':
      return regexRepeat(node)
    case 'assert':
      return treeNode({ kind: 'assert', assertion: node.assertion })
  }
}

function regexSet({ set, written }: Extract<RegexNode, { kind: 'set' }>): TreeNode {
  const members = setMembers(set)
  const [a = 0, b = 0] = members
  if (members.length === 1) return treeNode({ kind: 'byte', set, value: a, mask: 0xff, caseless: false })
  if (members.length === 2 && b - a === 0x20 && isLetter(a) && isLetter(b))
    return treeNode({ kind: 'byte', set, value: written ?? b, mask: 0xff, caseless: true })
  if (isDot(set)) return treeNode({ kind: 'byte', set, value: 0, mask: 0, caseless: false })
  return treeNode({ kind: 'class', set })
}

/** Any byte, or any but a newline. */
function isDot(set: ByteSet): boolean {
  const { length } = setMembers(set)
  return length === 256 || (length === 255 && !setHas(set, NEWLINE))
}

function regexRepeat(node: Extract<RegexNode, { kind: 'repeat' }>): TreeNode {
  const { item, min, max, greedy } = node
  if (max === undefined && min <= 1)
    return treeNode({ kind: min === 0 ? 'star' : 'plus', item: fromRegex(item), greedy })
  const most = max ?? MOST_REPEATS
  if (item.kind === 'set' && !item.isClass && isDot(item.set))
    return treeNode({ kind: 'jump', set: item.set, min, max: most, greedy })
  return treeNode({ kind: 'range', item: fromRegex(item), min, max: most, greedy })
}

/** Alternatives are pairs, the first two innermost. */
function eitherOf(items: readonly TreeNode[]): TreeNode {
  return items.reduce((left, right) => treeNode({ kind: 'either', left, right }))
}

function hasAlternatives(node: HexNode): boolean {
  if (node.kind === 'alternatives') return node.items.length > 1 || node.items.some(hasAlternatives)
  return node.kind === 'concat' && node.items.some(hasAlternatives)
}

function isGreedy(node: RegexNode): boolean {
  switch (node.kind) {
    case 'concat':
    case 'alternatives':
      return node.items.some(isGreedy)
    case 'repeat':
      return node.greedy || isGreedy(node.item)
    default:
      return false
  }
}

/** Cuts a concatenation at its long lazy jumps. */
function linksOf(root: TreeNode): TreeLink[] {
  if (root.kind !== 'concat') return [{ root, gapMin: 0, gapMax: 0 }]
  const links: TreeLink[] = []
  let gapMin = 0
  let gapMax = 0
  let items: TreeNode[] = []
  for (const [at, item] of root.items.entries()) {
    const cuts =
      item.kind === 'jump' &&
      !item.greedy &&
      item.max > LONGEST_JUMP &&
      items.length > 0 &&
      at + 1 < root.items.length
    if (!cuts) {
      items.push(item)
      continue
    }
    links.push({ root: treeNode({ kind: 'concat', items }), gapMin, gapMax })
    gapMin = item.min
    gapMax = item.max
    items = []
  }
  if (links.length > 0) items = nearestStart(items)
  links.push({ root: treeNode({ kind: 'concat', items }), gapMin, gapMax })
  return links
}
