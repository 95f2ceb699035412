/**
 * Keeps a scan from pushing everything else out of the page cache, and reads ahead where the disk is the limit.
 * The file is looked at in regions: a region that was mostly not cached before is read ahead and dropped again when
 * the scan has left it; one that was cached stays as it was found.
 */
import type { Libc } from '../ffi/libc.js'

const REGION_BYTES = 64 * 2 ** 20
const PAGE_BYTES = 4096

export class PageCache {
  readonly #libc: Libc
  readonly #fd: number
  readonly #size: number
  #region = -1
  /** The current region is whole in memory, so reading it can't fail on the disk. */
  #resident = false
  #cold = false

  constructor(libc: Libc, fd: number, size: number) {
    this.#libc = libc
    this.#fd = fd
    this.#size = size
  }

  /** Moves to the region that holds `offset`; true when all of it is in memory. */
  enter(offset: number): boolean {
    const region = offset - (offset % REGION_BYTES)
    if (region === this.#region) return this.#resident
    this.leave()
    this.#region = region
    const length = Math.min(REGION_BYTES, this.#size - region)
    const pages = Math.ceil(length / PAGE_BYTES)
    const cached = this.#libc.cachedPages(this.#fd, region, length) ?? pages
    this.#resident = cached >= pages
    this.#cold = cached < pages / 2
    if (!this.#resident) this.#libc.willNeed(this.#fd, region, length)
    return this.#resident
  }

  /** Drops what this scan brought into memory. */
  leave(): void {
    if (this.#region >= 0 && this.#cold) this.#libc.dontNeed(this.#fd, this.#region, REGION_BYTES)
    this.#region = -1
  }
}
