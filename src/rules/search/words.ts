/**
 * Strings that hold seven known bytes in a row are found by the aligned words of memory: whatever the alignment, one whole word of four
 * bytes lies within the seven. So memory is looked at a word at a time, which is several times faster than any search byte by byte,
 * and however many strings there are. Letters are folded, so that strings which ignore case are among them.
 */
import { setMembers } from '../../patterns/byte-set.js'
import type { ByteSet } from '../../patterns/node.js'
import { isCaseless } from './rows.js'
import { FOLD, foldedWord, HASH, type WordCounts } from './word-counts.js'

export const WORD_BYTES = 4
/** Bytes in a row that hold a whole word at any alignment. */
export const ROW_BYTES = 2 * WORD_BYTES - 1
/** Bytes of a row and around it that are compared before anything else is done. */
const CHECK_BYTES = 16
/** One in so many words of memory may be one of a row's. */
const SELDOM = 1 << 14

/** A row that is looked for. */
export interface WordRow {
  readonly part: number
  readonly sub: number
  /** The bytes that are compared, under masks: the row and what is known around it. */
  readonly values: Uint8Array
  readonly masks: Uint8Array
  /** Where in these the row begins. */
  readonly row: number
  /** From the first of these bytes to the place that is to be verified. */
  readonly distance: number
}

/** All rows, ready to be looked for. Columns lie in shared memory. */
export interface WordTable {
  /** Of every word of a row, one bit; its index is the upper bits of a hash. */
  readonly bits: Int32Array
  /** Open addressing by the same hash, four numbers a slot: a folded word (0: free), and where its `uses` begin and end. */
  readonly slots: Int32Array
  /** Two numbers a use: row and, in the lowest two bits, where in it the word begins; the row's other bytes, folded. */
  readonly uses: Int32Array
  /** By row. */
  readonly part: Uint32Array
  readonly sub: Uint32Array
  readonly distance: Int32Array
  /** From the first compared byte to the row. */
  readonly row: Uint8Array
  /** Where the compared bytes begin in `values` and `masks`; one more for the end. */
  readonly firstByte: Uint32Array
  readonly values: Uint8Array
  readonly masks: Uint8Array
}

interface Known {
  readonly values: Uint8Array
  readonly masks: Uint8Array
}

/** The row by which these bytes are found, undefined where there is none that is seldom enough. `offset`: the place to be verified. */
export function wordRowOf(
  sets: readonly ByteSet[],
  offset: number,
  counts: WordCounts | undefined,
): Omit<WordRow, 'part' | 'sub'> | undefined {
  const { values, masks } = knownBytes(sets)
  let best = -1
  let bestCost = Number.POSITIVE_INFINITY
  const most = counts === undefined ? 0 : counts.total / SELDOM
  let run = 0
  for (let end = 1; end <= values.length; end++) {
    run = masks[end - 1] === 0 ? 0 : run + 1
    if (run < ROW_BYTES) continue
    const cost = costOf(values, end - ROW_BYTES, counts)
    if (cost < bestCost) {
      best = end - ROW_BYTES
      bestCost = cost
    }
  }
  if (best < 0 || bestCost > most + DULLEST) return undefined
  let from = best
  let to = best + ROW_BYTES
  while (to - from < CHECK_BYTES && to < values.length && masks[to] !== 0) to++
  while (to - from < CHECK_BYTES && from > 0 && masks[from - 1] !== 0) from--
  return {
    values: values.slice(from, to),
    masks: masks.slice(from, to),
    row: best - from,
    distance: offset - from,
  }
}

/** What a row costs for being dull, at most; less than that of a single byte over and over. */
const DULLEST = 1

/** How often the row's words are seen; among rows that are not, those of many different bytes are best. */
function costOf(values: Uint8Array, at: number, counts: WordCounts | undefined): number {
  let cost = 0
  for (let word = at; word < at + WORD_BYTES; word++) {
    const folded = foldedWord(values, word)
    // zeros, and other bytes over and over
    if (folded === ((folded << 8) | (folded >>> 24))) return Number.POSITIVE_INFINITY
    cost += counts?.of(folded) ?? 0
  }
  const distinct = new Set(values.subarray(at, at + ROW_BYTES)).size
  return distinct < 3 ? Number.POSITIVE_INFINITY : cost + (DULLEST * (ROW_BYTES - distinct)) / ROW_BYTES
}

/** Bytes that are one value, or a letter in both cases; mask 0: neither. */
function knownBytes(sets: readonly ByteSet[]): Known {
  const values = new Uint8Array(sets.length)
  const masks = new Uint8Array(sets.length)
  for (const [at, set] of sets.entries()) {
    const { value, mask } = knownByte(set)
    values[at] = value
    masks[at] = mask
  }
  return { values, masks }
}

