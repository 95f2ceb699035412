/** The bytes that every match of a pattern begins with, as far as they stand at a known distance from its start. */
import { setOf, setUnion } from '../../patterns/byte-set.js'
import { lengthsOf } from '../../patterns/measure.js'
import type { ByteSet, PatternNode } from '../../patterns/node.js'

/** The sets of the first `most` bytes of every match at most; fewer where a match may be shorter. */
export function leadingSets(node: PatternNode, most: number): readonly ByteSet[] {
  if (most <= 0) return []
  switch (node.kind) {
    case 'literal':
      return node.bytes.slice(0, most).map(byte => setOf([byte]))
    case 'set':
      return [node.set]
    case 'assert':
      return []
    case 'alternate':
      return node.items.map(item => leadingSets(item, most)).reduce(eitherOf)
    case 'repeat':
      return leadingOfRow(
        Array.from({ length: Math.min(node.min, most) }, () => node.item),
        most,
      )
    case 'concat':
      return leadingOfRow(node.items, most)
  }
}

function leadingOfRow(items: readonly PatternNode[], most: number): readonly ByteSet[] {
  const sets: ByteSet[] = []
  for (const item of items) {
    const { min, max } = lengthsOf(item)
    sets.push(...leadingSets(item, most - sets.length))
    // what comes next may stand in several places
    if (sets.length >= most || min !== max) break
  }
  return sets
}

function eitherOf(a: readonly ByteSet[], b: readonly ByteSet[]): readonly ByteSet[] {
  const [shorter, longer] = a.length < b.length ? [a, b] : [b, a]
  return shorter.map((set, at) => setUnion(set, longer[at] as ByteSet))
}
