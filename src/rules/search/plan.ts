/** All strings of a rule set: what is looked for, and what a hit means. */

import { setHas } from '../../patterns/byte-set.js'
import type { ByteSet, PatternNode } from '../../patterns/node.js'
import { printExpression } from '../../patterns/print.js'
import type { RuleString } from '../ast.js'
import { atomsOf } from './atoms.js'
import { leadingSets } from './leading.js'
import { COMPARED_BYTES, type PairRow, pairRowOf, standsInZeros } from './pairs.js'
import { type Part, partsOf, type Variant } from './parts.js'
import { isCaseless, type Row, rowsOf } from './rows.js'
import { longestOf, startsOf } from './starts.js'
import { surroundingsOf } from './surroundings.js'
import { maskedSet } from './tree.js'
import type { WordCounts } from './word-counts.js'
import { type KnownBytes, knownBytes, type Stride, type WordRow, type WordRows, wordRowOf } from './words.js'

/** Changes when tables or what is looked for change: caches are kept by it. */
export const PLAN_VERSION = 13

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
  /** As Vectorscan takes them. */
  readonly expressions: readonly string[]
  readonly longest: number
}

export interface PlannedStrings {
  readonly parts: readonly Part[]
  /** Rows that are found by words of memory. */
  readonly words: WordRows
  /** Rows that are found by pairs of bytes; those that zeros are by themselves. */
  readonly pairs: readonly (readonly PairRow[])[]
  /** For Vectorscan. */
  readonly groups: readonly RowGroup[]
  /** Bytes behind a start that decide about it, and before it. */
  readonly aheadBytes: number
  readonly behindBytes: number
}

interface OpenRow {
  readonly part: number
  readonly sub: number
  readonly row: Row
}

const ZERO = maskedSet(0, 0xff)
/** The mask of a letter in both cases. */
const CASELESS = 0xdf

/** Words are compared as this machine reads them. */
const IS_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1

/** More rows than this are found faster by pairs of bytes than by Vectorscan. */
const FEW_ROWS = 90
/** One row of fewer bytes makes the search for all others slower. */
const SHORT_BYTES = 4

/**
 * Plans the search of strings: long rows by words of memory, the others by Vectorscan where they are few, by pairs of bytes where not. `vectorscan`
 * false: there is none. `counts`: of samples of what will be searched, if there are some; what is found does not depend on them.
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
  const few = vectorscan ? fewRows(byWords, left, counts) : undefined
  const pairs = few === undefined ? left.flatMap(search => pairRowsOf(search, parts, counts)) : []
  return {
    parts,
    words: few?.words ?? inStrides(byWords),
    pairs: [pairs.filter(row => !standsInZeros(row)), pairs.filter(standsInZeros)].filter(
      ({ length }) => length > 0,
    ),
    groups: groupsOf(few?.rows ?? []),
    aheadBytes: aheadBytes + 2,
    behindBytes: 4,
  }
}

/** Rows for Vectorscan, where it can find all that is `left` and that is little: then words may be far apart, too. */
function fewRows(
  byWords: readonly FoundSearch[],
  left: readonly OpenSearch[],
  counts: WordCounts | undefined,
): { readonly words: WordRows; readonly rows: readonly OpenRow[] } | undefined {
  const rows = vectorscanRows(left, counts)
  if (rows === undefined) return undefined
  const far: WordRow[] = []
  const near: OpenSearch[] = []
  for (const search of byWords) {
    const word = wordOf(search, 8, counts)
    if (word !== undefined) far.push({ ...word, part: search.part, sub: search.sub })
    else near.push(search)
  }
  const more = vectorscanRows(near, counts)
  return more !== undefined && rows.length + more.length <= FEW_ROWS
    ? { words: { stride: 8, rows: far }, rows: [...rows, ...more] }
    : { words: inStrides(byWords), rows }
}

/** Undefined where some can't be found by Vectorscan, or they are many. */
function vectorscanRows(
  searches: readonly OpenSearch[],
  counts: WordCounts | undefined,
): readonly OpenRow[] | undefined {
  if (searches.length > FEW_ROWS) return undefined
  const open: OpenRow[] = []
  for (const { part, sub, bytes, offset } of searches) {
    const rows = bytes && rowsOf(setsOf(bytes), counts)
    if (rows === undefined) return undefined
    for (const row of rows) open.push({ part, sub, row: { ...row, distance: row.distance - offset } })
  }
  return open.length > FEW_ROWS ? undefined : open
}

/** None where nothing can match. */
function pairRowsOf(
  { part, sub, bytes, offset }: OpenSearch,
  parts: readonly Part[],
  counts: WordCounts | undefined,
): PairRow[] {
  const of = parts[part] as Part
  const starts = bytes === undefined ? startsOf(of) : undefined
  const sets = starts === undefined ? setsOf(bytes ?? []) : leadingSets(starts, COMPARED_BYTES)
  if (sets.length === 0) return []
  const row = pairRowOf(sets, offset, counts)
  return [{ ...row, part, sub, whole: of.kind === 'fixed' && row.sets.length === sets.length }]
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

function setsOf(bytes: Variant | readonly ByteSet[]): readonly ByteSet[] {
  if (!('masks' in bytes)) return bytes
  return Array.from(bytes.values, (value, at) => maskedSet(value, bytes.masks[at] ?? 0xff))
}

type Kind = 'zeros' | 'mixed' | 'short' | 'long'

/** What stands in zeros is by itself: runs of zeros are passed over for the others. */
function kindOf({ row: { node } }: OpenRow): Kind {
  if (matchesZeros(node)) return 'zeros'
  if (!isLiteral(node)) return 'mixed'
  return lengthOf(node) < SHORT_BYTES ? 'short' : 'long'
}

/** Rows by kind: the groups are searched one after the other; equal rows are one expression. */
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
  return [...kinds.values()].map(expressions => groupOf([...expressions]))
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
