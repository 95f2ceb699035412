/** Small reads of guest physical memory where absence is an answer, and memory seen at another base. */
import type { PhysicalMemory, Span, Window } from '../../core/memory.js'
import { findRun } from '../../core/runs.js'

const MAX_READ_BYTES = 64 << 20

/** `length` bytes at `gpa`, or undefined where not all of them are there. The copy is the caller's. */
export function readPhysical(memory: PhysicalMemory, gpa: number, length: number): Buffer | undefined {
  if (length <= 0 || length > MAX_READ_BYTES || !isMemory(memory, gpa, length)) return undefined
  const copy = Buffer.allocUnsafe(length)
  let done = 0
  while (done < length) {
    const { bytes, stop } = memory.window(gpa + done, Math.min(length - done, 4 << 20))
    copy.set(bytes, done)
    done += bytes.length
    if (stop !== undefined && done < length) return undefined
  }
  return copy
}

/** Whether all of `gpa` up to `gpa + length` lies in one run. */
export function isMemory(memory: PhysicalMemory, gpa: number, length: number): boolean {
  if (!Number.isSafeInteger(gpa) || gpa < 0) return false
  const run = memory.runs[findRun(memory.runs, gpa)]
  return run !== undefined && gpa + length <= run.gpa + run.length
}

/** The same memory with every gpa higher by `base`: a raw image whose first byte is not at 0. The memory stays its owner's. */
export function rebased(memory: PhysicalMemory, base: number): PhysicalMemory {
  if (base === 0) return memory
  // one object for each base: what others keep by memory (copies of page tables) is then shared as well
  const known = seen.get(memory) ?? new Map<number, PhysicalMemory>()
  seen.set(memory, known)
  const moved = known.get(base) ?? moveTo(memory, base)
  known.set(base, moved)
  return moved
}

const seen = new WeakMap<PhysicalMemory, Map<number, PhysicalMemory>>()

/** What is opened for a pass is whose who opened it. */
function passAt(open: () => PhysicalMemory, base: number): () => PhysicalMemory {
  return () => {
    const pass = open()
    return { ...moveTo(pass, base), [Symbol.dispose]: () => pass[Symbol.dispose]() }
  }
}

function moveTo(memory: PhysicalMemory, base: number): PhysicalMemory {
  return {
    runs: memory.runs.map(run => ({ gpa: run.gpa + base, length: run.length })),
    spanAt: (gpa: number, limit: number): Span => memory.spanAt(gpa - base, limit),
    window: (gpa: number, length: number): Window => memory.window(gpa - base, length),
    ...(memory.forPass && { forPass: passAt(memory.forPass, base) }),
    [Symbol.dispose]: () => undefined,
  }
}
