/** One pass over guest physical memory in windows: what every search for a kernel is made of. */
import type { MemoryRun, PhysicalMemory } from '../../../core/memory.js'

/** Bytes of a window: large enough for fast searching, small enough to stay in the processor's cache a while. */
const WINDOW_BYTES = 4 << 20

/** What a sweep asks for each window; `true` ends the sweep. The bytes die when it returns. */
export type Visit = (bytes: Buffer, gpa: number) => boolean

/** How a sweep goes. */
export interface SweepOptions {
  /** Bytes that a window shares with the one before, so that nothing is lost where it straddles two; default 0. */
  readonly overlap?: number
  /** Only these ranges; default all of memory. */
  readonly ranges?: readonly MemoryRun[]
}

/**
 * Shows memory to `visit` window by window, ascending. Zeros that the driver knows of and gaps are left out.
 * Returns whether `visit` ended it. Windows start at multiples of 4096 wherever a run does.
 */
export function sweep(memory: PhysicalMemory, visit: Visit, options: SweepOptions = {}): boolean {
  const overlap = options.overlap ?? 0
  for (const run of options.ranges ?? memory.runs) {
    const end = run.gpa + run.length
    let at = run.gpa
    while (at < end) {
      const span = memory.spanAt(at, Math.min(WINDOW_BYTES, end - at))
      if (span.kind !== 'data') {
        at += span.length
        continue
      }
      const { bytes, stop } = memory.window(at, Math.min(span.length + overlap, end - at))
      if (bytes.length > 0 && visit(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), at))
        return true
      if (stop === undefined || bytes.length >= span.length) at += span.length
      else at += bytes.length + Math.max(1, stop.length)
    }
  }
  return false
}
