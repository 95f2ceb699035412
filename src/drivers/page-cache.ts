/**
 * Keeps a scan from pushing everything else out of the page cache, and reads ahead where the disk is the limit.
 * The file is looked at in regions. One that is not in memory is read ahead; and where the file is too large for the
 * machine to keep, a region that was mostly not cached before is dropped again when the scan has left it. One that was
 * cached stays as it was found.
 */
import { freemem } from 'node:os'
import type { Libc } from '../ffi/libc.js'

const REGION_BYTES = 64 * 2 ** 20
const PAGE_BYTES = 4096
const SAMPLES = 16
const SAMPLE_BYTES = 65536
/** A file up to this part of the memory that is free or reclaimable is left in the page cache for the next scan. */
const KEEP_PART = 0.5

export class PageCache {
  readonly #libc: Libc
  readonly #fd: number
  readonly #size: number
  /** The file is too large to be left in the page cache. */
  readonly #drop: boolean
  #region = -1
  /** The current region is whole in memory, so reading it can't fail on the disk. */
  #resident = false
  #cold = false

  constructor(libc: Libc, fd: number, size: number) {
    this.#libc = libc
    this.#fd = fd
    this.#size = size
    this.#drop = size > freemem() * KEEP_PART
  }

  /** Moves to the region that holds `offset`; true when all of it is in memory. */
  enter(offset: number): boolean {
    const region = offset - (offset % REGION_BYTES)
    if (region === this.#region) return this.#resident
    this.leave()
    this.#region = region
    const length = Math.min(REGION_BYTES, this.#size - region)
    const cached = this.#cachedPart(region, length)
    this.#resident = cached === 1
    this.#cold = this.#drop && cached < 0.5
    if (!this.#resident) this.#libc.willNeed(this.#fd, region, length)
    return this.#resident
  }

  /** What part of the region is in memory, by samples: to count its 16384 pages takes a tenth of the time of a fast scan. */
  #cachedPart(region: number, length: number): number {
    let cached = 0
    let pages = 0
    for (let sample = 0; sample < SAMPLES; sample++) {
      const from = Math.floor(((length - 1) * sample) / (SAMPLES - 1) / SAMPLE_BYTES) * SAMPLE_BYTES
      const bytes = Math.min(SAMPLE_BYTES, length - from)
      const sampled = Math.ceil(bytes / PAGE_BYTES)
      cached += this.#libc.cachedPages(this.#fd, region + from, bytes) ?? sampled
      pages += sampled
    }
    return cached / pages
  }

  /** Drops what this scan brought into memory. */
  leave(): void {
    if (this.#region >= 0 && this.#cold) this.#libc.dontNeed(this.#fd, this.#region, REGION_BYTES)
    this.#region = -1
  }
}
