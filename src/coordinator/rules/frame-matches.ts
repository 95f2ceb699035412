/**
 * What workers find of rules' strings in frames, each frame once, and where frames meet: kept as it is found, and put together space by space
 * when that space is evaluated. So memory follows the frames, not how often they are mapped. docs/DECISIONS.md, "YARA rules over many spaces".
 */
import { PAGE_BYTES } from '../../core/address.js'
import type { Gathered } from '../../rules/search/gather.js'
import { GIVEN_UP, GREEDY, type StringTables } from '../../rules/search/tables.js'
import type { CrossingColumns, StringColumns } from '../../scan/messages.js'
import { GrowingDoubles, GrowingWords } from '../../space/growing.js'
import { PageIndex } from '../../space/page-index.js'
import { orderByPage } from '../../space/page-order.js'
import type { PlacedExtents } from '../../space/rule-plan.js'

/** Matches that are kept of all strings, within frames and across them: 600 MB. Past that a part keeps a few only. */
const MAX_WITHIN = 16 << 20
const MAX_ACROSS = 8 << 20
const FEW = 1000
/** Matches that are put in one space, and in all of them: hostile tables map one frame a million times. */
const MAX_PLACED = 1 << 26
const MAX_PLACED_IN_ALL = 2 ** 30

export class FrameMatches {
  /** Parts of which not every match was kept. */
  readonly limited = new Set<number>()
  readonly #tables: StringTables
  readonly #counts: Uint32Array
  #part = new GrowingWords()
  #gpa = new GrowingDoubles()
  #length = new GrowingWords()
  #byPage = new PageIndex(new Float64Array(0), 0)
  readonly #acrossPart = new GrowingWords()
  readonly #acrossAddress = new GrowingDoubles()
  readonly #acrossLength = new GrowingWords()
  readonly #acrossOrder = new GrowingWords()
  #acrossSorted: Uint32Array | undefined
  #placedInAll = 0

  constructor(tables: StringTables) {
    this.#tables = tables
    this.#counts = new Uint32Array(tables.flags.length)
  }

  /** Takes matches that lie within frames, at guest physical addresses. */
  add({ count, part, gpa, length }: StringColumns): void {
    for (let i = 0; i < count; i++) {
      const index = part[i] as number
      if (length[i] === GIVEN_UP) {
        this.limited.add(index)
        continue
      }
      if (!this.#hasRoom(index, this.#part.count, MAX_WITHIN)) continue
      this.#part.push(index)
      this.#gpa.push(gpa[i] as number)
      this.#length.push(length[i] as number)
    }
  }

  /** Takes matches that lie across frames, at laid-out addresses. */
  addCrossings({ count, part, address, length, order }: CrossingColumns): void {
    for (let i = 0; i < count; i++) {
      const index = part[i] as number
      if (!this.#hasRoom(index, this.#acrossPart.count, MAX_ACROSS)) continue
      this.#acrossPart.push(index)
      this.#acrossAddress.push(address[i] as number)
      this.#acrossLength.push(length[i] as number)
      this.#acrossOrder.push(order[i] as number)
    }
  }

  #hasRoom(part: number, total: number, most: number): boolean {
    const count = this.#counts[part] as number
    if (total >= most && count >= FEW) {
      this.limited.add(part)
      return false
    }
    this.#counts[part] = count + 1
    return true
  }

  /** Parts that have matches. */
  get parts(): number[] {
    return [...this.#counts.keys()].filter(part => this.#counts[part] !== 0)
  }

  /** To be called when all is taken, before anything is placed. */
  sort(): void {
    const count = this.#gpa.count
    const order = orderByPage(this.#gpa.values, count)
    const part = new GrowingWords(Math.max(1, count))
    const gpa = new GrowingDoubles(Math.max(1, count))
    const length = new GrowingWords(Math.max(1, count))
    for (const at of order) {
      part.push(this.#part.at(at))
      gpa.push(this.#gpa.at(at))
      length.push(this.#length.at(at))
    }
    this.#part = part
    this.#gpa = gpa
    this.#length = length
    this.#byPage = new PageIndex(gpa.values, count)
    this.#acrossSorted = orderByPage(this.#acrossAddress.values, this.#acrossAddress.count)
  }

  /**
   * Adds what lies within the frames of `extents`, at laid-out addresses. `wanted`: which parts. False: there is more than is placed.
   */
  placeWithin(extents: PlacedExtents, gathered: Gathered, wanted: (part: number) => boolean): boolean {
    const { gpa: starts, length: lengths, address } = extents
    const gpas = this.#gpa.values
    const { count } = this.#gpa
    if (count === 0) return true
    let left = Math.min(MAX_PLACED, MAX_PLACED_IN_ALL - this.#placedInAll)
    for (let i = 0; i < starts.length; i++) {
      const start = starts[i] as number
      const end = start + (lengths[i] as number)
      const shift = (address[i] as number) - start
      const lastPageEnd = pageEnd(end)
      // only pages are in order; extents begin with one
      for (let at = this.#byPage.firstFrom(start); at < count; at++) {
        const gpa = gpas[at] as number
        if (gpa >= lastPageEnd) break
        if (gpa >= end) continue
        const part = this.#part.at(at)
        if (!wanted(part)) continue
        if (left-- <= 0) return false
        this.#placedInAll++
        gathered.add(part, gpa + shift, this.#length.at(at))
      }
    }
    return true
  }

  /** Adds what lies across frames at `from` ≤ address < `to`, one match a place; returns the parts that have some. */
  placeAcross(from: number, to: number, gathered: Gathered): Set<number> {
    const sorted = this.#acrossSorted
    const addresses = this.#acrossAddress.values
    const here =
      sorted?.slice(lowest(sorted, addresses, from), lowest(sorted, addresses, pageEnd(to))) ??
      new Uint32Array(0)
    const parts = this.#acrossPart.values
    const orders = this.#acrossOrder.values
    here.sort(
      (a, b) =>
        (parts[a] as number) - (parts[b] as number) ||
        (addresses[a] as number) - (addresses[b] as number) ||
        (orders[a] as number) - (orders[b] as number),
    )
    const found = new Set<number>()
    for (let i = 0; i < here.length; ) {
      const index = here[i] as number
      const part = parts[index] as number
      let end = i + 1
      while (
        end < here.length &&
        parts[here[end] as number] === part &&
        addresses[here[end] as number] === addresses[index]
      )
        end++
      const greedy = ((this.#tables.flags[part] as number) & GREEDY) !== 0
      const chosen = here[greedy ? end - 1 : i] as number
      gathered.add(part, addresses[chosen] as number, this.#acrossLength.at(chosen))
      found.add(part)
      i = end
    }
    return found
  }
}

/** Index of the first address, in `order` of their pages, that is not below `wanted`, a page's first byte. */
function lowest(order: Uint32Array, addresses: Float64Array, wanted: number): number {
  let low = 0
  let high = order.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((addresses[order[middle] as number] as number) < wanted) low = middle + 1
    else high = middle
  }
  return low
}

/** The end of the page that a range's last byte lies in. */
function pageEnd(end: number): number {
  return Math.ceil(end / PAGE_BYTES) * PAGE_BYTES
}
