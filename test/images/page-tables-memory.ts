/** Guest memory for page tables: pages that were never written are zeros, and some may be unreadable. */
import { VmsiftError } from '../../src/core/errors.js'
import type { MemoryRun, PhysicalMemory, Span, Window } from '../../src/core/memory.js'
import { findRun, mergeRuns } from '../../src/core/runs.js'

const PAGE = 4096

export class SparseMemory implements PhysicalMemory {
  readonly runs: readonly MemoryRun[]
  /** Windows that were asked for. */
  windows = 0
  readonly #pages = new Map<number, Buffer>()
  readonly #unreadable = new Set<number>()

  constructor(runs: readonly MemoryRun[]) {
    this.runs = mergeRuns(runs)
  }

  /** The page at `gpa`, to be written to; also where there is no memory (nobody will see it). */
  page(gpa: number): Buffer {
    const number = Math.floor(gpa / PAGE)
    const page = this.#pages.get(number) ?? Buffer.alloc(PAGE)
    this.#pages.set(number, page)
    return page
  }

  write(gpa: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const into = (gpa + done) % PAGE
      const part = bytes.subarray(done, done + PAGE - into)
      this.page(gpa + done).set(part, into)
      done += part.length
    }
  }

  /** From now on the page at `gpa` can't be read. */
  breakPage(gpa: number): void {
    this.#unreadable.add(Math.floor(gpa / PAGE))
  }

  spanAt(gpa: number, limit: number): Span {
    this.#check(gpa, 1)
    const length = Math.min(limit, PAGE - (gpa % PAGE))
    const number = Math.floor(gpa / PAGE)
    if (this.#unreadable.has(number)) return { kind: 'gap', length, reason: 'unreadable' }
    return { kind: this.#pages.has(number) ? 'data' : 'zero', length }
  }

  window(gpa: number, length: number): Window {
    this.#check(gpa, length)
    this.windows++
    const bytes = new Uint8Array(length)
    for (let done = 0; done < length; ) {
      const number = Math.floor((gpa + done) / PAGE)
      const into = (gpa + done) % PAGE
      const part = Math.min(PAGE - into, length - done)
      if (this.#unreadable.has(number))
        return { bytes: bytes.subarray(0, done), stop: { reason: 'unreadable', length: part } }
      const page = this.#pages.get(number)
      if (page !== undefined) bytes.set(page.subarray(into, into + part), done)
      done += part
    }
    return { bytes }
  }

  #check(gpa: number, length: number): void {
    const run = this.runs[findRun(this.runs, gpa)]
    if (run === undefined || gpa + length > run.gpa + run.length)
      throw new VmsiftError('out-of-range', `no memory at ${gpa}, ${length} bytes`)
  }

  [Symbol.dispose](): void {}
}
