/** Arithmetic on sorted lists of physical ranges. */
import type { MemoryRun } from './memory.js'

/** Sorts and merges: the result is disjoint, ascending, and touching ranges are one. Empty ranges vanish. */
export function mergeRuns(runs: readonly MemoryRun[]): MemoryRun[] {
  const sorted = runs.filter(run => run.length > 0).sort((a, b) => a.gpa - b.gpa)
  const merged: { gpa: number; length: number }[] = []
  for (const run of sorted) {
    const last = merged.at(-1)
    if (last !== undefined && run.gpa <= last.gpa + last.length)
      last.length = Math.max(last.length, run.gpa + run.length - last.gpa)
    else merged.push({ gpa: run.gpa, length: run.length })
  }
  return merged
}

/** The parts of `runs` inside `start` ≤ address < `end`. */
export function clipRuns(runs: readonly MemoryRun[], start: number, end: number): MemoryRun[] {
  const clipped: MemoryRun[] = []
  for (const run of runs) {
    const from = Math.max(run.gpa, start)
    const to = Math.min(run.gpa + run.length, end)
    if (from < to) clipped.push({ gpa: from, length: to - from })
  }
  return clipped
}

/** Index of the run that holds `gpa` (runs as `mergeRuns` leaves them), or -1. */
export function findRun(runs: readonly MemoryRun[], gpa: number): number {
  let low = 0
  let high = runs.length - 1
  while (low <= high) {
    const middle = (low + high) >>> 1
    const run = runs[middle] as MemoryRun
    if (gpa < run.gpa) high = middle - 1
    else if (gpa >= run.gpa + run.length) low = middle + 1
    else return middle
  }
  return -1
}

/** Bytes in all. */
export function totalBytes(runs: readonly MemoryRun[]): number {
  let sum = 0
  for (const run of runs) sum += run.length
  return sum
}
