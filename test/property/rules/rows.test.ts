/**
 * Rows that are found by the aligned words of memory, or by pairs of bytes, against a search byte by byte: at any alignment, at the edges of windows
 * and of runs of zeros, many rows with the same words, letters in either case, bytes that are known in part.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PairFinder } from '../../../scanners/pair-finder.js'
import { setHas, setOf } from '../../../src/patterns/byte-set.js'
import { compileStrings } from '../../../src/patterns/compile-strings.js'
import type { RuleString } from '../../../src/rules/ast.js'
import { compileRules } from '../../../src/rules/compile.js'
import { pairRowOf, pairTableOf } from '../../../src/rules/search/pairs.js'
import { planStrings } from '../../../src/rules/search/plan.js'
import { scanInWindows } from '../../helpers/rule-windows.js'

/** A byte that is looked for: a value, either case of a letter, what has these bits or has not, or any (-1). */
type Cell = number | { readonly letter: number } | Masked
interface Masked {
  readonly value: number
  /** 0xf0 or 0x0f. */
  readonly mask: number
  readonly negated: boolean
}

const PAGE = 4096
/** Larger than what a finder takes in one go, whatever it is. */
const LARGE = 700_000

function stringsOf(rows: readonly (readonly Cell[])[]): readonly RuleString[] {
  const lines = rows.map((cells, i) => `$s${i} = ${sourceOf(cells)}`)
  const [rule] = compileRules([
    { source: `rule r { strings: ${lines.join('\n')} condition: any of them }` },
  ]).rules
  return rule!.strings
}

function sourceOf(cells: readonly Cell[]): string {
  const hex = (byte: number): string => byte.toString(16).padStart(2, '0')
  if (cells.some(cell => typeof cell === 'object' && 'letter' in cell))
    return `"${cells.map(cell => `\\x${hex(typeof cell === 'object' && 'letter' in cell ? cell.letter : Number(cell))}`).join('')}" nocase`
  const digits = cells.map(cell => {
    if (typeof cell === 'number') return cell === -1 ? '??' : hex(cell)
    if ('letter' in cell) throw new Error('letters stand in text')
    const { value, mask, negated } = cell
    return `${negated ? '~' : ''}${mask === 0xf0 ? `${hex(value)[0]}?` : `?${hex(value)[1]}`}`
  })
  return `{ ${digits.join(' ')} }`
}

function matches(cell: Cell, byte: number): boolean {
  if (typeof cell === 'number') return cell === -1 || cell === byte
  if ('letter' in cell) return byte === cell.letter || byte === (cell.letter ^ 0x20)
  return ((byte & cell.mask) === (cell.value & cell.mask)) !== cell.negated
}

/** A byte that a cell stands for. */
function byteOf(cell: Cell, other: boolean, fill: number): number {
  if (typeof cell === 'number') return cell === -1 ? fill : cell
  if ('letter' in cell) return cell.letter ^ (other ? 0x20 : 0)
  return cell.negated ? fill : (cell.value & cell.mask) | (fill & ~cell.mask)
}

/** `string:offset`, in order. */
function naive(rows: readonly (readonly Cell[])[], bytes: Uint8Array): string[] {
  const found: string[] = []
  for (const [row, cells] of rows.entries())
    for (let at = 0; at + cells.length <= bytes.length; at++)
      if (cells.every((cell, i) => matches(cell, bytes[at + i]!))) found.push(`${row}:${at}`)
  return found.sort()
}

/** What the scanner tells, window by window; each must tell what it owns, and nothing twice. */
function scanned(strings: readonly RuleString[], bytes: Uint8Array, cuts: readonly number[]): string[] {
  const tables = compileStrings(strings, 'embedded')
  const first = strings[0]!.id
  const found: string[] = []
  const ends = [...cuts.filter(cut => cut < bytes.length).sort((a, b) => a - b), bytes.length]
  // as they lie, for the alignment is what is tried
  const read = (from: number, to: number): Uint8Array => bytes.subarray(from, to)
  scanInWindows(tables, bytes.length, read, ends, (part, offset) =>
    found.push(`${tables.string[part]! - first}:${offset}`),
  )
  return found.sort()
}

const byWordsOf = (strings: readonly RuleString[]): number => planStrings(strings, false).words.rows.length
const byPairsOf = (strings: readonly RuleString[]): number =>
  planStrings(strings, false).pairs.reduce((sum, { length }) => sum + length, 0)

const ALL_BYTES = Array.from({ length: 256 }, (_, each) => each)

