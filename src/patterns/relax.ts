/**
 * Counting is what makes automata large: `a.{0,100}b` has as many states as there are sets of the last hundred
 * positions. For finding candidates an uncounted superset will do.
 */
import { positionsOf } from './measure.js'
import type { PatternNode } from './node.js'

/** Repetitions that are still counted, ... */
const COUNTED = 8
/** ... unless what is left is larger than this: nested counts multiply. */
const MAX_POSITIONS = 300

/** A pattern that matches wherever `node` does, with no long counts in it. */
export function relax(node: PatternNode): PatternNode {
  const relaxed = relaxTo(node, COUNTED)
  return positionsOf(relaxed) <= MAX_POSITIONS ? relaxed : relaxTo(node, 1)
}

/** Counts no further than `counted`. */
function relaxTo(node: PatternNode, counted: number): PatternNode {
  switch (node.kind) {
    case 'literal':
    case 'set':
    case 'assert':
      return node
    case 'alternate':
      return { kind: 'alternate', items: node.items.map(item => relaxTo(item, counted)) }
    case 'repeat': {
      const item = relaxTo(node.item, counted)
      const min = Math.min(node.min, counted)
      if (node.max !== undefined && node.max <= counted) return { kind: 'repeat', item, min, max: node.max }
      return { kind: 'repeat', item, min }
    }
    case 'concat':
      return { kind: 'concat', items: relaxRow(node.items, counted) }
  }
}

/** Relaxes items; a long run of the same set is a count as well: `??` forty times. */
function relaxRow(items: readonly PatternNode[], counted: number): PatternNode[] {
  const relaxed: PatternNode[] = []
  for (let at = 0; at < items.length; ) {
    const item = items[at] as PatternNode
    let same = at + 1
    while (same < items.length && isSameSet(item, items[same] as PatternNode)) same++
    if (same - at > counted) relaxed.push({ kind: 'repeat', item, min: counted })
    else for (let i = at; i < same; i++) relaxed.push(relaxTo(items[i] as PatternNode, counted))
    at = same
  }
  return relaxed
}

function isSameSet(a: PatternNode, b: PatternNode): boolean {
  return a.kind === 'set' && b.kind === 'set' && a.set.every((word, i) => word === b.set[i])
}
