/**
 * Counting is what makes automata large: `a.{0,100}b` has as many states as there are sets of the last hundred
 * positions. For finding candidates an uncounted superset will do.
 */
import type { PatternNode } from './node.js'

/** Repetitions that are still counted. */
const COUNTED = 8

/** A pattern that matches wherever `node` does, with no long counts in it. */
export function relax(node: PatternNode): PatternNode {
  switch (node.kind) {
    case 'literal':
    case 'set':
    case 'assert':
      return node
    case 'alternate':
      return { kind: 'alternate', items: node.items.map(relax) }
    case 'repeat': {
      const item = relax(node.item)
      const min = Math.min(node.min, COUNTED)
      if (node.max !== undefined && node.max <= COUNTED) return { kind: 'repeat', item, min, max: node.max }
      return { kind: 'repeat', item, min }
    }
    case 'concat':
      return { kind: 'concat', items: relaxRow(node.items) }
  }
}

/** Relaxes items; a long run of the same set is a count as well: `??` forty times. */
function relaxRow(items: readonly PatternNode[]): PatternNode[] {
  const relaxed: PatternNode[] = []
  for (let at = 0; at < items.length; ) {
    const item = items[at] as PatternNode
    let same = at + 1
    while (same < items.length && isSameSet(item, items[same] as PatternNode)) same++
    if (same - at > COUNTED) relaxed.push({ kind: 'repeat', item, min: COUNTED })
    else for (let i = at; i < same; i++) relaxed.push(relax(items[i] as PatternNode))
    at = same
  }
  return relaxed
}

function isSameSet(a: PatternNode, b: PatternNode): boolean {
  return a.kind === 'set' && b.kind === 'set' && a.set.every((word, i) => word === b.set[i])
}
