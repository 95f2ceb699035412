/**
 * Rows that are too short for words, or of which only some bytes are known, are found by two bytes side by side, wherever these begin: a
 * table of all pairs tells which rows may stand there, and what else is known of a row is compared at once. However many rows there are,
 * memory is looked at once.
 */
import { shareOfAll } from '../../patterns/anchors.js'
import { ANY_BYTE, setMembers } from '../../patterns/byte-set.js'
import type { ByteSet } from '../../patterns/node.js'
import { sharedColumn } from './shared-column.js'
import type { WordCounts } from './word-counts.js'

/** A row that is looked for. */
export interface PairRow {
  readonly part: number
  readonly sub: number
  /** What is compared. */
  readonly sets: readonly ByteSet[]
  /** Where in these the pair begins; its second byte may be any one, behind them. */
  readonly pair: number
  /** From the first of these bytes to the place that is to be verified. */
  readonly distance: number
  /** They are all there is to verify. */
  readonly whole: boolean
}

/** These rows, ready to be looked for. Columns lie in shared memory. */
export interface PairTable {
  /**
   * What scanners/pair-search.wat works on, as it lies in its memory from address 0 on: by pair, 1 where some row may stand there; the first link of
   * a list of rows by pair, by its first byte, and one for all places; links (address of a row, and of the next link); rows (`ROW_RECORD`); checks
   * (`CHECK`); sets of 256 bits. An address of 0 is none.
   */
  readonly image: Uint8Array
  /** At most so many rows have one pair. */
  readonly mostRows: number
  /** None of the rows stands in the midst of zeros. */
  readonly quiet: boolean
  /** By row. */
  readonly part: Uint32Array
  readonly sub: Uint32Array
  /** From the first compared byte to the place that is to be verified. */
  readonly distance: Int32Array
  /** Compared bytes. */
  readonly length: Uint8Array
  readonly whole: Uint8Array
}

/** Bytes that are compared at most. */
export const COMPARED_BYTES = 16
/** Pairs that a row takes up; what would take more stands in the list of its first byte. */
const MOST_PAIRS = 1024
/** Links of all lists: what comes beyond is looked for at every place. */
const MOST_LINKS = 1 << 21
/** What a pair costs that was not seen: the more different ones, the likelier are they met. */
const UNSEEN = 1 / 64

/** The row by which bytes of these sets are found. `offset`: the place to be verified. */
export function pairRowOf(
  sets: readonly ByteSet[],
  offset: number,
  counts: WordCounts | undefined,
): Omit<PairRow, 'part' | 'sub' | 'whole'> {
  let best = 0
  let bestCost = Number.POSITIVE_INFINITY
  for (let at = 0; at < sets.length; at++) {
    const cost = costOf(cellOf(sets[at] as ByteSet), cellOf(sets[at + 1] ?? ANY_BYTE), counts)
    if (cost >= bestCost) continue
    best = at
    bestCost = cost
  }
  const from = bestWindow(sets, best)
  const compared = sets.slice(from, from + COMPARED_BYTES)
  return { sets: compared, pair: best - from, distance: offset - from }
}

/** How often a pair is met: in samples, else roughly. */
function costOf(first: Cell, second: Cell, counts: WordCounts | undefined): number {
  const pairs = first.members.length * second.members.length
  const likely = first.share * second.share
  if (counts === undefined) return likely
  const seen = pairs > MOST_PAIRS ? likely * counts.total : counts.ofPairs(first.members, second.members)
  return seen + pairs * UNSEEN
}

/** Where the bytes that are compared begin: those around the pair of which most is known. */
function bestWindow(sets: readonly ByteSet[], pair: number): number {
  const last = Math.max(0, sets.length - COMPARED_BYTES)
  let best = Math.min(pair, last)
  let most = -1
  for (let from = best; from >= 0 && pair + 2 - from <= COMPARED_BYTES; from--) {
    let known = 0
    for (let at = from; at < Math.min(sets.length, from + COMPARED_BYTES); at++)
      known += 256 - cellOf(sets[at] as ByteSet).members.length
    if (known <= most) continue
    most = known
    best = from
  }
  return best
}

