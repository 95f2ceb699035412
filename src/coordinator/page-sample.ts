/** How much of a running guest's memory changes: hashes of pages spread evenly over it, taken twice. */
import type { MemoryRun, PhysicalMemory } from '../core/memory.js'
import { totalBytes } from '../core/runs.js'
import type { Consistency } from '../scan/events.js'

const PAGE_BYTES = 4096

export class PageSample {
  readonly #memory: PhysicalMemory
  readonly #pages: readonly number[]
  readonly #before: Float64Array

  /** Takes the first hashes of at most `most` pages of `runs`. */
  constructor(memory: PhysicalMemory, runs: readonly MemoryRun[], most: number) {
    this.#memory = memory
    this.#pages = spread(runs, most)
    this.#before = Float64Array.from(this.#pages, page => this.#hash(page))
  }

  /** Takes them again. A page that can't be read any more has changed. */
  compare(): Consistency {
    let changed = 0
    for (const [index, page] of this.#pages.entries()) if (this.#hash(page) !== this.#before[index]) changed++
    const sampledPages = this.#pages.length
    return {
      sampledPages,
      changedPages: changed,
      changedRatio: sampledPages === 0 ? 0 : changed / sampledPages,
    }
  }

  /** 52 bits of the page's content; NaN, which equals nothing, where it can't be read. */
  #hash(gpa: number): number {
    const { bytes } = this.#memory.window(gpa, PAGE_BYTES)
    if (bytes.length < PAGE_BYTES) return Number.NaN
    const words = new DataView(bytes.buffer, bytes.byteOffset, PAGE_BYTES)
    let a = 0x811c_9dc5
    let b = 0x9e37_79b9
    for (let at = 0; at < PAGE_BYTES; at += 8) {
      a = Math.imul(a ^ words.getUint32(at, true), 0x0100_0193)
      b = Math.imul(b ^ words.getUint32(at + 4, true) ^ (a >>> 15), 0x85eb_ca6b)
      a ^= b >>> 13
    }
    return (a & 0xf_ffff) * 2 ** 32 + (b >>> 0)
  }
}

/** Whole pages of the runs, evenly: all of them where there are no more than `most`. */
function spread(runs: readonly MemoryRun[], most: number): number[] {
  const pages = Math.floor(totalBytes(runs) / PAGE_BYTES)
  const count = Math.min(pages, most)
  const chosen: number[] = []
  let run = 0
  let before = 0
  for (let i = 0; i < count; i++) {
    const offset = Math.floor((i * pages) / count) * PAGE_BYTES
    while (run < runs.length && offset - before >= (runs[run] as MemoryRun).length)
      before += (runs[run++] as MemoryRun).length
    const { gpa, length } = runs[run] as MemoryRun
    const page = gpa + offset - before
    if (page + PAGE_BYTES <= gpa + length) chosen.push(page)
  }
  return chosen
}
