/** One pass over guest physical memory in windows: what every search for a kernel is made of. */
import { alignDown, alignUp } from '../../core/address.js'
import type { MemoryRun, PhysicalMemory } from '../../core/memory.js'
import { totalBytes } from '../../core/runs.js'

/** Bytes of a window: large enough for fast searching, small enough to stay in the processor's cache a while. */
const WINDOW_BYTES = 4 << 20
/** Windows start at multiples of the largest page, whatever pieces the image is in: a table never lies across two. */
const UNIT_BYTES = 1 << 16

/** From so much on, opening memory anew for the pass costs less than it saves. */
const PASS_BYTES = 16 << 20

/** What a sweep asks for each window; `true` ends the sweep. The bytes die when it returns, or reads memory itself. */
export type Visit = (bytes: Buffer, gpa: number) => boolean

/** How a sweep goes. */
export interface SweepOptions {
  /** Bytes that a window shares with the next, so that nothing is lost where it straddles two; default 0. */
  readonly overlap?: number
  /** Only these ranges; default all of memory. */
  readonly ranges?: readonly MemoryRun[]
}

/**
 * Shows memory to `visit` window by window, ascending. Zeros that the driver knows of and gaps are left out as far as that goes in units
 * of 64 KiB. Returns whether `visit` ended it. Windows start at multiples of 64 KiB, save behind a gap or at the start of a run.
 */
export function sweep(memory: PhysicalMemory, visit: Visit, options: SweepOptions = {}): boolean {
  const ranges = options.ranges ?? memory.runs
  const pass = totalBytes(ranges) < PASS_BYTES ? undefined : memory.forPass?.()
  try {
    for (const run of ranges) if (sweepRun(pass ?? memory, run, visit, options.overlap ?? 0)) return true
    return false
  } finally {
    pass?.[Symbol.dispose]()
  }
}

function sweepRun(memory: PhysicalMemory, run: MemoryRun, visit: Visit, overlap: number): boolean {
  const end = run.gpa + run.length
  let at = run.gpa
  while (at < end) {
    const span = memory.spanAt(at, Math.min(WINDOW_BYTES, end - at))
    const behind = at + span.length
    const known = span.kind === 'zero' && behind < end ? alignDown(behind, UNIT_BYTES) : behind
    if (span.kind !== 'data' && known > at) {
      at = known
      continue
    }
    const next = Math.min(end, alignUp(behind, UNIT_BYTES))
    const { bytes, stop } = memory.window(at, Math.min(next - at + overlap, end - at))
    if (bytes.length > 0 && visit(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), at)) return true
    const reached = at + bytes.length
    at = stop === undefined || reached >= next ? next : reached + Math.max(1, stop.length)
  }
  return false
}
