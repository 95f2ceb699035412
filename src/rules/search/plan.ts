/** All strings of a rule set: what is looked for, and what a hit means. */

import { setHas } from '../../patterns/byte-set.js'
import type { ByteSet, PatternNode } from '../../patterns/node.js'
import { printExpression } from '../../patterns/print.js'
import type { RuleString } from '../ast.js'
import { atomsOf } from './atoms.js'
import { type Part, partsOf, type Variant } from './parts.js'
import { isCaseless, type Row, rowNode, rowsOf } from './rows.js'
import { longestOf, startsOf } from './starts.js'
import { surroundingsOf } from './surroundings.js'
import { maskedSet } from './tree.js'
import type { WordCounts } from './word-counts.js'
import { type KnownBytes, knownBytes, type Stride, type WordRow, type WordRows, wordRowOf } from './words.js'

/** Changes when tables or what is looked for change: caches are kept by it. */
export const PLAN_VERSION = 6

/**
 * What hits mean. A hit of expression i is one of the rows `first[i]` ≤ row < `first[i + 1]`: it ends `distance` bytes behind the place that is
 * to be verified for `sub` (a variant, or an atom) of `part`.
 */
export interface RowTable {
  readonly first: Uint32Array
  readonly part: Uint32Array
  readonly sub: Uint32Array
  readonly distance: Int32Array
  /** 1: the row is all there is to verify. */
  readonly whole: Uint8Array
}

/** Rows that are searched together; equal ones are one expression. */
export interface RowGroup {
  readonly rows: RowTable
  /** As Vectorscan takes them; empty when `nodes` are for the embedded matcher. */
  readonly expressions: readonly string[]
  readonly longest: number
}

export interface PlannedStrings {
  readonly parts: readonly Part[]
  /** Rows that are found by words of memory; none is without rows. */
  readonly words: readonly WordRows[]
  readonly groups: readonly RowGroup[]
  /** For the embedded matcher: matches of `nodes[i]` start at the place to be verified, plus `rows.distance[i]`. */
  readonly others: { readonly rows: RowTable; readonly nodes: readonly PatternNode[] }
  /** Bytes behind a start that decide about it, and before it. */
  readonly aheadBytes: number
  readonly behindBytes: number
}

interface OpenRow {
  readonly part: number
  readonly sub: number
  readonly row: Row
}

interface OpenOther {
  readonly part: number
  readonly sub: number
  readonly node: PatternNode
}

const ZERO = maskedSet(0, 0xff)
/** The mask of a letter in both cases. */
const CASELESS = 0xdf

/** Words are compared as this machine reads them. */
const IS_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1

/** Vectorscan is several times faster with fewer rows than 250. */
const GROUP_ROWS = 200
/** A second pass over words takes as long as the search for some hundred rows by Vectorscan. */
const MANY_PAIRS = 250
/** So many rows more for Vectorscan cost less than half a pass over words. */
const FEW_SHORT = 60
/** One row of fewer bytes makes the search for all others slower. */
const SHORT_BYTES = 4
/** More rows of one kind than this are faster together. */
const MANY_ROWS = 1600

/**
 * Plans the search of strings. `vectorscan` false: what is not found by words is for the embedded matcher. `counts`: of samples of what
 * will be searched, if there are some; what is found does not depend on them.
 */
