/**
 * The reference: what matches where, found by trying. Written against the definition and not against the code: it
 * walks the tree with sets of positions and knows no automaton, no window, no trimming.
 */
import { isWord, setHas } from '../../src/patterns/byte-set.js'
import type { Assertion, PatternNode } from '../../src/patterns/node.js'

/** One match: where it starts, and how long it is. */
export interface NaiveMatch {
  readonly start: number
  readonly length: number
}

/** Every match of `node` in one whole stretch of bytes. */
export function naiveMatches(
  node: PatternNode,
  bytes: Uint8Array,
  options: { readonly maxBytes?: number; readonly lazy?: boolean; readonly outermost?: boolean } = {},
): NaiveMatch[] {
  const max = options.maxBytes ?? Number.POSITIVE_INFINITY
  const all: NaiveMatch[] = []
  for (let start = 0; start < bytes.length; start++) {
    const lengths = [...endsFrom(node, bytes, start)].map(end => end - start).filter(n => n > 0 && n <= max)
    if (lengths.length > 0)
      all.push({ start, length: options.lazy ? Math.min(...lengths) : Math.max(...lengths) })
  }
  if (!options.outermost) return all
  return all.filter(
    match =>
      !all.some(
        other => other.start < match.start && other.start + other.length >= match.start + match.length,
      ),
  )
}

/** Every position at which a match of `node` that starts at `at` can end. */
function endsFrom(node: PatternNode, bytes: Uint8Array, at: number): Set<number> {
  switch (node.kind) {
    case 'literal':
      return node.bytes.every((byte, i) => bytes[at + i] === byte)
        ? new Set([at + node.bytes.length])
        : new Set()
    case 'set':
      return at < bytes.length && setHas(node.set, bytes[at] ?? 0) ? new Set([at + 1]) : new Set()
    case 'assert':
      return holdsAt(node.assertion, bytes, at) ? new Set([at]) : new Set()
    case 'concat':
      return node.items.reduce((ends, item) => throughAll(item, bytes, ends), new Set([at]))
    case 'alternate':
      return new Set(node.items.flatMap(item => [...endsFrom(item, bytes, at)]))
    case 'repeat': {
      let here = new Set([at])
      for (let i = 0; i < node.min; i++) here = throughAll(node.item, bytes, here)
      const reached = new Set(here)
      for (let i = node.min; i < (node.max ?? Number.POSITIVE_INFINITY); i++) {
        here = new Set([...throughAll(node.item, bytes, here)].filter(end => !reached.has(end)))
        if (here.size === 0) break
        for (const end of here) reached.add(end)
      }
      return reached
    }
  }
}

function throughAll(node: PatternNode, bytes: Uint8Array, from: Set<number>): Set<number> {
  return new Set([...from].flatMap(at => [...endsFrom(node, bytes, at)]))
}

function holdsAt(assertion: Assertion, bytes: Uint8Array, at: number): boolean {
  const wordBefore = at > 0 && isWord(bytes[at - 1] ?? 0)
  const wordBehind = at < bytes.length && isWord(bytes[at] ?? 0)
  switch (assertion) {
    case 'stretch-start':
      return at === 0
    case 'stretch-end':
      return at === bytes.length
    case 'stretch-end-or-final-newline':
      return at === bytes.length || (at === bytes.length - 1 && bytes[at] === 0x0a)
    case 'line-start':
      return at === 0 || bytes[at - 1] === 0x0a
    case 'line-end':
      return at === bytes.length || bytes[at] === 0x0a
    case 'word-boundary':
      return wordBefore !== wordBehind
    case 'not-word-boundary':
      return wordBefore === wordBehind
  }
}
