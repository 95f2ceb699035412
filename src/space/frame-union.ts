/** The distinct frames of some address spaces: what is scanned in place, each once, and what coverage counts. */
import type { MemoryRun } from '../core/memory.js'
import { findRun } from '../core/runs.js'
import { GrowingDoubles } from './growing.js'
import type { ReverseMapData } from './reverse-map.js'

/** Frames nobody maps, fewer than these bytes between two that are mapped, are scanned along. */
const FILL_BYTES = 65536

/** Disjoint physical ranges, ascending, that do not touch. */
export class FrameUnion {
  readonly #start: Float64Array
  readonly #end: Float64Array
  /** Bytes in the ranges before each one. */
  readonly #before: Float64Array
  readonly bytes: number

  private constructor(start: Float64Array, end: Float64Array) {
    this.#start = start
    this.#end = end
    this.#before = new Float64Array(start.length)
    let bytes = 0
    for (let i = 0; i < start.length; i++) {
      this.#before[i] = bytes
      bytes += (end[i] as number) - (start[i] as number)
    }
    this.bytes = bytes
  }

  /** The union of all extents whose space is selected. */
  static of({ start, end, space }: ReverseMapData, selected: Uint8Array): FrameUnion {
    const starts = new GrowingDoubles()
    const ends = new GrowingDoubles()
    for (let i = 0; i < start.length; i++) {
      if (selected[space[i] as number] === 0) continue
      const from = start[i] as number
      const to = end[i] as number
      const last = ends.count - 1
      if (last >= 0 && from <= ends.at(last)) ends.values[last] = Math.max(ends.at(last), to)
      else {
        starts.push(from)
        ends.push(to)
      }
    }
    return new FrameUnion(starts.view().slice(), ends.view().slice())
  }

  /** What is scanned: the ranges, and what lies between two of them when it is short and `memory` all the way. */
  runs(memory: readonly MemoryRun[]): MemoryRun[] {
    const runs: { gpa: number; length: number }[] = []
    for (let i = 0; i < this.#start.length; i++) {
      const gpa = this.#start[i] as number
      const end = this.#end[i] as number
      const last = runs.at(-1)
      const run = last === undefined ? undefined : memory[findRun(memory, last.gpa)]
      const near = last !== undefined && gpa - (last.gpa + last.length) < FILL_BYTES
      if (near && run !== undefined && gpa < run.gpa + run.length) last.length = end - last.gpa
      else runs.push({ gpa, length: end - gpa })
    }
    return runs
  }

  /** Bytes of the union below `gpa`. */
  bytesBelow(gpa: number): number {
    let low = 0
    let high = this.#start.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#start[middle] as number) < gpa) low = middle + 1
      else high = middle
    }
    if (low === 0) return 0
    const range = low - 1
    const into = Math.min(gpa, this.#end[range] as number) - (this.#start[range] as number)
    return (this.#before[range] as number) + into
  }

  /** The parts of `run` that belong to the union. */
  clip({ gpa, length }: MemoryRun): MemoryRun[] {
    const parts: MemoryRun[] = []
    let low = 0
    let high = this.#start.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#end[middle] as number) <= gpa) low = middle + 1
      else high = middle
    }
    for (let i = low; i < this.#start.length && (this.#start[i] as number) < gpa + length; i++) {
      const from = Math.max(gpa, this.#start[i] as number)
      const to = Math.min(gpa + length, this.#end[i] as number)
      parts.push({ gpa: from, length: to - from })
    }
    return parts
  }
}
