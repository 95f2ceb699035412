/** Everything that an address space maps, as coalesced extents, without going by way of every address. */

import { totalBytes } from '../core/runs.js'
import type { ExtentSink } from './extent-columns.js'
import { levelShifts } from './mode.js'
import { EXECUTABLE, MAPPED, USER, WRITABLE } from './outcome.js'
import { HIGH_FRAME_BITS, PRESENT, STEP_TABLE, TWO_32, type Walker } from './walker.js'

const PIECE_BYTES = 4096

/** A guest that meant to could map one table into thousands of slots: nothing goes on for ever. */
export interface ExtentLimits {
  /** Tables visited, each time anew. Default: as many as the memory has pages, and 65 536 more; at most 1 048 576. */
  readonly maxTables?: number
  /** Extents in a list. Default: as many as the memory has pages, and 65 536 more; at most 8 388 608, which is 210 MB. */
  readonly maxExtents?: number
}

/**
 * Gives `sink` what the pages `fromVpn` ≤ vpn < `toVpn` (signed page numbers) map, ascending: neighbours that continue each other in
 * both spaces and have the same flags are one extent. Frames that are no memory are left out. The walker must be set to the
 * address space's tables. False when it ended early: at a limit, or because the sink wanted no more.
 */
export function collectExtents(
  walker: Walker,
  fromVpn: number,
  toVpn: number,
  sink: ExtentSink,
  limits: ExtentLimits = {},
): boolean {
  return new Collector(walker, sink, limits).run(fromVpn, toVpn)
}

class Collector {
  readonly #walker: Walker
  readonly #sink: ExtentSink
  readonly #spans: number[]
  readonly #pageBytes: number
  readonly #entryBytes: number
  #tablesLeft: number
  #going = true
  /** The sink wants no more; what was found before a limit it is still told. */
  #full = false
  /** The extent that may yet grow. */
  #vpn = 0.5
  #gpa = 0.5
  #pages = 0
  #flags = 0

  constructor(walker: Walker, sink: ExtentSink, limits: ExtentLimits) {
    const { mode, tables } = walker
    this.#walker = walker
    this.#sink = sink
    this.#spans = levelShifts(mode).map(shift => 2 ** (shift - mode.pageShift))
    this.#pageBytes = 2 ** mode.pageShift
    this.#entryBytes = mode.entryBytes
    const frames = totalBytes(tables.memory.runs) / this.#pageBytes
    this.#tablesLeft = limits.maxTables ?? Math.min(frames + 65_536, 1_048_576)
  }

  run(fromVpn: number, toVpn: number): boolean {
    const { mode } = this.#walker
    const top = (this.#spans[0] as number) * 2 ** (mode.indexBits[0] as number)
    const half =
      2 ** (mode.vaBits - mode.pageShift - (mode.canonical === 'signed' && !mode.splitTables ? 1 : 0))
    this.#half(0, Math.max(0, fromVpn), Math.min(half, toVpn))
    if (mode.canonical === 'signed') this.#half(-top, Math.max(-half, fromVpn), Math.min(0, toVpn))
    this.#flush()
    return this.#going
  }

  /** One top table, whose first entry maps `base`. */
  #half(base: number, from: number, to: number): void {
    if (from >= to) return
    const table = this.#walker.begin(from)
    if (table >= 0) this.#visit(0, table, base, from, to, this.#walker.flags)
  }

