/** From page tables to the extents of an address space, and to what is absent of its mapped areas. */
import { PAGE_BYTES } from '../core/address.js'
import type { GapReason, PhysicalMemory } from '../core/memory.js'
import { type AbsentDecoderName, absentDecoder } from '../paging/absent.js'
import { collectExtents } from '../paging/collect-extents.js'
import type { PagingMode } from '../paging/mode.js'
import {
  DEMAND_ZERO,
  FRAME_OUTSIDE,
  MAPPED,
  SWAPPED,
  TABLE_OUTSIDE,
  TABLE_UNREADABLE,
} from '../paging/outcome.js'
import { tableBase } from '../paging/table-base.js'
import { TableCache } from '../paging/table-cache.js'
import { vpnOf } from '../paging/translation.js'
import { Walker } from '../paging/walker.js'
import { ExtentCollector, type SpaceExtents } from './extents.js'
import { GrowingDoubles, GrowingWords } from './growing.js'

/** How the page tables are to be read. */
export interface TableRules {
  readonly mode: PagingMode
  /** What entries without a valid bit mean; absent: not present. */
  readonly absent?: AbsentDecoderName
}

/** One half of one space. */
export interface SpaceQuery {
  readonly dtb: number
  readonly half: 'user' | 'kernel'
  /** As `ProcessSpace.areas`. */
  readonly areas?: Float64Array
}

/** Absent parts of a space's mapped areas, ascending. */
export interface AbsentColumns {
  /** Page number (4 KiB). */
  readonly vpn: Float64Array
  /** 4 KiB pages. */
  readonly pages: Float64Array
  /** Index into `ABSENT_REASONS`. */
  readonly reason: Uint32Array
  /** The entries of swapped pages, one a page of the mode, ascending; not all of them where there are too many. */
  readonly swapped: SwapEntryColumns
}

/** Entries of the last page tables that stand for swapped pages. */
export interface SwapEntryColumns {
  /** Page number (4 KiB). */
  readonly vpn: Float64Array
  readonly low: Uint32Array
  readonly high: Uint32Array
}

export const ABSENT_REASONS: readonly GapReason[] = ['not-present', 'swapped', 'unreadable', 'demand-zero']
const ABSENT_NOT_PRESENT = 0
/** Index of `swapped` in `ABSENT_REASONS`. */
export const ABSENT_SWAPPED = 1
const ABSENT_UNREADABLE = 2
const ABSENT_DEMAND_ZERO = 3

const REASON_OF: Readonly<Record<number, number>> = {
  [SWAPPED]: ABSENT_SWAPPED,
  [DEMAND_ZERO]: ABSENT_DEMAND_ZERO,
}

export interface EnumeratedSpace {
  readonly extents: SpaceExtents
  readonly absent: AbsentColumns
}

/** Absent ranges of one space at most; walks made for them at most. */
const MAX_ABSENT = 1 << 18
const MAX_WALKS = 1 << 22
/** Entries of swapped pages that are kept of one space: 4 GiB of small pages. */
const MAX_SWAPPED = 1 << 20
/** Hostile tables can take a second each: after so long, what is left is told as truncated. */
const MAX_MS = 20_000

/** Enumerates spaces over one memory. One a thread. */
export class SpaceEnumerator {
  readonly #memory: PhysicalMemory
  readonly #mode: PagingMode
  readonly #walker: Walker
  /** 4 KiB pages in the smallest page. */
  readonly #unit: number
  readonly #deadline = performance.now() + MAX_MS

  constructor(memory: PhysicalMemory, { mode, absent = 'none' }: TableRules) {
    this.#memory = memory
    this.#mode = mode
    this.#walker = new Walker(new TableCache(memory), mode, absentDecoder(absent))
    this.#unit = 2 ** mode.pageShift / PAGE_BYTES
  }

