/** What can be told of a part without running it: how long its matches are, and a pattern that finds where they may start. */
import { setOf } from '../../patterns/byte-set.js'
import type { PatternNode } from '../../patterns/node.js'
import { concatOf } from '../../patterns/trim.js'
import { SCAN_LIMIT } from './fibers.js'
import type { Part } from './parts.js'
import type { TreeNode } from './tree.js'

/** Longest match of a part: a bound. */
export function longestOf(part: Part): number {
  if (part.kind === 'fixed')
    return part.variants.reduce((most, { values }) => Math.max(most, values.length), 0)
  const characters = Math.min(longest(part.root), 2 * SCAN_LIMIT)
  return Math.min(characters * (part.wide ? 2 : 1), 2 * SCAN_LIMIT)
}

function longest(node: TreeNode): number {
  switch (node.kind) {
    case 'byte':
    case 'class':
      return 1
    case 'concat':
      return node.items.reduce((sum, item) => sum + longest(item), 0)
    case 'either':
      return Math.max(longest(node.left), longest(node.right))
    case 'range':
      return times(longest(node.item), node.max)
    case 'star':
    case 'plus':
      return times(longest(node.item), Number.POSITIVE_INFINITY)
    case 'jump':
      return node.max
    default:
      return 0
  }
}

function times(length: number, count: number): number {
  return length === 0 || count === 0 ? 0 : length * count
}

/** A pattern that starts wherever a part without atoms may; undefined when nothing can match. */
export function startsOf(part: Part): PatternNode | undefined {
  if (part.kind !== 'code' || longest(part.root) === 0) return undefined
  const ways = [
    ...(part.ascii ? [patternOf(part.root, false)] : []),
    ...(part.wide ? [patternOf(part.root, true)] : []),
  ]
  return ways.length === 1 ? ways[0] : { kind: 'alternate', items: ways }
}

const ZERO = setOf([0])

function patternOf(node: TreeNode, wide: boolean): PatternNode {
  switch (node.kind) {
    case 'byte':
    case 'class':
      return wide
        ? concatOf([
            { kind: 'set', set: node.set },
            { kind: 'set', set: ZERO },
          ])
        : { kind: 'set', set: node.set }
    case 'concat':
      return concatOf(node.items.map(item => patternOf(item, wide)))
    case 'either':
      return { kind: 'alternate', items: [patternOf(node.left, wide), patternOf(node.right, wide)] }
    case 'star':
      return { kind: 'repeat', item: patternOf(node.item, wide), min: 0 }
    case 'plus':
      return { kind: 'repeat', item: patternOf(node.item, wide), min: 1 }
    case 'range':
      return { kind: 'repeat', item: patternOf(node.item, wide), min: node.min, max: node.max }
    case 'jump': {
      const item = patternOf({ kind: 'class', set: node.set, forward: -1, backward: -1 }, wide)
      return { kind: 'repeat', item, min: node.min, max: Math.min(node.max, SCAN_LIMIT) }
    }
    default:
      return concatOf([])
  }
}
