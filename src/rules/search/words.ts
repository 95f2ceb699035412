/**
 * Strings that hold seven known bytes in a row are found by the aligned words of memory: whatever the alignment, one whole word of four
 * bytes lies within the seven. So memory is looked at a word at a time, which is several times faster than any search byte by byte,
 * and however many strings there are. Eleven bytes hold one of every other word, in half of the time. Letters are folded, so that strings
 * which ignore case are among them.
 */
import { setMembers } from '../../patterns/byte-set.js'
import type { ByteSet } from '../../patterns/node.js'
import { isCaseless } from './rows.js'
import { sharedColumn } from './shared-column.js'
import { FOLD, foldedWord, HASH, SECOND_HASH, WORD_BYTES, type WordCounts } from './word-counts.js'

/** From one word that is looked at to the next. */
export type Stride = 4 | 8
/** Where in a row a word may begin. */
const PHASES = 8
/** Bytes in a row that hold a whole word at any alignment. */
export const rowBytes = (stride: Stride): number => WORD_BYTES + stride - 1
export const MOST_ROW_BYTES = rowBytes(8)
/** Bytes of a row that are compared at first. */
export const comparedBytes = (stride: Stride): number => Math.min(8, rowBytes(stride))
/** Bytes of a row and around it that are compared before anything else is done. */
export const CHECK_BYTES = 16
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

/** Rows that are looked for together. */
export interface WordRows {
  readonly stride: Stride
  readonly rows: readonly WordRow[]
}

/** These rows, ready to be looked for. Columns lie in shared memory. */
export interface WordTable {
  /**
   * What scanners/word-search.wat works on, as it lies in its memory from address 0 on: the filter, blocks of 64 bits; slots, four numbers
   * each (a folded word, 0: free; where its uses begin and end); uses, the first folded bytes of a row, and from byte 8 on its index times
   * eight plus where in the row the word begins; rows (`ROW_RECORD` bytes each).
   */
  readonly image: Uint8Array
  readonly stride: Stride
  /** Of the hash of a word, the upper bits; how far it is shifted down to tell a block of the filter, and a slot. */
  readonly filterShift: number
  readonly slotShift: number
  /** Addresses. */
  readonly slots: number
  readonly rows: number
  /** At most so many rows have one word. */
  readonly mostUses: number
  /** By row. */
  readonly part: Uint32Array
  readonly sub: Uint32Array
  /** From the first compared byte to the place that is to be verified. */
  readonly distance: Int32Array
  /** Compared bytes. */
  readonly length: Uint8Array
}

/** Bytes that are one value, or a letter in both cases (mask 0xdf); mask 0: neither. */
export interface KnownBytes {
  readonly values: Uint8Array
  readonly masks: Uint8Array
}

