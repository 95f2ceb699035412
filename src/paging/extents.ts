/** What an address space maps, as objects with bigint addresses. */
import { totalBytes } from '../core/runs.js'
import { collectExtents, type ExtentLimits } from './collect-extents.js'
import { ExtentColumns } from './extent-columns.js'
import type { PagingMode } from './mode.js'
import { type PageFlags, pageFlags, vaOf } from './translation.js'
import type { Walker } from './walker.js'

/** Consecutive addresses that lie one behind the other in physical memory, with the same permissions. */
export interface Extent {
  readonly va: bigint
  readonly gpa: number
  /** Bytes. */
  readonly length: number
  readonly flags: PageFlags
}

/** Extents in the order of addresses, the user's half first. */
export interface ExtentList extends Iterable<Extent> {
  readonly size: number
  /** The tables map more than a limit allows: what lies behind the last extent is not told. */
  readonly truncated: boolean
  /** The same as columns; the last row may reach beyond `to` when that is inside a page. */
  readonly columns: ExtentColumns
}

/** More extents than frames is a space that repeats itself. */
const MORE_EXTENTS = 65_536
const MAX_EXTENTS = 2 ** 23

/** See `AddressSpace.extents`. The walker must be set to the address space's tables. */
export function listExtents(walker: Walker, from: bigint, to: bigint, limits: ExtentLimits): ExtentList {
  const { mode, tables } = walker
  const frames = totalBytes(tables.memory.runs) / 2 ** mode.pageShift
  const columns = new ExtentColumns(limits.maxExtents ?? Math.min(frames + MORE_EXTENTS, MAX_EXTENTS))
  const [low, high] = [clamp(from), clamp(to)]
  let whole = true
  // addresses are unsigned, page numbers signed: what lies from 2^63 up is negative
  const split = 1n << 63n
  if (low < split && low < high)
    whole = collectExtents(
      walker,
      pageOf(mode, low),
      pageEnd(mode, high < split ? high : split),
      columns,
      limits,
    )
  if (whole && high > split && low < high && mode.canonical === 'signed') {
    const start = low > split ? low : split
    whole = collectExtents(
      walker,
      pageOf(mode, start - 2n * split),
      pageEnd(mode, high - 2n * split),
      columns,
      limits,
    )
  }
  return new Extents(mode, columns, !whole, low, high)
}

const clamp = (va: bigint): bigint => (va < 0n ? 0n : va > 1n << 64n ? 1n << 64n : va)

/** The page that holds an address. */
const pageOf = (mode: PagingMode, va: bigint): number => Number(va >> BigInt(mode.pageShift))

/** The first page that holds nothing before an exclusive end. */
const pageEnd = (mode: PagingMode, va: bigint): number => -Number(-va >> BigInt(mode.pageShift))

class Extents implements ExtentList {
  readonly columns: ExtentColumns
  readonly truncated: boolean
  readonly #mode: PagingMode
  readonly #from: bigint
  readonly #to: bigint

  constructor(mode: PagingMode, columns: ExtentColumns, truncated: boolean, from: bigint, to: bigint) {
    this.#mode = mode
    this.columns = columns
    this.truncated = truncated
    this.#from = from
    this.#to = to
  }

  get size(): number {
    return this.columns.size
  }

  *[Symbol.iterator](): Iterator<Extent> {
    const { vpn, gpa, pages, flags } = this.columns
    const pageBytes = 2 ** this.#mode.pageShift
    for (let row = 0; row < this.size; row++) {
      const va = vaOf(this.#mode, vpn[row] as number)
      const length = (pages[row] as number) * pageBytes
      // the range may begin and end inside a page
      const before = va < this.#from ? Number(this.#from - va) : 0
      const end = va + BigInt(length)
      const behind = end > this.#to ? Number(end - this.#to) : 0
      yield {
        va: va + BigInt(before),
        gpa: (gpa[row] as number) + before,
        length: length - before - behind,
        flags: pageFlags(flags[row] as number),
      }
    }
  }
}
