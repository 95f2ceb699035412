/** The part of memory in which the rest of a kernel's image lies. */

import { alignDown } from '../../../core/address.js'
import type { MemoryRun, PhysicalMemory } from '../../../core/memory.js'
import { clipRuns } from '../../../core/runs.js'

/** A kernel's image with bss is 20 to 90 MB; the largest debugging kernels stay below this. */
const REACH_BYTES = 128 << 20
/** The largest granule: ranges start where every page does. */
const PAGE_BYTES = 1 << 16

/** Memory around a place in the image. */
export function around(memory: PhysicalMemory, gpa: number): MemoryRun[] {
  const start = alignDown(gpa, PAGE_BYTES)
  return clipRuns(memory.runs, Math.max(0, start - REACH_BYTES), start + REACH_BYTES)
}

/** Memory from the image's start on. */
export function behind(memory: PhysicalMemory, gpa: number): MemoryRun[] {
  const start = alignDown(gpa, PAGE_BYTES)
  return clipRuns(memory.runs, Math.max(0, start), start + REACH_BYTES)
}