const KNOWN = new WeakMap<ByteSet, { readonly value: number; readonly mask: number }>()

function knownByte(set: ByteSet): { readonly value: number; readonly mask: number } {
  let known = KNOWN.get(set)
  if (known === undefined) {
    const members = setMembers(set)
    known = { value: members[0] ?? 0, mask: members.length === 1 ? 0xff : isCaseless(set) ? 0xdf : 0 }
    KNOWN.set(set, known)
  }
  return known
}

/** 128 KiB of bits: more would not stay near the processor. */
const MAX_BIT_BITS = 20

export const SLOT_NUMBERS = 4
export const USE_NUMBERS = 2

/** The three bytes of a row that are not of its word which begins at `phase`: folded, in their order. */
export function othersOf(bytes: Uint8Array, row: number, phase: number): number {
  const first = bytes[row + (phase > 0 ? 0 : WORD_BYTES)] as number
  const second = bytes[row + (phase > 1 ? 1 : WORD_BYTES + 1)] as number
  const third = bytes[row + (phase > 2 ? 2 : WORD_BYTES + 2)] as number
  return (first | (second << 8) | (third << 16) | (FOLD & 0xffffff)) >>> 0
}

/** Lays rows out. */
export function wordTableOf(rows: readonly WordRow[]): WordTable {
  const uses = new Map<number, number[]>()
  for (const [index, { values, row }] of rows.entries())
    for (let phase = 0; phase < WORD_BYTES; phase++) {
      const word = foldedWord(values, row + phase)
      const known = uses.get(word)
      const use = index * WORD_BYTES + phase
      if (known === undefined) uses.set(word, [use])
      else known.push(use)
    }
  const keyBits = bitsFor(uses.size, 2)
  const bitBits = Math.min(MAX_BIT_BITS, bitsFor(uses.size, 32))
  const bits = column(Int32Array, 2 ** (bitBits - 5))
  const slots = column(Int32Array, SLOT_NUMBERS * 2 ** keyBits)
  const flat = column(Int32Array, rows.length * WORD_BYTES * USE_NUMBERS)
  let next = 0
  for (const [word, list] of uses) {
    const bit = Math.imul(word, HASH) >>> (32 - bitBits)
    bits[bit >>> 5] = (bits[bit >>> 5] as number) | (1 << (bit & 31))
    let slot = Math.imul(word, HASH) >>> (32 - keyBits)
    while (slots[slot * SLOT_NUMBERS] !== 0) slot = (slot + 1) & (2 ** keyBits - 1)
    const first = next
    for (const use of list) {
      const { values, row } = rows[use >>> 2] as WordRow
      flat[next++] = use
      flat[next++] = othersOf(values, row, use & 3)
    }
    slots.set([word, first, next], slot * SLOT_NUMBERS)
  }
  const firstByte = column(Uint32Array, rows.length + 1)
  for (const [at, { values }] of rows.entries()) firstByte[at + 1] = (firstByte[at] as number) + values.length
  const total = firstByte[rows.length] as number
  const values = column(Uint8Array, total)
  const masks = column(Uint8Array, total)
  for (const [at, each] of rows.entries()) {
    masks.set(each.masks, firstByte[at])
    values.set(
      each.values.map((value, i) => value & (each.masks[i] as number)),
      firstByte[at],
    )
  }
  const filled = <Column extends Uint32Array | Int32Array | Uint8Array>(
    into: Column,
    of: (row: WordRow) => number,
  ): Column => {
    for (const [at, row] of rows.entries()) into[at] = of(row)
    return into
  }
  return {
    bits,
    slots,
    uses: flat,
    part: filled(column(Uint32Array, rows.length), ({ part }) => part),
    sub: filled(column(Uint32Array, rows.length), ({ sub }) => sub),
    distance: filled(column(Int32Array, rows.length), ({ distance }) => distance),
    row: filled(column(Uint8Array, rows.length), ({ row }) => row),
    firstByte,
    values,
    masks,
  }
}

/** Bits of an index that leaves `spare` places for each of `count`. */
function bitsFor(count: number, spare: number): number {
  return Math.max(10, Math.ceil(Math.log2(Math.max(1, count) * spare)))
}

function column<Column extends Uint32Array | Int32Array | Uint8Array>(
  type: { new (buffer: SharedArrayBuffer): Column; readonly BYTES_PER_ELEMENT: number },
  length: number,
): Column {
  return new type(new SharedArrayBuffer(length * type.BYTES_PER_ELEMENT))
}
