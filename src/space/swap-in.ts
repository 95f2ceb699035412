/**
 * Brings back pages that the guest holds compressed in memory: each slot once, however many processes share it, as extents of a
 * made-up physical range. What can't be had stays a gap that names area and slot.
 */
import { PAGE_BYTES } from '../core/address.js'
import type { AbsentColumns, SwapEntryColumns } from './enumerate.js'
import type { ExtentColumns } from './extents.js'
import { GrowingDoubles } from './growing.js'
import { SlotGaps, type SwapGapColumns } from './swap-gaps.js'
import type { SwapLocation, SwapSlotIndex, SwapSource } from './swap-source.js'
import type { SwappedRange } from './swapped-memory.js'

/** What swap holds of one space. */
export interface SpaceSwap {
  /** Pages that were brought back, ascending by address, in the made-up range. */
  readonly extents: ExtentColumns
  /** Absent parts without those pages. */
  readonly gaps: SwapGapColumns
}

export interface SwapInOptions {
  /** First byte of the made-up range. */
  readonly gpa: number
  /** Of the guest's smallest page. */
  readonly pageBytes: number
  /** Bytes brought back at most. */
  readonly maxBytes: number
  /** Milliseconds at most, over all spaces. */
  readonly maxMs: number
}

/** Entries that are looked at before the layout is taken for settled or not to be had. */
const MAX_LEARNT = 65_536
/** Pages between two yields: some milliseconds. */
const STEP_PAGES = 16
/** Slots are kept as numbers of area and slot: this many of an area, which is what its 32-bit size allows. */
const MAX_SLOTS = 2 ** 32
/** A slot whose bytes are not to be had. */
const NOT_HELD = -1

/** Brings the swapped pages of some spaces back, one space after the other. */
export class SwapIn {
  /** Pages that memory may hold and that were left out, since there were too many or it took too long. */
  leftOut = 0
  readonly #source: SwapSource
  readonly #options: SwapInOptions
  readonly #deadline: number
  /** By area and slot: index of the frame in the made-up range, or NOT_HELD. */
  readonly #frames = new Map<number, number>()
  /** By frame: area and slot. */
  readonly #keys = new GrowingDoubles()
  readonly #lines = { count: 0 }
  readonly #bytes: Uint8Array

  /** `spaces` are all that will be given to `take`. */
  constructor(source: SwapSource, spaces: readonly AbsentColumns[], options: SwapInOptions) {
    this.#source = source
    this.#options = options
    this.#deadline = performance.now() + options.maxMs
    const pages = spaces.reduce((sum, { swapped }) => sum + swapped.vpn.length, 0)
    const bytes = Math.min(
      options.maxBytes - (options.maxBytes % options.pageBytes),
      pages * options.pageBytes,
    )
    // what is never written takes no memory
    this.#bytes = new Uint8Array(new SharedArrayBuffer(bytes))
    source.learn(entriesOf(spaces))
  }

