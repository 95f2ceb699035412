/**
 * The expressions that are looked for on behalf of the patterns. The main thread compiles them, each worker derives
 * the same list again to know what a hit means, so nothing but the patterns travels.
 */
import type { CompiledPattern } from '../scan/compiled-scan.js'
import { hasAssertions, lengthsOf, positionsOf } from './measure.js'
import type { PatternNode } from './node.js'
import { relax } from './relax.js'
import { concatOf, dropAssertions, dropWideHead, dropWideTail, trimHead, trimTail } from './trim.js'

/** Longest piece of a fixed-length pattern that is looked for; the rest is compared afterwards. */
const MAX_PIECE_BYTES = 256
/** More branches than this are one expression. */
const MAX_BRANCHES = 64
/** Larger automata are not given to the matcher: compiling them takes long, or is refused. */
const MAX_POSITIONS = 1000

/**
 * One thing to look for.
 * `exact`: a hit ending at e is a match of `length` bytes that starts at e − length.
 * `prefix`: a match may start at e − length, its end must be found.
 * `ends`: e is an end of what `relax(startsOnly(...))` left of the pattern; starts must be found backwards.
 */
export type Expression =
  | { readonly kind: 'exact'; readonly pattern: number; readonly node: PatternNode; readonly length: number }
  | { readonly kind: 'prefix'; readonly pattern: number; readonly node: PatternNode; readonly length: number }
  | { readonly kind: 'ends'; readonly pattern: number; readonly node: PatternNode }

/** The expressions of all patterns, in order of the patterns. */
export function expressionsOf(patterns: readonly CompiledPattern[]): Expression[] {
  return patterns.flatMap((pattern, index) => expressionsOfPattern(pattern, index))
}

function expressionsOfPattern(pattern: CompiledPattern, index: number): Expression[] {
  const branches = branchesOf(pattern.node)
  if (!hasAssertions(pattern.node) && branches.length <= MAX_BRANCHES && branches.every(isFixed)) {
    if (branches.every(branch => lengthsOf(branch).max <= MAX_PIECE_BYTES)) {
      const pieces = branches.map(branch => {
        const prefix = dropWideTail(branch)
        return { node: dropWideHead(prefix), length: lengthsOf(prefix).max, whole: lengthsOf(branch).max }
      })
      // one kind for all branches: they are confirmed together
      const kind = pieces.every(({ node, whole }) => lengthsOf(node).max === whole) ? 'exact' : 'prefix'
      return pieces.map(({ node, length }) => ({ kind, pattern: index, node, length }))
    }
    return branches.map(branch => {
      const node = takePrefix(branch)
      return { kind: 'prefix', pattern: index, node, length: lengthsOf(node).max }
    })
  }
  const starts = startsOnly(pattern.node)
  const { min, max } = lengthsOf(starts)
  if (min === max && max <= MAX_PIECE_BYTES)
    return [{ kind: 'prefix', pattern: index, node: dropWideHead(starts), length: max }]
  const searched = positionsOf(starts) > MAX_POSITIONS ? relax(starts) : starts
  return [{ kind: 'ends', pattern: index, node: dropWideHead(trimHead(searched)) }]
}

/**
 * All that hits may be told by: the expressions of the patterns, and behind them one for each pattern without long
 * counts, for when a matcher can't do with the former. Of a pattern either the former or the latter are looked for.
 */
export function allExpressionsOf(patterns: readonly CompiledPattern[]): Expression[] {
  return expressionsOf(patterns).concat(relaxedExpressionsOf(patterns))
}

/** The same without long counts, one for each pattern: more hits, but automata that stay small. All are `ends`. */
export function relaxedExpressionsOf(patterns: readonly CompiledPattern[]): Expression[] {
  return patterns.map(({ node }, pattern) => ({
    kind: 'ends',
    pattern,
    node: dropWideHead(trimHead(relax(startsOnly(node)))),
  }))
}

/** What is left of a pattern when only its starts matter and a superset of them will do. */
export function startsOnly(node: PatternNode): PatternNode {
  return dropWideTail(trimTail(dropAssertions(node)))
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
