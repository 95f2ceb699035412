/** Builds the extent table of an image whose memory lies uncompressed in the file. */
import type { MemoryRun } from '../core/memory.js'
import { mergeRuns } from '../core/runs.js'
import { tooFragmented } from './corrupt.js'
import type { ExtentTable } from './image.js'
import { MAX_RUNS } from './limits.js'
import { NumberList } from './shared.js'

/** Collects extents in ascending order of address. */
export class ExtentBuilder {
  readonly #gpa = new NumberList()
  readonly #length = new NumberList()
  readonly #offset = new NumberList()

  /**
   * Adds an extent behind the last one. `offset` is a file offset, or a negative mark of image.ts.
   * One that continues the last in address and file offset (or has the same mark) is joined to it.
   * @throws VmsiftError `image-corrupt` past `MAX_RUNS`.
   */
  add(gpa: number, length: number, offset: number): void {
    if (length <= 0) return
    const last = this.#gpa.length - 1
    if (last >= 0) {
      const lastLength = this.#length.at(last)
      const lastOffset = this.#offset.at(last)
      const follows =
        offset < 0 ? offset === lastOffset : lastOffset >= 0 && offset === lastOffset + lastLength
      if (follows && gpa === this.#gpa.at(last) + lastLength) {
        this.#length.set(last, lastLength + length)
        return
      }
    }
    if (this.#gpa.length >= MAX_RUNS) throw tooFragmented('extents', MAX_RUNS)
    this.#gpa.push(gpa)
    this.#length.push(length)
    this.#offset.push(offset)
  }

  /** The table, over shared memory. */
  table(): ExtentTable {
    return { gpa: this.#gpa.toShared(), length: this.#length.toShared(), offset: this.#offset.toShared() }
  }
}

/** The runs that a table's extents cover together. */
export function runsOf(table: ExtentTable): MemoryRun[] {
  const runs: MemoryRun[] = []
  for (let i = 0; i < table.gpa.length; i++)
    runs.push({ gpa: table.gpa[i] as number, length: table.length[i] as number })
  return mergeRuns(runs)
}
