/**
 * The expressions that are looked for on behalf of the patterns. The main thread compiles them, each worker derives
 * the same list again to know what a hit means, so nothing but the patterns travels.
 */
import type { CompiledPattern } from '../scan/compiled-scan.js'
import { type Anchor, anchorsOf } from './anchors.js'
import { hasAssertions, lengthsOf, positionsOf } from './measure.js'
import type { PatternNode } from './node.js'
import { relax } from './relax.js'
import { concatOf, dropAssertions, trimHead, trimTail } from './trim.js'

/** Longest piece of a fixed-length pattern that is looked for; the rest is compared afterwards. */
const MAX_PIECE_BYTES = 256
/** More branches than this are one expression. */
const MAX_BRANCHES = 64
/** Larger automata are looked for without their counts. */
const MAX_POSITIONS = 1000
/** With so many expressions, no more patterns that take several. */
const MANY_ANCHORS = 20_000

/**
 * One thing to look for.
 * `exact`: a hit ending at e is a match of `length` bytes that starts at e − length.
 * `prefix`: a match may start at e − length, its end must be found.
 * `ends`: a match may start wherever `head` leads from there to e.
 */
export type Expression =
  | { readonly kind: 'exact'; readonly pattern: number; readonly node: PatternNode; readonly length: number }
  | { readonly kind: 'prefix'; readonly pattern: number; readonly node: PatternNode; readonly length: number }
  | {
      readonly kind: 'ends'
      readonly pattern: number
      readonly node: PatternNode
      readonly head: PatternNode
    }

/** Which matcher looks for what. */
export interface Division {
  /** For Vectorscan: rows of bytes. */
  readonly anchors: readonly Expression[]
  /** Patterns without such rows, ascending: for the embedded matcher. */
  readonly rest: readonly number[]
}

/** Divides the patterns between Vectorscan and the embedded matcher. */
export function divide(patterns: readonly CompiledPattern[]): Division {
  const anchors: Expression[] = []
  const rest: number[] = []
  for (const [index, pattern] of patterns.entries()) {
    const found = anchorsOf(pattern.node)
    if (found === undefined || (found.length > 1 && anchors.length > MANY_ANCHORS)) rest.push(index)
    else anchors.push(...anchorExpressions(pattern, index, found))
  }
  return { anchors, rest }
}

function anchorExpressions(
  pattern: CompiledPattern,
  index: number,
  anchors: readonly Anchor[],
): readonly Expression[] {
  const fixed = anchors.every(({ head }) => isFixed(head))
  const exact = fixed && anchors.every(({ whole }) => whole) && !hasAssertions(pattern.node)
  // one kind for all: they are confirmed together
  const kind = exact ? 'exact' : 'prefix'
  return anchors.map(({ node, head }) =>
    fixed
      ? { kind, pattern: index, node, length: lengthsOf(head).max }
      : { kind: 'ends', pattern: index, node, head },
  )
}

/** What the embedded matcher looks for on behalf of the patterns with these indices, in their order. */
export function expressionsOf(
  patterns: readonly CompiledPattern[],
  indices: readonly number[],
): Expression[] {
  return indices.flatMap(index => expressionsOfPattern(patterns[index] as CompiledPattern, index))
}

function expressionsOfPattern(pattern: CompiledPattern, index: number): Expression[] {
  const branches = branchesOf(pattern.node)
  if (!hasAssertions(pattern.node) && branches.length <= MAX_BRANCHES && branches.every(isFixed)) {
    const kind = branches.every(branch => lengthsOf(branch).max <= MAX_PIECE_BYTES) ? 'exact' : 'prefix'
    return branches.map(branch => {
      const node = kind === 'exact' ? branch : takePrefix(branch)
      return { kind, pattern: index, node, length: lengthsOf(node).max }
    })
  }
  const head = startsOnly(pattern.node)
  const { min, max } = lengthsOf(head)
  if (min === max && max <= MAX_PIECE_BYTES)
    return [{ kind: 'prefix', pattern: index, node: head, length: max }]
  const searched = positionsOf(head) > MAX_POSITIONS ? relax(head) : head
  return [{ kind: 'ends', pattern: index, node: trimHead(searched), head }]
}

/** The same without long counts, one for each pattern: more hits, but automata that stay small. All are `ends`. */
export function relaxedExpressionsOf(
  patterns: readonly CompiledPattern[],
  indices: readonly number[],
): Expression[] {
  return indices.map(index => {
    const head = startsOnly((patterns[index] as CompiledPattern).node)
    return { kind: 'ends', pattern: index, node: trimHead(relax(head)), head }
  })
}

/** What is left of a pattern when only its starts matter and a superset of them will do. */
function startsOnly(node: PatternNode): PatternNode {
  return trimTail(dropAssertions(node))
}

function branchesOf(node: PatternNode): readonly PatternNode[] {
  return node.kind === 'alternate' ? node.items.flatMap(branchesOf) : [node]
}

function isFixed(node: PatternNode): boolean {
  const { min, max } = lengthsOf(node)
  return min === max
}

/** The first bytes of a fixed-length pattern. */
function takePrefix(node: PatternNode): PatternNode {
  const items: PatternNode[] = []
  let left = MAX_PIECE_BYTES
  for (const item of node.kind === 'concat' ? node.items : [node]) {
    const { max } = lengthsOf(item)
    if (max > left) {
      if (item.kind === 'literal') items.push({ kind: 'literal', bytes: item.bytes.slice(0, left) })
      const times = item.kind === 'repeat' ? Math.floor(left / lengthsOf(item.item).max) : 0
      if (item.kind === 'repeat' && times > 0)
        items.push({ kind: 'repeat', item: item.item, min: times, max: times })
      break
    }
    items.push(item)
    left -= max
  }
  return items.length === 0 ? node : concatOf(items)
}