  #visit(level: number, table: number, base: number, from: number, to: number, flags: number): void {
    if (this.#tablesLeft-- <= 0) {
      this.#going = false
      return
    }
    const span = this.#spans[level] as number
    const entries = 2 ** (this.#walker.mode.indexBits[level] as number)
    const first = Math.max(0, Math.floor((from - base) / span))
    const end = Math.min(entries, Math.ceil((to - base) / span))
    if (level === this.#spans.length - 1) this.#visitLast(level, table, base, first, end, flags)
    else this.#visitUpper(level, table, base, first, end, from, to, flags)
  }

  #visitUpper(
    level: number,
    table: number,
    base: number,
    first: number,
    end: number,
    from: number,
    to: number,
    flags: number,
  ): void {
    const walker = this.#walker
    const span = this.#spans[level] as number
    for (let index = first; index < end && this.#going; index++) {
      walker.flags = flags
      // found anew each time: the visit of a table may push this one out of the cache
      const result = walker.step(level, table + index * this.#entryBytes)
      const vpn = base + index * span
      if (result === STEP_TABLE) {
        const below = walker.gpa
        this.#visit(level + 1, below, vpn, from, to, walker.flags)
      } else if (result === MAPPED) {
        const start = Math.max(vpn, from)
        const gpa = walker.gpa + (start - vpn) * this.#pageBytes
        this.#add(start, gpa, Math.min(vpn + span, to) - start, walker.flags)
      }
    }
  }

  #visitLast(level: number, table: number, base: number, first: number, end: number, flags: number): void {
    const walker = this.#walker
    const wide = this.#entryBytes === 8
    let index = first
    while (index < end && this.#going) {
      const gpa = table + index * this.#entryBytes
      // tables larger than a piece are found piece by piece
      const pieceEnd = Math.min(end, index + (PIECE_BYTES - (gpa % PIECE_BYTES)) / this.#entryBytes)
      const at = walker.tables.find(gpa)
      if (at >= 0) this.#visitPiece(level, at, base + index, pieceEnd - index, wide, flags)
      index = pieceEnd
    }
  }

  /** The extent at hand is in local variables meanwhile: this loop decides how fast everything is. */
  #visitPiece(
    level: number,
    start: number,
    firstVpn: number,
    count: number,
    wide: boolean,
    flags: number,
  ): void {
    const walker = this.#walker
    const { tables } = walker
    const words = tables.words
    const sink = this.#sink
    const pageBytes = this.#pageBytes
    const plain = walker.mode.format === 'x86-64'
    let { runStart, runEnd } = tables
    let startVpn = this.#vpn
    let startGpa = this.#gpa
    let nextVpn = startVpn + this.#pages
    let nextGpa = startGpa + this.#pages * pageBytes
    let current = this.#flags
    let at = start
    let vpn = firstVpn
    const end = firstVpn + count
    for (; vpn < end; vpn++) {
      const low = words[at++] as number
      const high = wide ? (words[at++] as number) : 0
      if ((low | high) === 0) continue
      let found: number
      let gpa: number
      if (plain && (low & PRESENT) !== 0) {
        // as Walker.take does: without the call a quarter of the time is saved
        found = flags & (((low >> 1) & (WRITABLE | USER)) | (high < 0 ? 0 : EXECUTABLE))
        gpa = (high & HIGH_FRAME_BITS) * TWO_32 + ((low & -4096) >>> 0)
      } else {
        walker.flags = flags
        if (walker.take(level, low, high) !== MAPPED) continue
        found = walker.flags
        gpa = walker.gpa
      }
      if (vpn !== nextVpn || gpa !== nextGpa || found !== current) {
        const pages = nextVpn - startVpn
        // as `flush` does where all is memory, nearly always: the calls would cost as much as the rest of the loop
        if (pages > 0 && startGpa >= runStart && nextGpa <= runEnd) {
          this.#full = !sink.add(startVpn, startGpa, pages, current)
          this.#going = !this.#full
        } else {
          this.#hold(startVpn, startGpa, pages, current)
          this.#flush()
          runStart = tables.runStart
          runEnd = tables.runEnd
        }
        if (!this.#going) {
          this.#pages = 0
          return
        }
        startVpn = vpn
        startGpa = gpa
        current = found
      }
      nextVpn = vpn + 1
      nextGpa = gpa + pageBytes
    }
    this.#hold(startVpn, startGpa, nextVpn - startVpn, current)
  }

  #hold(vpn: number, gpa: number, pages: number, flags: number): void {
    this.#vpn = vpn
    this.#gpa = gpa
    this.#pages = pages
    this.#flags = flags
  }

  #add(vpn: number, gpa: number, pages: number, flags: number): void {
    if (
      vpn === this.#vpn + this.#pages &&
      gpa === this.#gpa + this.#pages * this.#pageBytes &&
      flags === this.#flags
    ) {
      this.#pages += pages
      return
    }
    this.#flush()
    this.#hold(vpn, gpa, pages, flags)
  }

  /** Hands on what is memory of the extent at hand. */
  #flush(): void {
    const { tables } = this.#walker
    if (!(this.#pages > 0)) return
    if (tables.memoryFrom(this.#gpa) >= this.#pages * this.#pageBytes) {
      this.#tell(this.#vpn, this.#gpa, this.#pages)
      this.#pages = 0
      this.#vpn = Number.NaN
      return
    }
    let vpn = this.#vpn
    let gpa = this.#gpa
    let pages = this.#pages
    this.#pages = 0
    this.#vpn = Number.NaN
    while (pages > 0 && !this.#full) {
      const rest = Math.ceil(tables.memoryFrom(gpa) / this.#pageBytes)
      const skip = rest > 0 ? Math.min(rest, pages) : Math.min(pages, this.#pagesToMemory(gpa))
      if (rest > 0) this.#tell(vpn, gpa, skip)
      vpn += skip
      gpa += skip * this.#pageBytes
      pages -= skip
    }
  }

  #tell(vpn: number, gpa: number, pages: number): void {
    if (this.#full || this.#sink.add(vpn, gpa, pages, this.#flags)) return
    this.#full = true
    this.#going = false
  }

  /** Pages from `gpa`, which is no memory, to the first one that is. */
  #pagesToMemory(gpa: number): number {
    const runs = this.#walker.tables.memory.runs
    let low = 0
    let high = runs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((runs[middle]?.gpa ?? 0) <= gpa) low = middle + 1
      else high = middle
    }
    const next = runs[low]
    return next === undefined ? Number.POSITIVE_INFINITY : Math.ceil((next.gpa - gpa) / this.#pageBytes)
  }
}
