/** Writes over memory that can't be written: changed pages are kept beside it, and what lies below never changes. */
import { alignDown, hex, PAGE_BYTES } from '../core/address.js'
import { VmsiftError } from '../core/errors.js'
import {
  type MemoryRun,
  type PhysicalMemory,
  readInto,
  type Span,
  type Window,
  type WritableMemory,
} from '../core/memory.js'
import { findRun } from '../core/runs.js'

/** Pages that an overlay holds at most: 1 GiB of changes. */
const MAX_PAGES = 2 ** 18

/** Copy-on-write: what was written is read back, through windows and spans alike. Disposing it leaves `base` open. */
export class OverlayMemory implements WritableMemory {
  readonly runs: readonly MemoryRun[]
  readonly #base: PhysicalMemory
  /** Changed pages by their address. */
  readonly #pages = new Map<number, Uint8Array>()
  /** Their addresses, ascending. */
  #order: number[] = []
  #scratch = new Uint8Array(0)

  constructor(base: PhysicalMemory) {
    this.#base = base
    this.runs = base.runs
  }

  /** Bytes that changed pages take. */
  get changedBytes(): number {
    return this.#pages.size * PAGE_BYTES
  }

  /**
   * Writes `bytes` at `gpa`; all of them, or none.
   * @throws VmsiftError `out-of-range` where there is no memory, or where the target does not hold it (what stands beside
   * the bytes could not be told), and when more than 1 GiB has been changed.
   */
  write(gpa: number, bytes: Uint8Array): void {
    const run = this.runs[findRun(this.runs, gpa)]
    if (run === undefined || gpa + bytes.length > run.gpa + run.length)
      throw new VmsiftError('out-of-range', `no memory at ${hex(gpa)}-${hex(gpa + bytes.length)}`, {
        detail: { gpa, length: bytes.length },
      })
    const fresh = new Map<number, Uint8Array>()
    for (let page = alignDown(gpa, PAGE_BYTES); page < gpa + bytes.length; page += PAGE_BYTES)
      if (!this.#pages.has(page)) fresh.set(page, this.#copyOf(page, run))
    if (this.#pages.size + fresh.size > MAX_PAGES)
      throw new VmsiftError(
        'out-of-range',
        `more than ${MAX_PAGES} pages were written to a snapshot's overlay`,
      )
    for (const [page, copy] of fresh) this.#pages.set(page, copy)
    if (fresh.size > 0) this.#order = [...this.#pages.keys()].sort((a, b) => a - b)
    for (let done = 0; done < bytes.length; ) {
      const page = alignDown(gpa + done, PAGE_BYTES)
      const at = gpa + done - page
      const part = bytes.subarray(done, done + PAGE_BYTES - at)
      this.#pages.get(page)?.set(part, at)
      done += part.length
    }
  }

  spanAt(gpa: number, limit: number): Span {
    const next = this.#nextChanged(alignDown(gpa, PAGE_BYTES))
    if (next === undefined || next >= gpa + limit) return this.#base.spanAt(gpa, limit)
    if (next > gpa) return this.#base.spanAt(gpa, next - gpa)
    const run = this.runs[findRun(this.runs, gpa)]
    if (run === undefined) return this.#base.spanAt(gpa, limit)
    const end = Math.min(next + PAGE_BYTES, gpa + limit, run.gpa + run.length)
    return { kind: 'data', length: end - gpa }
  }

  window(gpa: number, length: number): Window {
    const next = this.#nextChanged(alignDown(gpa, PAGE_BYTES))
    if (next === undefined || next >= gpa + length) return this.#base.window(gpa, length)
    if (this.#scratch.length < length) this.#scratch = new Uint8Array(length)
    const target = this.#scratch.subarray(0, length)
    let end = gpa + length
    let stop: Window['stop']
    for (const gap of readInto(this.#base, gpa, target)) {
      // a page was only changed after it had been read, so a gap is never covered by one
      end = gap.gpa
      stop = { reason: gap.reason, length: gap.length }
      break
    }
    for (let i = this.#indexOf(next); i < this.#order.length; i++) {
      const page = this.#order[i] as number
      if (page >= end) break
      const bytes = this.#pages.get(page) as Uint8Array
      const from = Math.max(page, gpa)
      const to = Math.min(page + PAGE_BYTES, end)
      target.set(bytes.subarray(from - page, to - page), from - gpa)
    }
    return { bytes: target.subarray(0, end - gpa), ...(stop === undefined ? {} : { stop }) }
  }

  /** What stands in a page; bytes of it outside the run stay zero and are never read. */
  #copyOf(page: number, run: MemoryRun): Uint8Array {
    const copy = new Uint8Array(PAGE_BYTES)
    const from = Math.max(page, run.gpa)
    const to = Math.min(page + PAGE_BYTES, run.gpa + run.length)
    const [gap] = readInto(this.#base, from, copy.subarray(from - page, to - page))
    if (gap !== undefined)
      throw new VmsiftError(
        'out-of-range',
        `the page at ${hex(page)} can't be written: the target does not hold it (${gap.reason})`,
        { detail: { gpa: page, reason: gap.reason } },
      )
    return copy
  }

  #nextChanged(page: number): number | undefined {
    return this.#order[this.#indexOf(page)]
  }

  /** Index of the first changed page at or above `page`. */
  #indexOf(page: number): number {
    let low = 0
    let high = this.#order.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#order[middle] as number) < page) low = middle + 1
      else high = middle
    }
    return low
  }

  [Symbol.dispose](): void {
    this.#pages.clear()
    this.#order = []
  }
}