/** What is known of a byte of a set. */
interface Cell {
  readonly members: readonly number[]
  /** Every member has these bits. */
  readonly value: number
  readonly mask: number
  /** Nothing else has. */
  readonly exact: boolean
  /** How much of memory it is, roughly. */
  readonly share: number
}

const CELLS = new WeakMap<ByteSet, Cell>()

function cellOf(set: ByteSet): Cell {
  let cell = CELLS.get(set)
  if (cell === undefined) {
    const members = setMembers(set)
    const either = members.reduce((bits, byte) => bits | byte, 0)
    const all = members.reduce((bits, byte) => bits & byte, 0xff)
    const mask = 0xff & ~(either ^ all)
    let combinations = 1
    for (let bit = 1; bit < 256; bit <<= 1) if ((mask & bit) === 0) combinations *= 2
    cell = {
      members,
      value: all & mask,
      mask,
      exact: members.length === combinations,
      share: shareOfAll(members),
    }
    CELLS.set(set, cell)
  }
  return cell
}

const PAIRS = 1 << 16
const ADDRESS = 4
/** By pair, then by first byte. */
const LISTS_AT = PAIRS
const FIRSTS_AT = LISTS_AT + ADDRESS * PAIRS
const EVERYWHERE_AT = FIRSTS_AT + ADDRESS * 256
const LINKS_AT = EVERYWHERE_AT + 2 * ADDRESS
const LINK = 2 * ADDRESS
/** Sixteen values, sixteen masks, index, bytes before the pair, bytes in all, first check, end of checks; and three numbers' room. */
const ROW_RECORD = 64
/** Which byte, and the address of its set. */
const CHECK = 2 * ADDRESS
const SET_BYTES = 32

/** Lays rows out. `mostLinks` is for tests to lower. */
export function pairTableOf(rows: readonly PairRow[], mostLinks = MOST_LINKS): PairTable {
  const lists = new PairLists(mostLinks)
  for (const [index, { sets, pair }] of rows.entries())
    lists.add(index, cellOf(sets[pair] as ByteSet), cellOf(sets[pair + 1] ?? ANY_BYTE))
  // what masks do not tell is looked up in sets, equal ones once
  const checked = rows.map(({ sets }) => [...sets.keys()].filter(at => !cellOf(sets[at] as ByteSet).exact))
  const checkedSets = rows.flatMap(({ sets }, index) =>
    (checked[index] as number[]).map(at => sets[at] as ByteSet),
  )
  const distinct = new Map(checkedSets.map(set => [set.join(), set]))
  const placeOf = new Map([...distinct.keys()].map((key, place) => [key, place]))
  const links = lists.row.length - 1
  const rowsAt = LINKS_AT + LINK * links
  const checksAt = rowsAt + ROW_RECORD * rows.length
  const setsAt = checksAt + CHECK * checkedSets.length
  const image = new Uint8Array(new SharedArrayBuffer(setsAt + SET_BYTES * distinct.size))
  const table = new DataView(image.buffer)
  const linkAddress = (link: number): number => (link === 0 ? 0 : LINKS_AT + LINK * (link - 1))
  image.set(lists.filter)
  for (let pair = 0; pair < PAIRS; pair++)
    table.setUint32(LISTS_AT + ADDRESS * pair, linkAddress(lists.byPair[pair] as number), true)
  for (let first = 0; first < 256; first++)
    table.setUint32(FIRSTS_AT + ADDRESS * first, linkAddress(lists.byFirst[first] as number), true)
  table.setUint32(EVERYWHERE_AT, linkAddress(lists.everywhere), true)
  for (let link = 1; link <= links; link++) {
    table.setUint32(linkAddress(link), rowsAt + ROW_RECORD * (lists.row[link] as number), true)
    table.setUint32(linkAddress(link) + ADDRESS, linkAddress(lists.next[link] as number), true)
  }
  let check = checksAt
  for (const [index, { sets, pair }] of rows.entries()) {
    const at = rowsAt + ROW_RECORD * index
    for (const [i, set] of sets.entries()) {
      image[at + i] = cellOf(set).value
      image[at + COMPARED_BYTES + i] = cellOf(set).mask
    }
    const numbers = at + 2 * COMPARED_BYTES
    table.setUint32(numbers, index, true)
    table.setUint32(numbers + 4, pair, true)
    table.setUint32(numbers + 8, sets.length, true)
    table.setUint32(numbers + 12, check, true)
    for (const byte of checked[index] as number[]) {
      const place = placeOf.get((sets[byte] as ByteSet).join()) as number
      table.setUint32(check, byte, true)
      table.setUint32(check + ADDRESS, setsAt + SET_BYTES * place, true)
      check += CHECK
    }
    table.setUint32(numbers + 16, check, true)
  }
  for (const [place, set] of [...distinct.values()].entries())
    for (const [word, bits] of set.entries())
      table.setInt32(setsAt + SET_BYTES * place + 4 * word, bits, true)
  return {
    image,
    mostRows: lists.mostRows,
    quiet: !rows.some(standsInZeros),
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
      rows.map(({ sets }) => sets.length),
    ),
    whole: sharedColumn(
      Uint8Array,
      rows.map(({ whole }) => (whole ? 1 : 0)),
    ),
  }
}

