/** The bytes that every match of a pattern begins with, as far as they stand at a known distance from its start. */
import { NO_BYTE, setOf, setUnion } from '../../patterns/byte-set.js'
import { lengthsOf } from '../../patterns/measure.js'
import type { ByteSet, PatternNode } from '../../patterns/node.js'

/** The sets of the first bytes of every match that is not empty: one at least, `most` at most. */
export function leadingSets(node: PatternNode, most: number): readonly ByteSet[] {
  const sets = certainSets(node, most)
  return sets.length === 0 ? [firstSet(node)] : sets
}

/** Those that stand there in any match; none where a match may be empty, or begin in ways of different length. */
function certainSets(node: PatternNode, most: number): readonly ByteSet[] {
  if (most <= 0) return []
  switch (node.kind) {
    case 'literal':
      return node.bytes.slice(0, most).map(byte => setOf([byte]))
    case 'set':
      return [node.set]
    case 'assert':
      return []
    case 'alternate':
      return node.items.map(item => certainSets(item, most)).reduce(eitherOf)
    case 'repeat':
      return certainOfRow(
        Array.from({ length: Math.min(node.min, most) }, () => node.item),
        most,
      )
    case 'concat':
      return certainOfRow(node.items, most)
  }
}

function certainOfRow(items: readonly PatternNode[], most: number): readonly ByteSet[] {
  const sets: ByteSet[] = []
  for (const item of items) {
    const { min, max } = lengthsOf(item)
    sets.push(...certainSets(item, most - sets.length))
    // what comes next may stand in several places
    if (sets.length >= most || min !== max) break
  }
  return sets
}

function eitherOf(a: readonly ByteSet[], b: readonly ByteSet[]): readonly ByteSet[] {
  const [shorter, longer] = a.length < b.length ? [a, b] : [b, a]
  return shorter.map((set, at) => setUnion(set, longer[at] as ByteSet))
}

/** Every byte that a match can begin with. */
function firstSet(node: PatternNode): ByteSet {
  switch (node.kind) {
    case 'literal':
      return setOf(node.bytes.slice(0, 1))
    case 'set':
      return node.set
    case 'assert':
      return NO_BYTE
    case 'alternate':
      return node.items.map(firstSet).reduce(setUnion, NO_BYTE)
    case 'repeat':
      return node.max === 0 ? NO_BYTE : firstSet(node.item)
    case 'concat': {
      let set = NO_BYTE
      for (const item of node.items) {
        set = setUnion(set, firstSet(item))
        if (lengthsOf(item).min > 0) break
      }
      return set
    }
  }
}