  /** Looks at one space; yields now and then, so that others get their turn. */
  *take(absent: AbsentColumns): Generator<void, SpaceSwap> {
    const { swapped } = absent
    const count = swapped.vpn.length
    const frame = new Int32Array(count).fill(NOT_HELD)
    const places: (SwapSlotIndex | undefined)[] = []
    for (let i = 0; i < count; i++) {
      if (i % STEP_PAGES === 0) yield
      const place = performance.now() < this.#deadline ? this.#place(swapped, i) : undefined
      places.push(place)
      if (place !== undefined) frame[i] = this.#frame(place)
      else if (performance.now() >= this.#deadline) this.leftOut++
    }
    const extents = this.#extents(swapped.vpn, frame)
    const unit = this.#options.pageBytes / PAGE_BYTES
    return { extents, gaps: new SlotGaps(absent, frame, places, unit, this.#lines).columns() }
  }

  /** What was brought back; undefined when nothing was. */
  range(): SwappedRange | undefined {
    const bytes = this.#keys.count * this.#options.pageBytes
    return bytes === 0 ? undefined : { gpa: this.#options.gpa, bytes: this.#bytes.subarray(0, bytes) }
  }

  /** Where the page at an address of the made-up range stands in swap. */
  locate(gpa: number): SwapLocation | undefined {
    const frame = Math.floor((gpa - this.#options.gpa) / this.#options.pageBytes)
    if (frame < 0 || frame >= this.#keys.count) return undefined
    const key = this.#keys.at(frame)
    const area = Math.floor(key / MAX_SLOTS)
    return { area: this.areaName(area), slot: key - area * MAX_SLOTS }
  }

  /** The name of an area, by its index. */
  areaName(area: number): string {
    return this.#source.areas[area]?.name ?? String(area)
  }

  #place({ low, high }: SwapEntryColumns, index: number): SwapSlotIndex | undefined {
    const place = this.#source.place(entryOf(low[index] as number, high[index] as number))
    return place !== undefined && place.slot >= 0 && place.slot < MAX_SLOTS ? place : undefined
  }

  /** The frame of a slot's page: the one it has, or a new one. */
  #frame(place: SwapSlotIndex): number {
    const { area, slot } = place
    if (this.#source.areas[area]?.inMemory !== true) return NOT_HELD
    const key = area * MAX_SLOTS + slot
    const known = this.#frames.get(key)
    if (known !== undefined) return known
    const { pageBytes } = this.#options
    const next = this.#keys.count
    if ((next + 1) * pageBytes > this.#bytes.length) {
      this.leftOut++
      return NOT_HELD
    }
    const bytes = this.#source.page(place)
    const held = bytes !== undefined && bytes.length === pageBytes
    this.#frames.set(key, held ? next : NOT_HELD)
    if (!held) return NOT_HELD
    this.#keys.push(key)
    this.#bytes.set(bytes, next * pageBytes)
    return next
  }

  #extents(vpn: Float64Array, frame: Int32Array): ExtentColumns {
    const { gpa: base, pageBytes } = this.#options
    const unit = pageBytes / PAGE_BYTES
    const vpns = new GrowingDoubles()
    const gpas = new GrowingDoubles()
    const lengths = new GrowingDoubles()
    for (let i = 0; i < vpn.length; i++) {
      if (frame[i] === NOT_HELD) continue
      const last = vpns.count - 1
      const joins = i > 0 && last >= 0 && vpn[i] === (vpn[i - 1] as number) + unit
      if (joins && frame[i] === (frame[i - 1] as number) + 1 && frame[i - 1] !== NOT_HELD) {
        lengths.values[last] = lengths.at(last) + pageBytes
        continue
      }
      vpns.push(vpn[i] as number)
      gpas.push(base + (frame[i] as number) * pageBytes)
      lengths.push(pageBytes)
    }
    return { vpn: vpns.view().slice(), gpa: gpas.view().slice(), length: lengths.view().slice() }
  }
}

/** Two lists of extents of one space as one, ascending by address. */
export function mergeExtents(a: ExtentColumns, b: ExtentColumns): ExtentColumns {
  if (b.vpn.length === 0) return a
  const count = a.vpn.length + b.vpn.length
  const merged = {
    vpn: new Float64Array(count),
    gpa: new Float64Array(count),
    length: new Float64Array(count),
  }
  let fromA = 0
  let fromB = 0
  for (let i = 0; i < count; i++) {
    const takesA =
      fromB >= b.vpn.length || (fromA < a.vpn.length && (a.vpn[fromA] as number) < (b.vpn[fromB] as number))
    const source = takesA ? a : b
    const index = takesA ? fromA++ : fromB++
    merged.vpn[i] = source.vpn[index] as number
    merged.gpa[i] = source.gpa[index] as number
    merged.length[i] = source.length[index] as number
  }
  return merged
}

function entryOf(low: number, high: number): bigint {
  return BigInt(high) * 2n ** 32n + BigInt(low)
}

function* entriesOf(spaces: readonly AbsentColumns[]): Generator<bigint> {
  let left = MAX_LEARNT
  for (const { swapped } of spaces)
    for (let i = 0; i < swapped.vpn.length && left-- > 0; i++)
      yield entryOf(swapped.low[i] as number, swapped.high[i] as number)
}