export function planStrings(
  strings: readonly RuleString[],
  vectorscan: boolean,
  counts?: WordCounts,
): PlannedStrings {
  const parts: Part[] = []
  const byWords: FoundSearch[] = []
  const left: OpenSearch[] = []
  let aheadBytes = 0
  for (const string of strings) {
    // looked at where it must stand
    if (string.fixedOffset !== undefined) continue
    for (const each of partsOf(string)) {
      const part = parts.push(each) - 1
      aheadBytes = Math.max(aheadBytes, longestOf(each))
      for (const search of searchesOf(each)) {
        const word = wordOf(search, 4, counts)
        if (word !== undefined) byWords.push({ ...search, part, word })
        else left.push({ ...search, part })
      }
    }
  }
  const words = vectorscan ? (inLongStrides(byWords, left, counts) ?? inStrides(byWords)) : inStrides(byWords)
  const pairs: WordRow[] = []
  const rows: OpenRow[] = []
  const others: OpenOther[] = []
  const byPairs = left.map(search => wordOf(search, 2, counts))
  const areMany = !vectorscan || byPairs.filter(word => word !== undefined).length >= MANY_PAIRS
  for (const [index, { part, sub, bytes, offset }] of left.entries()) {
    const word = areMany ? byPairs[index] : undefined
    if (word !== undefined) {
      pairs.push({ ...word, part, sub })
      continue
    }
    if (bytes === undefined) {
      const node = startsOf(parts[part] as Part)
      if (node !== undefined) others.push({ part, sub, node })
      continue
    }
    const sets = 'masks' in bytes ? setsOf(bytes) : bytes
    const found = vectorscan ? rowsOf(sets, counts) : undefined
    if (found === undefined) others.push({ part, sub, node: rowNode(sets.slice(offset)) })
    else for (const row of found) rows.push({ part, sub, row: { ...row, distance: row.distance - offset } })
  }
  const passes: WordRows[] = [words, { stride: 2, rows: pairs }]
  return {
    parts,
    words: passes.filter(each => each.rows.length > 0),
    groups: groupsOf(rows),
    others: {
      rows: tableOf(others.map(({ part, sub }) => [{ part, sub, distance: 0, whole: false }])),
      nodes: others.map(({ node }) => node),
    },
    aheadBytes: aheadBytes + 2,
    behindBytes: 4,
  }
}

interface OpenSearch extends Search {
  readonly part: number
}

/** What words find, at every fourth byte. */
interface FoundSearch extends OpenSearch {
  readonly word: FoundRow
}

type FoundRow = Omit<WordRow, 'part' | 'sub'>

function inStrides(searches: readonly FoundSearch[]): WordRows {
  return { stride: 4, rows: searches.map(({ word, part, sub }) => ({ ...word, part, sub })) }
}

/** At every eighth byte, where all but a few rows are long enough: those few are put to what is `left`. Undefined: too many are not. */
function inLongStrides(
  searches: readonly FoundSearch[],
  left: OpenSearch[],
  counts: WordCounts | undefined,
): WordRows | undefined {
  const rows: WordRow[] = []
  const short: OpenSearch[] = []
  for (const search of searches) {
    const word = wordOf(search, 8, counts)
    if (word !== undefined) rows.push({ ...word, part: search.part, sub: search.sub })
    else if (short.push(search) > FEW_SHORT) return undefined
  }
  left.push(...short)
  return { stride: 8, rows }
}

function wordOf(
  { bytes, offset }: Search,
  stride: Stride,
  counts: WordCounts | undefined,
): FoundRow | undefined {
  if (bytes === undefined || !IS_LITTLE_ENDIAN) return undefined
  return wordRowOf('masks' in bytes ? knownOf(bytes) : knownBytes(bytes), offset, stride, counts)
}

/** What is known of a variant's bytes as a whole: nothing of one that is known in part. */
function knownOf({ values, masks }: Variant): KnownBytes {
  const isWhole = (mask: number): boolean => mask === 0xff || mask === CASELESS
  return { values, masks: masks.every(isWhole) ? masks : masks.map(mask => (isWhole(mask) ? mask : 0)) }
}

interface Search {
  readonly sub: number
  /** Undefined: none are known. */
  readonly bytes: Variant | readonly ByteSet[] | undefined
  /** Where in `bytes` the place to be verified is. */
  readonly offset: number
}

