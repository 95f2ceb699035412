/** The extents of address spaces, as columns: what is virtually and physically contiguous, as long as it can be. */
import { PAGE_BYTES } from '../core/address.js'
import type { MemoryRun } from '../core/memory.js'
import { totalBytes } from '../core/runs.js'
import { GrowingDoubles } from './growing.js'

/** Extents of one space, ascending by address. `vpn` counts 4 KiB pages, is signed, and is exact for any 64-bit address. */
export interface ExtentColumns {
  readonly vpn: Float64Array
  readonly gpa: Float64Array
  /** Bytes; a multiple of the page but where memory ends inside one. */
  readonly length: Float64Array
}

/** What was found of one space. */
export interface SpaceExtents extends ExtentColumns {
  /** The bounds were reached, and something is missing. */
  readonly truncated: boolean
}

/** Of a space that was not looked at any more. */
export const NO_EXTENTS: SpaceExtents = {
  vpn: new Float64Array(0),
  gpa: new Float64Array(0),
  length: new Float64Array(0),
  truncated: true,
}

/** More extents than frames is a space that repeats itself; some do, with the page of zeros. */
const MORE_EXTENTS = 65_536
const MAX_EXTENTS = 1 << 23

/** Takes mappings in ascending order; joins what is contiguous, and leaves out what is no memory of the target. */
export class ExtentCollector {
  readonly #runs: readonly MemoryRun[]
  readonly #max: number
  readonly #vpn = new GrowingDoubles()
  readonly #gpa = new GrowingDoubles()
  readonly #length = new GrowingDoubles()
  #run = 0
  #truncated = false

  constructor(runs: readonly MemoryRun[], max?: number) {
    this.#runs = runs
    this.#max = max ?? Math.min(MAX_EXTENTS, totalBytes(runs) / PAGE_BYTES + MORE_EXTENTS)
  }

  /** `length` bytes of memory at `gpa`, a page's first byte, are mapped at page `vpn`. False: there is no room for more. */
  add(vpn: number, gpa: number, length: number): boolean {
    let at = gpa
    const end = gpa + length
    this.#seek(gpa)
    while (at < end) {
      const run = this.#runs[this.#run]
      if (run === undefined || run.gpa >= end) return true
      // a page of which only the end is memory is left out
      const from = Math.max(at, Math.ceil(run.gpa / PAGE_BYTES) * PAGE_BYTES)
      const to = Math.min(end, run.gpa + run.length)
      if (from < to && !this.#push(vpn + (from - gpa) / PAGE_BYTES, from, to - from)) return false
      at = Math.max(to, from)
      if (run.gpa + run.length < end) this.#run++
      else break
    }
    return true
  }

  /** Moves to the first run that ends above `gpa`. */
  #seek(gpa: number): void {
    const run = this.#runs[this.#run]
    if (run !== undefined && gpa >= run.gpa && gpa < run.gpa + run.length) return
    let low = 0
    let high = this.#runs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const { gpa: start, length } = this.#runs[middle] as MemoryRun
      if (start + length <= gpa) low = middle + 1
      else high = middle
    }
    this.#run = low
  }

  #push(vpn: number, gpa: number, length: number): boolean {
    const last = this.#vpn.count - 1
    if (last >= 0) {
      const before = this.#length.at(last)
      if (this.#gpa.at(last) + before === gpa && this.#vpn.at(last) + before / PAGE_BYTES === vpn) {
        this.#length.values[last] = before + length
        return true
      }
      if (last + 1 >= this.#max) {
        this.#truncated = true
        return false
      }
    }
    this.#vpn.push(vpn)
    this.#gpa.push(gpa)
    this.#length.push(length)
    return true
  }

  /** What was taken; `truncated` adds the enumeration's own word. */
  finish(truncated = false): SpaceExtents {
    return {
      vpn: this.#vpn.view().slice(),
      gpa: this.#gpa.view().slice(),
      length: this.#length.view().slice(),
      truncated: this.#truncated || truncated,
    }
  }
}
