/** A guest's physical memory as it is built: frames taken from all over it, and what was written, as files and runs. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { SparseMemory } from '../page-tables-memory.js'
import { type ImageRun, seeded } from '../runs.js'

const PAGE = 4096
/** Kept for large pages. */
const LARGE_BYTES = 32 << 20

export class GuestMemory extends SparseMemory {
  readonly bytes: number
  readonly #written = new Set<number>()
  readonly #taken = new Set<number>()
  readonly #next: () => number
  /** Frames come from below this one. */
  readonly #frames: number
  #large: number

  /** `seed`: frames lie elsewhere with another one. */
  constructor(bytes: number, seed = 1) {
    super([{ gpa: 0, length: bytes }])
    this.bytes = bytes
    this.#next = seeded(seed)
    this.#large = bytes
    this.#frames = Math.floor((bytes - LARGE_BYTES) / PAGE)
    // the first MiB is the firmware's
    for (let frame = 0; frame < 256; frame++) this.#taken.add(frame)
  }

  override page(gpa: number): Buffer {
    this.#written.add(Math.floor(gpa / PAGE))
    return super.page(gpa)
  }

  /** gpa of a free frame, none next to the one before. */
  frame(): number {
    for (;;) {
      const frame = this.#next() % this.#frames
      if (this.#taken.has(frame)) continue
      this.#taken.add(frame)
      return frame * PAGE
    }
  }

  /** gpa of a free page of `bytes`, a power of two, out of the end of memory, where no frames are. */
  largePage(bytes: number): number {
    const gpa = Math.floor((this.#large - bytes) / bytes) * bytes
    if (gpa < this.#frames * PAGE) throw new Error('too little memory for large pages')
    this.#large = gpa
    return gpa
  }

  read(gpa: number, length: number): Buffer {
    return Buffer.from(this.window(gpa, length).bytes)
  }

  /** Pages that hold something, as runs: what a crash dump of active memory has. */
  contents(): ImageRun[] {
    const runs: { gpa: number; pages: Uint8Array[] }[] = []
    for (const number of [...this.#written].sort((a, b) => a - b)) {
      if ((number + 1) * PAGE > this.bytes) continue
      const last = runs.at(-1)
      const bytes = this.page(number * PAGE)
      if (last !== undefined && last.gpa + last.pages.length * PAGE === number * PAGE) last.pages.push(bytes)
      else runs.push({ gpa: number * PAGE, pages: [bytes] })
    }
    return runs.map(({ gpa, pages }) => ({ gpa, bytes: Buffer.concat(pages) }))
  }

  /** All of it as one run. */
  whole(): ImageRun[] {
    const bytes = Buffer.alloc(this.bytes)
    for (const run of this.contents()) bytes.set(run.bytes, run.gpa)
    return [{ gpa: 0, bytes }]
  }

  /** A raw image, a sparse file. */
  writeRaw(path: string): void {
    const fd = openSync(path, 'w')
    ftruncateSync(fd, this.bytes)
    for (const { gpa, bytes } of this.contents()) writeSync(fd, bytes, 0, bytes.length, gpa)
    closeSync(fd)
  }
}
