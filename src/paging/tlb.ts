/**
 * Translations that were found before, one instance a thread: direct-mapped typed arrays, tagged by table and virtual page number. Each
 * page size has a part of its own, so a large page takes one entry; what is absent is kept as well.
 */
import { levelShifts, type PagingMode } from './mode.js'

export interface TlbOptions {
  /** Entries for the smallest page, a power of two. Default 16 384: 64 MiB of 4 KiB pages. */
  readonly entries?: number
  /** Entries for each larger size, a power of two. Default 1024. */
  readonly largeEntries?: number
}

/** Result of `find`: not known. */
export const TLB_MISS = -1

/** Tables known by tag; a guest with more of them starts anew. */
const MAX_TABLES = 65_536
const LAST_TAG = 2 ** 31 - 1
/** Parts of `info`. */
const RESULT_BITS = 0xf
const FLAGS_SHIFT = 4
const LEVEL_SHIFT = 12

export class Tlb {
  /** What the last `find` that was no miss gave: the page's gpa (of the smallest size), flags, levels below the last entry. */
  gpa = 0.5
  hits = 0
  /** Those among the hits that told an absence. */
  absentHits = 0
  misses = 0
  readonly #pageBytes: number
  /** Smallest pages that an entry of each part covers. */
  readonly #spans: Float64Array
  readonly #starts: Int32Array
  readonly #masks: Int32Array
  readonly #inUse: Uint8Array
  readonly #vpns: Float64Array
  readonly #tags: Int32Array
  readonly #gpas: Float64Array
  readonly #infos: Int32Array
  readonly #tagOf = new Map<number, number>()
  #nextTag = 1
  #info = 0

  constructor(mode: PagingMode, options: TlbOptions = {}) {
    const { entries = 16_384, largeEntries = 1024 } = options
    const parts = mode.leaves.filter(Boolean).length
    const shifts = levelShifts(mode).reverse().slice(0, parts)
    this.#pageBytes = 2 ** mode.pageShift
    this.#spans = Float64Array.from(shifts, shift => 2 ** (shift - mode.pageShift))
    this.#masks = Int32Array.from(shifts, (_, part) => (part === 0 ? entries : largeEntries) - 1)
    this.#starts = Int32Array.from(shifts, (_, part) =>
      part === 0 ? 0 : entries + (part - 1) * largeEntries,
    )
    this.#inUse = new Uint8Array(parts)
    const size = entries + (parts - 1) * largeEntries
    this.#vpns = new Float64Array(size)
    this.#tags = new Int32Array(size)
    this.#gpas = new Float64Array(size)
    this.#infos = new Int32Array(size)
  }

  /** Flags of the last `find` that was no miss. */
  get flags(): number {
    return (this.#info >> FLAGS_SHIFT) & 0xff
  }

  /** Levels below the entry that decided the last `find` that was no miss. */
  get level(): number {
    return this.#info >> LEVEL_SHIFT
  }

  /** The tag of a top table: a small integer, valid until the table is flushed. */
  tagOf(table: number): number {
    const known = this.#tagOf.get(table)
    if (known !== undefined) return known
    if (this.#tagOf.size >= MAX_TABLES || this.#nextTag === LAST_TAG) this.clear()
    const tag = this.#nextTag++
    this.#tagOf.set(table, tag)
    return tag
  }

  /** MAPPED or why not (see outcome.ts), or TLB_MISS. */
  find(tag: number, vpn: number): number {
    const slot = vpn & (this.#masks[0] as number)
    if (this.#vpns[slot] === vpn && this.#tags[slot] === tag) {
      this.gpa = this.#gpas[slot] as number
      return this.#hit(slot)
    }
    return this.#findLarge(tag, vpn)
  }

  /**
   * Keeps the result of a walk to `vpn` that ended with `level` levels below. `gpa` is that of the page asked for; `whole` says that all
   * of the large page is memory, so one entry may stand for it.
   */
  add(
    tag: number,
    vpn: number,
    result: number,
    gpa: number,
    flags: number,
    level: number,
    whole: boolean,
  ): void {
    const part = whole ? Math.min(level, this.#spans.length - 1) : 0
    const span = this.#spans[part] as number
    const key = Math.floor(vpn / span)
    const slot = (this.#starts[part] as number) + (key & (this.#masks[part] as number))
    this.#inUse[part] = 1
    this.#vpns[slot] = key
    this.#tags[slot] = tag
    this.#gpas[slot] = gpa - (vpn - key * span) * this.#pageBytes
    this.#infos[slot] = result | (flags << FLAGS_SHIFT) | (level << LEVEL_SHIFT)
  }

  /** Forgets what was found under one table. */
  flush(table: number): void {
    // entries with the old tag match nothing any more
    this.#tagOf.delete(table)
  }

  /** Forgets everything. */
  clear(): void {
    this.#tagOf.clear()
    this.#tags.fill(0)
    this.#inUse.fill(0)
    // a tag that is still in somebody's hands must not be given to another table
    if (this.#nextTag === LAST_TAG) this.#nextTag = 1
  }

  #findLarge(tag: number, vpn: number): number {
    for (let part = 1; part < this.#spans.length; part++) {
      if (this.#inUse[part] === 0) continue
      const span = this.#spans[part] as number
      const key = Math.floor(vpn / span)
      const slot = (this.#starts[part] as number) + (key & (this.#masks[part] as number))
      if (this.#vpns[slot] !== key || this.#tags[slot] !== tag) continue
      this.gpa = (this.#gpas[slot] as number) + (vpn - key * span) * this.#pageBytes
      return this.#hit(slot)
    }
    this.misses++
    return TLB_MISS
  }

  #hit(slot: number): number {
    const info = this.#infos[slot] as number
    this.#info = info
    this.hits++
    const result = info & RESULT_BITS
    if (result !== 0) this.absentHits++
    return result
  }
}