/** Few values, so that rows have words in common and nearly match everywhere. */
const byte = fc.constantFrom(0x61, 0x62, 0x41, 0x00, 0x01, 0x21, 0xff)
const masked = fc.record({ value: byte, mask: fc.constantFrom(0xf0, 0x0f), negated: fc.boolean() })
const any = fc.constant(-1)
const longRow = fc.array(fc.oneof({ weight: 12, arbitrary: byte }, { weight: 1, arbitrary: any }), {
  minLength: 7,
  maxLength: 24,
})
const shortRow = fc.array(fc.oneof({ weight: 4, arbitrary: byte }, any, masked), {
  minLength: 1,
  maxLength: 24,
})
const hexRow = fc
  .oneof<fc.Arbitrary<Cell[]>[]>(longRow, shortRow)
  .filter(cells => cells[0] !== -1 && cells.at(-1) !== -1)
const caselessRow = fc
  .array(fc.constantFrom(0x61, 0x62, 0x41, 0x7a, 0x5b, 0x21), { minLength: 7, maxLength: 20 })
  .map(bytes =>
    bytes.map((each): Cell => (/[a-z]/i.test(String.fromCharCode(each)) ? { letter: each } : each)),
  )
  .filter(cells => cells.some(each => typeof each !== 'number'))
const rows = fc.array(fc.oneof({ weight: 3, arbitrary: hexRow }, { weight: 1, arbitrary: caselessRow }), {
  minLength: 1,
  maxLength: 12,
})

type Piece =
  | readonly number[]
  | { readonly zeros: number }
  | {
      readonly row: number
      readonly skip: number
      readonly drop: number
      readonly other: boolean
      readonly fill: number
    }

/** Bytes in which rows stand whole, cut off, side by side, over each other, and between pages of zeros. */
const piece: fc.Arbitrary<Piece> = fc.oneof(
  fc.record({ row: fc.nat(11), skip: fc.nat(3), drop: fc.nat(3), other: fc.boolean(), fill: byte }),
  fc.array(byte, { maxLength: 12 }),
  fc.constantFrom(PAGE - 3, 2 * PAGE, 3 * PAGE + 5).map(length => ({ zeros: length })),
)

function laidOut(all: readonly (readonly Cell[])[], pieces: readonly Piece[]): number[] {
  return pieces.flatMap(each => {
    if ('zeros' in each) return Array.from({ length: each.zeros }, () => 0)
    if (!('row' in each)) return each
    const cells = all[each.row % all.length]!
    return cells.slice(each.skip, cells.length - each.drop).map(one => byteOf(one, each.other, each.fill))
  })
}

/** The same bytes at an address of that remainder by eight, with more of the like around them. */
function placed(bytes: readonly number[], remainder: number, around: number): Uint8Array {
  const buffer = new Uint8Array(bytes.length + 16).fill(around)
  buffer.set(bytes, remainder)
  return buffer.subarray(remainder, remainder + bytes.length)
}

