/**
 * What is planned as tables in shared memory, which every thread reads, and which are kept on disk as they are. Code is kept as text, part
 * by part, and made when a part is first hit.
 */

import { type PairTable, pairTableOf } from './pairs.js'
import type { Part } from './parts.js'
import type { PlannedStrings, RowTable } from './plan.js'
import { sharedColumn } from './shared-column.js'
import { decodeTree, encodeTree } from './tree-text.js'
import { type WordTable, wordTableOf } from './words.js'

/** Every match of a part is fixed bytes. */
export const FIXED = 1
export const ASCII = 2
export const WIDE = 4
export const FULLWORD = 8
export const GREEDY = 16
export const SHORTEST = 32
/** Not the last link of a chain. */
export const CHAINED = 64

/** In place of a match's length: its part was given up, some of its matches are missing. */
export const GIVEN_UP = 0xffffffff

/** All strings, ready to be searched. Plain data. */
export interface StringTables {
  /** Id of the string of each part, its link, and its flags. */
  readonly string: Uint32Array
  readonly link: Uint32Array
  readonly flags: Uint8Array
  /** What may lie between a link and the one before. */
  readonly gapMin: Float64Array
  readonly gapMax: Float64Array
  /** Index of each part's first variant; one more for the end. */
  readonly variants: Uint32Array
  /** Where each variant's bytes begin in `values` and `masks`; one more for the end. */
  readonly bytes: Uint32Array
  readonly values: Uint8Array
  readonly masks: Uint8Array
  readonly variantWide: Uint8Array
  /** Where each part's code begins in `code`, JSON; one more for the end. */
  readonly codes: Uint32Array
  readonly code: Uint8Array
  readonly words: WordTable
  readonly groups: readonly {
    readonly rows: RowTable
    readonly longest: number
    readonly database: SharedArrayBuffer
  }[]
  readonly pairs: readonly PairTable[]
  readonly aheadBytes: number
  readonly behindBytes: number
}

/** Lays a plan out; `compile` makes a group's database. */
export function tablesOf(
  plan: PlannedStrings,
  compile: (expressions: readonly string[]) => SharedArrayBuffer,
): StringTables {
  const { parts } = plan
  const variants = [0]
  const bytes = [0]
  const codes = [0]
  const code: string[] = []
  const all: { readonly values: Uint8Array; readonly masks: Uint8Array; readonly wide: boolean }[] = []
  let byteCount = 0
  let codeCount = 0
  for (const part of parts) {
    for (const variant of part.kind === 'fixed' ? part.variants : []) {
      all.push(variant)
      byteCount += variant.values.length
      bytes.push(byteCount)
    }
    variants.push(all.length)
    if (part.kind === 'code') {
      const text = encodeTree(part.root)
      code.push(text)
      codeCount += text.length
    }
    codes.push(codeCount)
  }
  return {
    string: sharedColumn(
      Uint32Array,
      parts.map(part => part.string),
    ),
    link: sharedColumn(
      Uint32Array,
      parts.map(part => part.link),
    ),
    flags: sharedColumn(Uint8Array, parts.map(flagsOf)),
    gapMin: sharedColumn(
      Float64Array,
      parts.map(part => part.gapMin),
    ),
    gapMax: sharedColumn(
      Float64Array,
      parts.map(part => part.gapMax),
    ),
    variants: sharedColumn(Uint32Array, variants),
    bytes: sharedColumn(Uint32Array, bytes),
    values: joined(
      all.map(({ values }) => values),
      byteCount,
    ),
    masks: joined(
      all.map(({ masks }) => masks),
      byteCount,
    ),
    variantWide: sharedColumn(
      Uint8Array,
      all.map(({ wide }) => (wide ? 1 : 0)),
    ),
    codes: sharedColumn(Uint32Array, codes),
    code: joined([new TextEncoder().encode(code.join(''))], codeCount),
    words: wordTableOf(plan.words),
    groups: plan.groups.map(({ rows, longest, expressions }) => ({
      rows: sharedRows(rows),
      longest,
      database: compile(expressions),
    })),
    pairs: plan.pairs.map(rows => pairTableOf(rows)),
    aheadBytes: plan.aheadBytes,
    behindBytes: plan.behindBytes,
  }
}

/** A part that has code, as it was planned. */
export function codePart(tables: StringTables, index: number): Extract<Part, { kind: 'code' }> {
  const flags = tables.flags[index] as number
  const text = Buffer.from(
    tables.code.buffer,
    tables.code.byteOffset + (tables.codes[index] as number),
    (tables.codes[index + 1] as number) - (tables.codes[index] as number),
  ).toString('latin1')
  return {
    kind: 'code',
    string: tables.string[index] as number,
    link: tables.link[index] as number,
    chained: (flags & CHAINED) !== 0,
    gapMin: tables.gapMin[index] as number,
    gapMax: tables.gapMax[index] as number,
    fullword: (flags & FULLWORD) !== 0,
    root: decodeTree(text),
    ascii: (flags & ASCII) !== 0,
    wide: (flags & WIDE) !== 0,
    greedy: (flags & GREEDY) !== 0,
    shortest: (flags & SHORTEST) !== 0,
  }
}

function flagsOf(part: Part): number {
  const common = (part.fullword ? FULLWORD : 0) | (part.chained ? CHAINED : 0)
  if (part.kind === 'fixed') return common | FIXED
  return (
    common |
    (part.ascii ? ASCII : 0) |
    (part.wide ? WIDE : 0) |
    (part.greedy ? GREEDY : 0) |
    (part.shortest ? SHORTEST : 0)
  )
}

function sharedRows({ first, part, sub, distance, whole }: RowTable): RowTable {
  return {
    first: sharedColumn(Uint32Array, first),
    part: sharedColumn(Uint32Array, part),
    sub: sharedColumn(Uint32Array, sub),
    distance: sharedColumn(Int32Array, distance),
    whole: sharedColumn(Uint8Array, whole),
  }
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const column = new Uint8Array(new SharedArrayBuffer(length))
  let at = 0
  for (const piece of pieces) {
    column.set(piece, at)
    at += piece.length
  }
  return column
}