/** The row by which these bytes are found, undefined where there is none that is seldom enough. `offset`: the place to be verified. */
export function wordRowOf(
  { values, masks }: KnownBytes,
  offset: number,
  stride: Stride,
  counts: WordCounts | undefined,
): Omit<WordRow, 'part' | 'sub'> | undefined {
  let best = -1
  let bestCost = Number.POSITIVE_INFINITY
  const most = counts === undefined ? 0 : counts.total / SELDOM
  const length = rowBytes(stride)
  let run = 0
  for (let end = 1; end <= values.length; end++) {
    run = masks[end - 1] === 0 ? 0 : run + 1
    if (run < length) continue
    const cost = costOf(values, end - length, stride, bestCost, counts)
    if (cost >= bestCost) continue
    best = end - length
    bestCost = cost
    // nothing is cheaper
    if (cost === 0) break
  }
  if (best < 0 || bestCost > most + DULLEST) return undefined
  let from = best
  let to = best + length
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

/** How often the row's words are seen; among rows that are not, those of many different bytes are best. From `enough` on it may be less. */
function costOf(
  values: Uint8Array,
  at: number,
  stride: Stride,
  enough: number,
  counts: WordCounts | undefined,
): number {
  let cost = 0
  for (let word = at; word < at + stride; word++) {
    const folded = foldedWord(values, word)
    // zeros, and other bytes over and over
    if (folded === ((folded << 8) | (folded >>> 24))) return Number.POSITIVE_INFINITY
    cost += counts?.of(folded) ?? 0
  }
  if (cost >= enough) return cost
  const length = rowBytes(stride)
  const distinct = distinctBytes(values, at, at + length)
  return distinct < 3 ? Number.POSITIVE_INFINITY : cost + (DULLEST * (length - distinct)) / length
}

function distinctBytes(values: Uint8Array, from: number, to: number): number {
  let count = 0
  for (let i = from; i < to; i++) if (values.indexOf(values[i] as number, from) === i) count++
  return count
}

/** What is known of bytes of these sets. */
export function knownBytes(sets: readonly ByteSet[]): KnownBytes {
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

/** Log2 of the bits of the filter for each word, so that one in some hundred others passes it. */
const FILTER_SPARE = 5
/** 256 KiB: more would not stay near the processor. */
const MOST_FILTER_BITS = 21
const SLOT_BYTES = 16
const USE_BYTES = 16
/** Sixteen values, sixteen masks, known bytes before the row, known bytes in all, and as many as are left. */
const ROW_RECORD = 48

/** Lays rows out. */
export function wordTableOf({ stride, rows }: WordRows): WordTable {
  const uses = new Map<number, number[]>()
  for (const [index, { values, row }] of rows.entries())
    for (let phase = 0; phase < stride; phase++) {
      const word = foldedWord(values, row + phase)
      const known = uses.get(word)
      const use = index * PHASES + phase
      if (known === undefined) uses.set(word, [use])
      else known.push(use)
    }
  const filterBits = Math.min(MOST_FILTER_BITS, Math.max(9, bitsOf(uses.size) + FILTER_SPARE))
  const slotBits = bitsOf(uses.size) + 1
  const slotsAt = 2 ** (filterBits - 3)
  const usesAt = slotsAt + SLOT_BYTES * 2 ** slotBits
  const rowsAt = usesAt + USE_BYTES * stride * rows.length
  const image = new Uint8Array(new SharedArrayBuffer(rowsAt + ROW_RECORD * rows.length))
  const table = new DataView(image.buffer)
  let next = usesAt
  let mostUses = 0
  for (const [word, list] of uses) {
    filterWord(table, word, filterBits)
    let slot = Math.imul(word, HASH) >>> (32 - slotBits)
    while (table.getInt32(slotsAt + slot * SLOT_BYTES, true) !== 0) slot = (slot + 1) & (2 ** slotBits - 1)
    const at = slotsAt + slot * SLOT_BYTES
    table.setInt32(at, word, true)
    table.setUint32(at + 4, next, true)
    for (const use of list) {
      const { values, row } = rows[Math.floor(use / PHASES)] as WordRow
      for (let i = 0; i < comparedBytes(stride); i++)
        image[next + i] = (values[row + i] as number) | (FOLD & 0xff)
      table.setUint32(next + 8, use, true)
      next += USE_BYTES
    }
    table.setUint32(at + 8, next, true)
    mostUses = Math.max(mostUses, list.length)
  }
  for (const [index, { values, masks, row }] of rows.entries()) {
    const at = rowsAt + index * ROW_RECORD
    for (let i = 0; i < values.length; i++) image[at + i] = (values[i] as number) & (masks[i] as number)
    image.set(masks, at + CHECK_BYTES)
    table.setUint32(at + 2 * CHECK_BYTES, row, true)
    table.setUint32(at + 2 * CHECK_BYTES + 4, values.length, true)
  }
  return {
    image,
    stride,
    filterShift: 32 - (filterBits - 6) - 3,
    slotShift: 32 - slotBits,
    slots: slotsAt,
    rows: rowsAt,
    mostUses,
    part: sharedColumn(
      Uint32Array,
      rows.map(({ part }) => part),
    ),
    sub: sharedColumn(
      Uint32Array,
      rows.map(({ sub }) => sub),
    ),
    distance: sharedColumn(
      Int32Array,
      rows.map(({ distance }) => distance),
    ),
    length: sharedColumn(
      Uint8Array,
      rows.map(({ values }) => values.length),
    ),
  }
}

/** Sets two bits of the block that a word's hash tells. */
function filterWord(table: DataView, word: number, filterBits: number): void {
  const block = (Math.imul(word, HASH) >>> (32 - (filterBits - 6))) * 8
  const bits = Math.imul(word, SECOND_HASH)
  for (const bit of [bits >>> 26, (bits >>> 20) & 63]) {
    const byte = block + (bit >>> 3)
    table.setUint8(byte, table.getUint8(byte) | (1 << (bit & 7)))
  }
}

/** Log2 of `count`, rounded up. */
function bitsOf(count: number): number {
  return Math.ceil(Math.log2(Math.max(2, count)))
}