function searchesOf(part: Part): Search[] {
  if (part.kind === 'fixed') return part.variants.map((bytes, sub) => ({ sub, bytes, offset: 0 }))
  const atoms = atomsOf(part.root)
  if (atoms.length === 0) return [{ sub: 0, bytes: undefined, offset: 0 }]
  return surroundingsOf(part.root, atoms).flatMap(({ sets, atom }, sub) => [
    ...(part.ascii ? [{ sub, bytes: sets, offset: atom }] : []),
    ...(part.wide ? [{ sub, bytes: sets.flatMap(set => [set, ZERO]), offset: atom * 2 }] : []),
  ])
}

function setsOf({ values, masks }: Variant): ByteSet[] {
  return Array.from(values, (value, at) => maskedSet(value, masks[at] ?? 0xff))
}

type Kind = 'zeros' | 'mixed' | 'short' | 'long'

/** What stands in zeros is by itself: runs of zeros are passed over for the others. */
function kindOf({ row: { node } }: OpenRow): Kind {
  if (matchesZeros(node)) return 'zeros'
  if (!isLiteral(node)) return 'mixed'
  return lengthOf(node) < SHORT_BYTES ? 'short' : 'long'
}

/** Rows of a kind, in groups that are searched one after the other; equal rows are one expression. */
function groupsOf(rows: readonly OpenRow[]): RowGroup[] {
  const kinds = new Map<Kind, Map<string, OpenRow[]>>()
  for (const open of rows) {
    const kind = kindOf(open)
    const expressions = kinds.get(kind) ?? new Map<string, OpenRow[]>()
    kinds.set(kind, expressions)
    const expression = printExpression(open.row.node)
    const known = expressions.get(expression)
    if (known === undefined) expressions.set(expression, [open])
    else known.push(open)
  }
  return [...kinds.values()].flatMap(expressions => {
    const all = [...expressions]
    if (all.length > MANY_ROWS) return [groupOf(all)]
    const count = Math.ceil(all.length / GROUP_ROWS)
    const size = Math.ceil(all.length / count)
    return Array.from({ length: count }, (_, at) => groupOf(all.slice(at * size, (at + 1) * size)))
  })
}

function groupOf(expressions: readonly (readonly [string, readonly OpenRow[]])[]): RowGroup {
  const meanings = expressions.map(([, rows]) =>
    rows.map(({ part, sub, row }) => ({ part, sub, distance: row.distance, whole: row.whole })),
  )
  return {
    rows: tableOf(meanings),
    expressions: expressions.map(([expression]) => expression),
    longest: expressions.reduce(
      (most, [, rows]) => Math.max(most, ...rows.map(({ row }) => lengthOf(row.node))),
      0,
    ),
  }
}

/** Bytes, and letters in both cases. */
function isLiteral(node: PatternNode): boolean {
  switch (node.kind) {
    case 'literal':
      return true
    case 'set':
      return isCaseless(node.set)
    case 'concat':
      return node.items.every(isLiteral)
    default:
      return false
  }
}

function matchesZeros(node: PatternNode): boolean {
  switch (node.kind) {
    case 'literal':
      return node.bytes.every(byte => byte === 0)
    case 'set':
      return setHas(node.set, 0)
    case 'concat':
      return node.items.every(matchesZeros)
    default:
      return true
  }
}

/** Rows have one length. */
function lengthOf(node: PatternNode): number {
  if (node.kind === 'literal') return node.bytes.length
  return node.kind === 'concat' ? node.items.reduce((sum, item) => sum + lengthOf(item), 0) : 1
}

interface Meaning {
  readonly part: number
  readonly sub: number
  readonly distance: number
  readonly whole: boolean
}

function tableOf(expressions: readonly (readonly Meaning[])[]): RowTable {
  const rows = expressions.flat()
  const first = new Uint32Array(expressions.length + 1)
  for (const [at, meanings] of expressions.entries()) first[at + 1] = (first[at] as number) + meanings.length
  return {
    first,
    part: Uint32Array.from(rows, ({ part }) => part),
    sub: Uint32Array.from(rows, ({ sub }) => sub),
    distance: Int32Array.from(rows, ({ distance }) => distance),
    whole: Uint8Array.from(rows, ({ whole }) => (whole ? 1 : 0)),
  }
}
