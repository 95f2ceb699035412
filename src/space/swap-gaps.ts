/** Gaps of a space whose swapped pages name their slots: a line for pages whose slots follow each other. */
import { ABSENT_SWAPPED, type AbsentColumns } from './enumerate.js'
import { GrowingDoubles, GrowingWords } from './growing.js'
import type { SwapSlotIndex } from './swap-source.js'

/** Absent parts, ascending; one entry a gap. */
export interface SwapGapColumns {
  /** Page number (4 KiB). */
  readonly vpn: Float64Array
  /** 4 KiB pages. */
  readonly pages: Float64Array
  /** Index into `ABSENT_REASONS`. */
  readonly reason: Uint32Array
  /** Index of the swap area plus one; 0 where no slot is named. */
  readonly area: Uint32Array
  /** Of the first page; the pages behind it are in the slots that follow. */
  readonly slot: Float64Array
}

/** Gaps that name a slot, of all spaces together; those after them are told without. */
const MAX_LINES = 1 << 16
const NO_AREA = 0

/** Makes the gaps of one space. */
export class SlotGaps {
  readonly #vpn = new GrowingDoubles()
  readonly #pages = new GrowingDoubles()
  readonly #reason = new GrowingWords()
  readonly #area = new GrowingWords()
  readonly #slot = new GrowingDoubles()
  readonly #unit: number
  readonly #lines: { count: number }

  /**
   * `frame` and `places` go with `absent.swapped`: pages with a frame (not negative) are no gap. `unit`: 4 KiB pages in one. `lines` counts
   * the gaps that name a slot.
   */
  constructor(
    absent: AbsentColumns,
    frame: Int32Array,
    places: readonly (SwapSlotIndex | undefined)[],
    unit: number,
    lines: { count: number },
  ) {
    this.#unit = unit
    this.#lines = lines
    const { vpn, pages, reason, swapped } = absent
    let entry = 0
    for (let i = 0; i < vpn.length; i++) {
      const start = vpn[i] as number
      const end = start + (pages[i] as number)
      if (reason[i] !== ABSENT_SWAPPED) {
        this.#push(start, end - start, reason[i] as number, undefined)
        continue
      }
      let at = start
      for (; entry < swapped.vpn.length && (swapped.vpn[entry] as number) < end; entry++) {
        const page = swapped.vpn[entry] as number
        if (page < start) continue
        if (page > at) this.#push(at, page - at, ABSENT_SWAPPED, undefined)
        at = Math.min(end, page + unit)
        if ((frame[entry] as number) < 0) this.#push(page, at - page, ABSENT_SWAPPED, places[entry])
      }
      if (at < end) this.#push(at, end - at, ABSENT_SWAPPED, undefined)
    }
  }

  /** What came out. */
  columns(): SwapGapColumns {
    return {
      vpn: this.#vpn.view().slice(),
      pages: this.#pages.view().slice(),
      reason: this.#reason.view().slice(),
      area: this.#area.view().slice(),
      slot: this.#slot.view().slice(),
    }
  }

  #push(vpn: number, pages: number, reason: number, place: SwapSlotIndex | undefined): void {
    const last = this.#vpn.count - 1
    const touches =
      last >= 0 && this.#reason.at(last) === reason && this.#vpn.at(last) + this.#pages.at(last) === vpn
    let area = place === undefined ? NO_AREA : place.area + 1
    if (touches && this.#area.at(last) !== NO_AREA && this.#area.at(last) === area) {
      const next = this.#slot.at(last) + this.#pages.at(last) / this.#unit
      if (next === place?.slot) {
        this.#pages.values[last] = this.#pages.at(last) + pages
        return
      }
    }
    if (area !== NO_AREA && this.#lines.count++ >= MAX_LINES) area = NO_AREA
    if (touches && area === NO_AREA && this.#area.at(last) === NO_AREA) {
      this.#pages.values[last] = this.#pages.at(last) + pages
      return
    }
    this.#vpn.push(vpn)
    this.#pages.push(pages)
    this.#reason.push(reason)
    this.#area.push(area)
    this.#slot.push(area === NO_AREA ? 0 : (place?.slot ?? 0))
  }
}

/** Gaps of a space of whose swapped pages nothing more is known. */
export function plainGaps({ vpn, pages, reason }: AbsentColumns): SwapGapColumns {
  return { vpn, pages, reason, area: new Uint32Array(vpn.length), slot: new Float64Array(vpn.length) }
}
