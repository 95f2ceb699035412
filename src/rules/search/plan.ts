/** All strings of a rule set: what is looked for, and what a hit means. */

import { setHas, setOf } from '../../patterns/byte-set.js'
import type { ByteSet, PatternNode } from '../../patterns/node.js'
import { printExpression } from '../../patterns/print.js'
import type { RuleString } from '../ast.js'
import { atomsOf } from './atoms.js'
import { type Part, partsOf, type Variant } from './parts.js'
import { type Row, rowNode, rowsOf } from './rows.js'
import { longestOf, startsOf } from './starts.js'
import { surroundingsOf } from './surroundings.js'
import { maskedSet } from './tree.js'

/** Changes when tables or what is looked for change: caches are kept by it. */
export const PLAN_VERSION = 1

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

/** Rows that hit often have a database of their own, and so have those that stand in zeros: the others stay fast. */
const FREQUENT_BITS = 26

/** Plans the search of strings. `vectorscan` false: everything is for the embedded matcher. */
export function planStrings(strings: readonly RuleString[], vectorscan: boolean): PlannedStrings {
  const parts: Part[] = []
  const rows: OpenRow[] = []
  const others: OpenOther[] = []
  let aheadBytes = 0
  for (const string of strings) {
    // looked at where it must stand
    if (string.fixedOffset !== undefined) continue
    for (const part of partsOf(string)) {
      const index = parts.push(part) - 1
      aheadBytes = Math.max(aheadBytes, longestOf(part))
      for (const { sub, sets, offset } of searchesOf(part)) {
        if (sets === undefined) {
          const node = startsOf(part)
          if (node !== undefined) others.push({ part: index, sub, node })
          continue
        }
        const found = vectorscan ? rowsOf(sets) : undefined
        if (found === undefined) others.push({ part: index, sub, node: rowNode(sets.slice(offset)) })
        else
          for (const row of found)
            rows.push({ part: index, sub, row: { ...row, distance: row.distance - offset } })
      }
    }
  }
  const groups = new Map<string, OpenRow[]>([
    ['seldom', []],
    ['often', []],
    ['zeros', []],
  ])
  for (const open of rows) {
    const { node, bits } = open.row
    groups.get(matchesZeros(node) ? 'zeros' : bits < FREQUENT_BITS ? 'often' : 'seldom')?.push(open)
  }
  return {
    parts,
    groups: [...groups.values()].filter(({ length }) => length > 0).map(groupOf),
    others: {
      rows: tableOf(others.map(({ part, sub }) => [{ part, sub, distance: 0, whole: false }])),
      nodes: others.map(({ node }) => node),
    },
    aheadBytes: aheadBytes + 2,
    behindBytes: 4,
  }
}

interface Search {
  readonly sub: number
  /** Undefined: no bytes are known. */
  readonly sets: readonly ByteSet[] | undefined
  /** Where in `sets` the place to be verified is. */
  readonly offset: number
}

function searchesOf(part: Part): Search[] {
  if (part.kind === 'fixed')
    return part.variants.map((variant, sub) => ({ sub, sets: setsOf(variant), offset: 0 }))
  const atoms = atomsOf(part.root)
  if (atoms.length === 0) return [{ sub: 0, sets: undefined, offset: 0 }]
  return surroundingsOf(part.root, atoms).flatMap(({ sets, atom }, sub) => [
    ...(part.ascii ? [{ sub, sets, offset: atom }] : []),
    ...(part.wide ? [{ sub, sets: sets.flatMap(set => [set, setOf([0])]), offset: atom * 2 }] : []),
  ])
}

function setsOf({ values, masks }: Variant): ByteSet[] {
  return Array.from(values, (value, at) => maskedSet(value, masks[at] ?? 0xff))
}

function groupOf(rows: readonly OpenRow[]): RowGroup {
  const byExpression = new Map<string, OpenRow[]>()
  for (const open of rows) {
    const expression = printExpression(open.row.node)
    const known = byExpression.get(expression)
    if (known === undefined) byExpression.set(expression, [open])
    else known.push(open)
  }
  const meanings = [...byExpression.values()].map(each =>
    each.map(({ part, sub, row }) => ({ part, sub, distance: row.distance, whole: row.whole })),
  )
  return {
    rows: tableOf(meanings),
    expressions: [...byExpression.keys()],
    longest: rows.reduce((most, { row }) => Math.max(most, lengthOf(row.node)), 0),
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
