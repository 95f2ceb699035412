/** Memory that could not be read while strings were searched: a chain of links does not reach across. */
import type { MemoryRun } from '../../core/memory.js'
import { mergeRuns } from '../../core/runs.js'
import { lastAtOrBelow } from '../../core/sorted.js'
import type { LinearTable } from '../../space/linear-space.js'

export class LostRanges {
  readonly #gaps: MemoryRun[] = []
  #merged: readonly MemoryRun[] | undefined

  /** Takes gaps, at guest physical addresses, in any order. */
  add(gaps: readonly MemoryRun[]): void {
    if (gaps.length === 0) return
    this.#merged = undefined
    for (const { gpa, length } of gaps) this.#gaps.push({ gpa, length })
  }

  /** Where ranges begin, ascending. */
  inImage(): Float64Array {
    return Float64Array.from(this.#ranges(), ({ gpa }) => gpa)
  }

  /** Where they begin in the extents `first` ≤ index < `end` of laid-out spaces, ascending. */
  laidOut({ address, gpa, length }: LinearTable, first: number, end: number): Float64Array {
    const ranges = this.#ranges()
    const starts: number[] = []
    for (let extent = first; extent < end && ranges.length > 0; extent++) {
      const from = gpa[extent] as number
      const to = from + (length[extent] as number)
      for (let at = this.#firstEndingAbove(from); at < ranges.length; at++) {
        const range = ranges[at] as MemoryRun
        if (range.gpa >= to) break
        starts.push((address[extent] as number) + Math.max(0, range.gpa - from))
      }
    }
    return Float64Array.from(starts)
  }

  #ranges(): readonly MemoryRun[] {
    this.#merged ??= mergeRuns(this.#gaps)
    return this.#merged
  }

  #firstEndingAbove(address: number): number {
    const ranges = this.#ranges()
    let low = 0
    let high = ranges.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const { gpa, length } = ranges[middle] as MemoryRun
      if (gpa + length <= address) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** The first of `starts`, which ascend, above `address`, if it comes before `end`. */
export function cutAt(starts: Float64Array, address: number, end: number): number {
  return Math.min(end, starts[lastAtOrBelow(starts, address) + 1] ?? end)
}
