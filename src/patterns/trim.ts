/**
 * Cutting a pattern down to what finds its candidates. Only the starts matter, because the forward automaton finds
 * every match's end again: whatever is optional at the tail goes (`X+` → `X`, `X*` → nothing, `X{m,n}` → `X{m}`). The
 * matcher reports ends, from which starts are found backwards: so for the ends whatever is optional at the head goes
 * as well. `[\w.]+@[\w.]+` becomes `[\w.]@[\w.]`, which matches few bytes of it and is cheap to look for.
 */
import { lengthsOf } from './measure.js'
import type { PatternNode } from './node.js'

/** The node that matches nothing but the empty string. */
export const EMPTY: PatternNode = { kind: 'concat', items: [] }

/** Items in a row; nested rows are opened, a row of one is the item itself. */
export function concatOf(items: readonly PatternNode[]): PatternNode {
  const flat = items.flatMap(item => (item.kind === 'concat' ? item.items : [item]))
  const merged: PatternNode[] = []
  let bytes: number[] | undefined
  for (const item of flat) {
    if (item.kind !== 'literal') {
      bytes = undefined
      merged.push(item)
    } else if (bytes === undefined) {
      bytes = [...item.bytes]
      merged.push({ kind: 'literal', bytes })
    } else for (const byte of item.bytes) bytes.push(byte)
  }
  return merged.length === 1 ? (merged[0] as PatternNode) : { kind: 'concat', items: merged }
}

function repeatOf(item: PatternNode, count: number): PatternNode {
  if (count === 0) return EMPTY
  return count === 1 ? item : { kind: 'repeat', item, min: count, max: count }
}

/** The pattern without its assertions: it matches wherever the original does, and maybe elsewhere. */
export function dropAssertions(node: PatternNode): PatternNode {
  switch (node.kind) {
    case 'literal':
    case 'set':
      return node
    case 'assert':
      return EMPTY
    case 'concat':
      return concatOf(node.items.map(dropAssertions))
    case 'alternate':
      return { kind: 'alternate', items: node.items.map(dropAssertions) }
    case 'repeat':
      return { ...node, item: dropAssertions(node.item) }
  }
}

/** A pattern that matches somewhere from exactly the same starts. For patterns without assertions. */
export function trimTail(node: PatternNode): PatternNode {
  if (lengthsOf(node).min === 0) return EMPTY
  switch (node.kind) {
    case 'literal':
    case 'set':
    case 'assert':
      return node
    case 'concat': {
      let last = node.items.length - 1
      while (lengthsOf(node.items[last] as PatternNode).min === 0) last--
      return concatOf([...node.items.slice(0, last), trimTail(node.items[last] as PatternNode)])
    }
    case 'alternate':
      return { kind: 'alternate', items: node.items.map(trimTail) }
    case 'repeat':
      return concatOf([repeatOf(node.item, node.min - 1), trimTail(node.item)])
  }
}

/** A pattern that matches up to exactly the same ends. For patterns without assertions. */
export function trimHead(node: PatternNode): PatternNode {
  if (lengthsOf(node).min === 0) return EMPTY
  switch (node.kind) {
    case 'literal':
    case 'set':
    case 'assert':
      return node
    case 'concat': {
      let first = 0
      while (lengthsOf(node.items[first] as PatternNode).min === 0) first++
      return concatOf([trimHead(node.items[first] as PatternNode), ...node.items.slice(first + 1)])
    }
    case 'alternate':
      return { kind: 'alternate', items: node.items.map(trimHead) }
    case 'repeat':
      return concatOf([trimHead(node.item), repeatOf(node.item, node.min - 1)])
  }
}