/** Whether zeros are a row. */
export function standsInZeros({ sets }: Pick<PairRow, 'sets'>): boolean {
  return sets.every(set => ((set[0] ?? 0) & 1) === 1)
}

/** The rows of each pair. Lists share their ends: pairs with the same rows have the same list. A link's number counts from 1; 0 is the end. */
class PairLists {
  readonly filter = new Uint8Array(PAIRS)
  readonly byPair = new Uint32Array(PAIRS)
  readonly byFirst = new Uint32Array(256)
  everywhere = 0
  /** Of each link its row, the link behind it, and how many rows there are from here on. */
  readonly row: number[] = [0]
  readonly next: number[] = [0]
  readonly #rows: number[] = [0]
  readonly #mostLinks: number
  #most = [0, 0, 0]

  constructor(mostLinks: number) {
    this.#mostLinks = mostLinks
  }

  get mostRows(): number {
    return this.#most.reduce((sum, most) => sum + most, 0)
  }

  add(row: number, { members: firsts }: Cell, { members: seconds }: Cell): void {
    // links of this row, by the link behind them
    const made = new Map<number, number>()
    if (this.row.length > this.#mostLinks) {
      this.filter.fill(1)
      this.everywhere = this.#before(this.everywhere, row, made, 2)
      return
    }
    if (firsts.length * seconds.length > MOST_PAIRS) {
      for (const first of firsts) {
        if (this.byFirst[first] === 0)
          for (let second = 0; second < 256; second++) this.filter[first | (second << 8)] = 1
        this.byFirst[first] = this.#before(this.byFirst[first] as number, row, made, 1)
      }
      return
    }
    for (const first of firsts)
      for (const second of seconds) {
        const pair = first | (second << 8)
        this.filter[pair] = 1
        this.byPair[pair] = this.#before(this.byPair[pair] as number, row, made, 0)
      }
  }

  #before(next: number, row: number, made: Map<number, number>, kind: 0 | 1 | 2): number {
    const known = made.get(next)
    if (known !== undefined) return known
    const link = this.row.push(row) - 1
    this.next.push(next)
    const rows = (this.#rows[next] as number) + 1
    this.#rows.push(rows)
    this.#most[kind] = Math.max(this.#most[kind] as number, rows)
    made.set(next, link)
    return link
  }
}