  enumerate(query: SpaceQuery): EnumeratedSpace {
    const table = tableBase(this.#mode, query.dtb)
    this.#walker.use(table, query.half === 'kernel' ? table : -1)
    const collector = new ExtentCollector(this.#memory.runs)
    const late = performance.now() > this.#deadline
    const [from, to] = this.#bounds(query.half)
    const unit = this.#unit
    const whole =
      !late &&
      collectExtents(this.#walker, from, to, {
        add: (vpn, gpa, pages) => collector.add(vpn * unit, gpa, pages * unit * PAGE_BYTES),
      })
    const extents = collector.finish(!whole)
    const absent = query.areas === undefined || late ? NOTHING_ABSENT : this.#absent(extents, query.areas)
    return { extents, absent }
  }

  /** First and exclusive last page of a half, in the mode's own pages. */
  #bounds(half: 'user' | 'kernel'): [number, number] {
    const { userEnd, kernelStart, canonical, vaBits, pageShift } = this.#mode
    if (half === 'user') return [0, Number(userEnd >> BigInt(pageShift))]
    return [vpnOf(this.#mode, kernelStart), canonical === 'signed' ? 0 : 2 ** (vaBits - pageShift)]
  }

  /** What lies in `areas` but in no extent, by what the tables say there. Device memory is neither. */
  #absent({ vpn, length }: SpaceExtents, areas: Float64Array): AbsentColumns {
    const collector = new AbsentCollector()
    let extent = 0
    let walks = MAX_WALKS
    for (let i = 0; i + 1 < areas.length; i += 2) {
      const end = areas[i + 1] as number
      let at = areas[i] as number
      while (at < end && walks > 0) {
        while (extent < vpn.length && endOf(vpn, length, extent) <= at) extent++
        const start = extent < vpn.length ? (vpn[extent] as number) : Number.POSITIVE_INFINITY
        if (start <= at) {
          at = endOf(vpn, length, extent)
          continue
        }
        const holeEnd = Math.min(end, start)
        while (at < holeEnd && walks-- > 0) at = this.#absentAt(at, holeEnd, collector)
      }
    }
    return collector.finish()
  }

  /** Tells what stands at page `at`, and returns the first page behind it. */
  #absentAt(at: number, end: number, collector: AbsentCollector): number {
    const walker = this.#walker
    const unit = this.#unit
    const result = walker.walk(Math.floor(at / unit))
    // what one entry of an upper table leaves out is passed over at once
    const span = Math.max(unit, 2 ** walker.pageShift / PAGE_BYTES)
    const next = Math.min(end, at - (at % span) + span)
    if (result === MAPPED || result === FRAME_OUTSIDE) return next
    const broken = result === TABLE_OUTSIDE || result === TABLE_UNREADABLE
    const reason = broken ? ABSENT_UNREADABLE : (REASON_OF[result] ?? ABSENT_NOT_PRESENT)
    collector.add(at, next - at, reason)
    if (reason === ABSENT_SWAPPED) collector.addEntry(at, walker.low, walker.high)
    return next
  }
}

function endOf(vpn: Float64Array, length: Float64Array, extent: number): number {
  return (vpn[extent] as number) + Math.ceil((length[extent] as number) / PAGE_BYTES)
}

class AbsentCollector {
  readonly #vpn = new GrowingDoubles()
  readonly #pages = new GrowingDoubles()
  readonly #reason = new GrowingWords()
  readonly #entryVpn = new GrowingDoubles()
  readonly #entryLow = new GrowingWords()
  readonly #entryHigh = new GrowingWords()

  add(vpn: number, pages: number, reason: number): void {
    const last = this.#vpn.count - 1
    if (last >= 0 && this.#reason.at(last) === reason && this.#vpn.at(last) + this.#pages.at(last) === vpn) {
      this.#pages.values[last] = this.#pages.at(last) + pages
      return
    }
    if (last + 1 >= MAX_ABSENT) return
    this.#vpn.push(vpn)
    this.#pages.push(pages)
    this.#reason.push(reason)
  }

  /** The entry of a swapped page. */
  addEntry(vpn: number, low: number, high: number): void {
    if (this.#entryVpn.count >= MAX_SWAPPED) return
    this.#entryVpn.push(vpn)
    this.#entryLow.push(low)
    this.#entryHigh.push(high)
  }

  finish(): AbsentColumns {
    return {
      vpn: this.#vpn.view().slice(),
      pages: this.#pages.view().slice(),
      reason: this.#reason.view().slice(),
      swapped: {
        vpn: this.#entryVpn.view().slice(),
        low: this.#entryLow.view().slice(),
        high: this.#entryHigh.view().slice(),
      },
    }
  }
}

/** No swapped pages. */
export const NOTHING_SWAPPED: SwapEntryColumns = {
  vpn: new Float64Array(0),
  low: new Uint32Array(0),
  high: new Uint32Array(0),
}

/** No absent parts. */
export const NOTHING_ABSENT: AbsentColumns = {
  vpn: new Float64Array(0),
  pages: new Float64Array(0),
  reason: new Uint32Array(0),
  swapped: NOTHING_SWAPPED,
}
