/** Which pages of a process were never touched, out of /proc/PID/pagemap (kernel, admin-guide/mm/pagemap). */
import { closeSync, openSync, readSync } from 'node:fs'
import { tolerant } from '../core/tolerant.js'
import { pageBytes } from './page-bytes.js'

const ENTRY_BYTES = 8
/** Entries looked at in one call at most. */
const MAX_ENTRIES = 4096
/** Shorter stretches of untouched pages are read like data. */
const MIN_UNTOUCHED_PAGES = 16
/** In the upper half of an entry: present (bit 63), swapped (62). */
const THERE = 0xc000_0000 | 0

export class PageMap implements Disposable {
  #fd: number
  readonly #buffer = new Int32Array((MAX_ENTRIES * ENTRY_BYTES) / 4)

  private constructor(fd: number) {
    this.#fd = fd
  }

  /** Undefined where it must not be looked at. */
  static open(pid: number): PageMap | undefined {
    return tolerant(() => new PageMap(openSync(`/proc/${pid}/pagemap`, 'r')))
  }

  /** Bytes at `pointer` that lie in pages which are neither in memory nor swapped out; 0 when they are too few to matter. */
  zerosAt(pointer: number, limit: number): number {
    const pages = this.#count(pointer, limit, false)
    if (pages === 0) return 0
    const bytes = pages * pageBytes() - (pointer % pageBytes())
    return pages < MIN_UNTOUCHED_PAGES && bytes < limit ? 0 : Math.min(bytes, limit)
  }

  /** Bytes at `pointer`, which is no such stretch, before the next one; more may follow. */
  dataAt(pointer: number, limit: number): number {
    let pages = 0
    const entries = this.#load(pointer, limit)
    let untouched = 0
    for (let i = 0; i < entries; i++) {
      untouched = this.#isThere(i) ? 0 : untouched + 1
      if (untouched === MIN_UNTOUCHED_PAGES && i >= MIN_UNTOUCHED_PAGES) {
        pages = i + 1 - untouched
        break
      }
      pages = i + 1
    }
    return Math.max(1, Math.min(limit, pages * pageBytes() - (pointer % pageBytes())))
  }

  /** Whether all pages of the range are in memory. */
  isThere(pointer: number, length: number): boolean {
    for (let done = 0; done < length; ) {
      const pages = this.#count(pointer + done, length - done, true)
      if (pages === 0) return false
      done += pages * pageBytes() - ((pointer + done) % pageBytes())
    }
    return true
  }

  #count(pointer: number, limit: number, there: boolean): number {
    const entries = this.#load(pointer, limit)
    let count = 0
    while (count < entries && this.#isThere(count) === there) count++
    return count
  }

  #isThere(entry: number): boolean {
    return ((this.#buffer[entry * 2 + 1] as number) & THERE) !== 0
  }

  /** Reads entries from the page of `pointer` on; returns how many, 0 where the kernel tells none. */
  #load(pointer: number, limit: number): number {
    const first = Math.floor(pointer / pageBytes())
    const last = Math.floor((pointer + limit - 1) / pageBytes())
    const wanted = Math.min(MAX_ENTRIES, last - first + 1)
    try {
      const got = readSync(this.#fd, this.#buffer, 0, wanted * ENTRY_BYTES, first * ENTRY_BYTES)
      return Math.floor(got / ENTRY_BYTES)
    } catch (error) {
      // the process has ended: whoever copies finds out
      if ((error as NodeJS.ErrnoException).code === undefined) throw error
      return 0
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = -1
  }
}