describe('rows that are found by words and by pairs', () => {
  it('are told once at each place, whatever the alignment and however windows are cut', () => {
    let byWords = 0
    let byPairs = 0
    fc.assert(
      fc.property(
        rows,
        fc.array(piece, { minLength: 1, maxLength: 12 }),
        fc.nat(7),
        byte,
        fc.array(fc.nat(400), { maxLength: 4 }),
        (all, pieces, remainder, around, cuts) => {
          const strings = stringsOf(all)
          byWords += byWordsOf(strings)
          byPairs += byPairsOf(strings)
          const bytes = placed(laidOut(all, pieces), remainder, around)
          expect(scanned(strings, bytes, cuts)).toEqual(naive(all, bytes))
        },
      ),
      { numRuns: 100 * Number(process.env['VMSIFT_RULE_RUNS'] ?? 1) },
    )
    expect(byWords).toBeGreaterThan(0)
    expect(byPairs).toBeGreaterThan(0)
  })

  it('are found at every place of a large window, and in windows that barely hold them', () => {
    const text = (value: string): Cell[] => [...Buffer.from(value)]
    const all = [text('needle!'), text('needle-in-a-haystack'), text('xneedle')]
    const strings = stringsOf(all)
    expect(byWordsOf(strings)).toBe(all.length)
    const bytes = new Uint8Array(LARGE).fill(0x2e)
    for (let at = 0; at + 40 < LARGE; at += 4093) Buffer.from('needle-in-a-haystack').copy(bytes, at)
    for (let power = 10; 2 ** power < LARGE; power++)
      for (let edge = 2 ** power; edge + 20 < LARGE; edge += 2 ** power)
        if (power > 13 || edge === 2 ** power) Buffer.from('xneedle!').copy(bytes, edge - (power % 9))
    Buffer.from('needle!').copy(bytes, LARGE - 7)
    const wanted = naive(all, bytes)
    expect(scanned(strings, bytes, [])).toEqual(wanted)
    expect(scanned(strings, bytes, [1, 7, 4096, 65_536, 65_543, 262_143, 262_150, LARGE - 7])).toEqual(wanted)
    for (let length = 0; length < 12; length++) {
      const few = Buffer.from('..needle!..').subarray(2, 2 + length)
      expect(scanned(strings, few, [])).toEqual(naive(all, few))
    }
  })

  it('may be hundreds with the same word', () => {
    const all = Array.from({ length: 500 }, (_, i): Cell[] => [...Buffer.from(`common-${i.toString(36)}.`)])
    const strings = stringsOf(all)
    expect(byWordsOf(strings)).toBe(all.length)
    const bytes = Buffer.from(all.map(cells => String.fromCharCode(...(cells as number[]))).join(' '))
    expect(scanned(strings, bytes, [1000, 1001, 3000])).toEqual(naive(all, bytes))
  })

  it('that are one byte over and over, or two by turns, are found otherwise', () => {
    const all = [
      Array.from({ length: 8 }, () => 0x61),
      Array.from({ length: 9 }, (_, i) => (i % 2 === 0 ? 0x61 : 0x62)),
      Array.from({ length: 10 }, () => 0),
    ]
    const strings = stringsOf(all)
    expect(byWordsOf(strings)).toBe(0)
    const bytes = Buffer.from(`${'a'.repeat(20)}${'ab'.repeat(10)}${'\0'.repeat(3 * PAGE)}${'a'.repeat(9)}`)
    expect(scanned(strings, bytes, [13, 27, 5000])).toEqual(naive(all, bytes))
  })

  it('that are short are found at every place of a large window, and to its last byte', () => {
    const all: Cell[][] = [
      [0x21],
      [0x21, 0x3f],
      [{ value: 0x30, mask: 0xf0, negated: false }],
      [0x2e, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0x21],
      [0x00, 0x21],
    ]
    const strings = stringsOf(all)
    expect(byPairsOf(strings)).toBe(all.length)
    const bytes = new Uint8Array(LARGE).fill(0x2e)
    for (let at = 0; at + 2 < LARGE; at += 4093) bytes.set([0x21, 0x3f], at)
    bytes.fill(0, 3 * PAGE, 7 * PAGE)
    for (let power = 13; 2 ** power < LARGE; power++)
      for (let edge = 2 ** power; edge + 1 < LARGE; edge += 2 ** power) bytes[edge - (power & 1)] = 0x21
    bytes[LARGE - 1] = 0x21
    const wanted = naive(all, bytes)
    expect(scanned(strings, bytes, [])).toEqual(wanted)
    expect(scanned(strings, bytes, [1, 2, 4096, 65_536, 262_143, 262_144, LARGE - 1])).toEqual(wanted)
  })

  it('may be thousands with the same pair, at each byte', () => {
    const all = Array.from({ length: 3000 }, (_, i): Cell[] => [
      0x61,
      0x61,
      { value: i & 15, mask: 0x0f, negated: i % 2 === 0 },
    ])
    const strings = stringsOf(all)
    const bytes = Buffer.from(`${'a'.repeat(40)}${'\0'.repeat(9)}aab`)
    expect(scanned(strings, bytes, [20])).toEqual(naive(all, bytes))
  })

  it.each([0, 1, 40, 1 << 21])('with no more than %s links in their lists, pairs find the same', links => {
    fc.assert(
      fc.property(
        fc.array(shortRow, { minLength: 1, maxLength: 8 }),
        fc.array(piece, { minLength: 1, maxLength: 6 }),
        (all, pieces) => {
          const pairRows = all.map((cells, part) => {
            const sets = cells.map(cell => setOf(ALL_BYTES.filter(each => matches(cell, each))))
            return { ...pairRowOf(sets, 0, undefined), part, sub: 0, whole: true }
          })
          const bytes = Uint8Array.from(laidOut(all, pieces))
          const found: string[] = []
          const table = pairTableOf(pairRows, links)
          const finder = new PairFinder(table, (row, at) => found.push(`${row}:${at}`))
          finder.scan(bytes, 0, bytes.length)
          // of longer rows sixteen bytes are compared
          const compared = pairRows.map(({ sets, distance }) => ({ sets, distance }))
          const wanted = compared.flatMap(({ sets, distance }, row) =>
            [...bytes.keys()]
              .filter(at => at + sets.length <= bytes.length)
              .filter(at => sets.every((set, i) => setHas(set, bytes[at + i]!)))
              .map(at => `${row}:${at + distance}`),
          )
          expect(found.sort()).toEqual(wanted.sort())
        },
      ),
      { numRuns: 30 * Number(process.env['VMSIFT_RULE_RUNS'] ?? 1) },
    )
  })
})
