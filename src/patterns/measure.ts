/** What can be told of a pattern without running it. */
import type { PatternNode } from './node.js'

/** Shortest and longest match in bytes; `max` is Infinity when unbounded. */
export interface Lengths {
  readonly min: number
  readonly max: number
}

/** Shortest and longest match of a pattern. */
export function lengthsOf(node: PatternNode): Lengths {
  switch (node.kind) {
    case 'literal':
      return { min: node.bytes.length, max: node.bytes.length }
    case 'set':
      return { min: 1, max: 1 }
    case 'assert':
      return { min: 0, max: 0 }
    case 'concat': {
      let min = 0
      let max = 0
      for (const item of node.items) {
        const lengths = lengthsOf(item)
        min += lengths.min
        max += lengths.max
      }
      return { min, max }
    }
    case 'alternate': {
      let min = Number.POSITIVE_INFINITY
      let max = 0
      for (const item of node.items) {
        const lengths = lengthsOf(item)
        min = Math.min(min, lengths.min)
        max = Math.max(max, lengths.max)
      }
      return { min, max }
    }
    case 'repeat': {
      const { min, max } = lengthsOf(node.item)
      const most = max === 0 || node.max === 0 ? 0 : max * (node.max ?? Number.POSITIVE_INFINITY)
      return { min: min * node.min, max: most }
    }
  }
}

/** Whether a pattern looks at bytes around its match. */
export function hasAssertions(node: PatternNode): boolean {
  switch (node.kind) {
    case 'literal':
    case 'set':
      return false
    case 'assert':
      return true
    case 'concat':
    case 'alternate':
      return node.items.some(hasAssertions)
    case 'repeat':
      return hasAssertions(node.item)
  }
}

/** Positions of a pattern's automaton once counts are written out; at least 1 for whatever is repeated. */
export function positionsOf(node: PatternNode): number {
  switch (node.kind) {
    case 'literal':
      return node.bytes.length
    case 'set':
    case 'assert':
      return 1
    case 'concat':
    case 'alternate':
      return node.items.reduce((sum, item) => sum + positionsOf(item), 1)
    case 'repeat':
      return positionsOf(node.item) * Math.max(1, node.max ?? node.min + 1)
  }
}
