/** Pages that were brought back from compressed swap, as memory: a made-up range above all that is the guest's own. */
import {
  isLeased,
  type LeasedMemory,
  type MemoryRun,
  type PhysicalMemory,
  type Span,
  type Window,
} from '../core/memory.js'

/** The made-up range; `bytes` is shared memory, so it crosses threads as it is. */
export interface SwappedRange {
  /** Its first byte: above every run of the guest's memory, which it does not touch. */
  readonly gpa: number
  readonly bytes: Uint8Array
}

/** A range begins at a multiple of this, and at least as far above memory. */
const ALIGN_BYTES = 2 ** 30

/** Where the made-up range begins for a guest with these runs. */
export function swappedBase(runs: readonly MemoryRun[]): number {
  const last = runs.at(-1)
  const end = last === undefined ? 0 : last.gpa + last.length
  return (Math.ceil(end / ALIGN_BYTES) + 1) * ALIGN_BYTES
}

/** `inner` with the range on top. `inner` stays the caller's, and can be asked for back as before. */
export function withSwapped(inner: PhysicalMemory, range: SwappedRange): PhysicalMemory {
  return isLeased(inner) ? new LeasedSwappedMemory(inner, range) : new SwappedMemory(inner, range)
}

class SwappedMemory<Inner extends PhysicalMemory> implements PhysicalMemory {
  readonly runs: readonly MemoryRun[]
  protected readonly inner: Inner
  readonly #range: SwappedRange
  #scratch = new Uint8Array(0)

  constructor(inner: Inner, range: SwappedRange) {
    this.inner = inner
    this.#range = range
    this.runs = [...inner.runs, { gpa: range.gpa, length: range.bytes.length }]
  }

  spanAt(gpa: number, limit: number): Span {
    const { gpa: start, bytes } = this.#range
    if (gpa < start) return this.inner.spanAt(gpa, limit)
    return { kind: 'data', length: Math.min(limit, start + bytes.length - gpa) }
  }

  window(gpa: number, length: number): Window {
    const { gpa: start, bytes } = this.#range
    if (gpa < start) return this.inner.window(gpa, length)
    // native code is given memory of this thread, never shared memory
    if (this.#scratch.length < length) this.#scratch = new Uint8Array(length)
    this.#scratch.set(bytes.subarray(gpa - start, gpa - start + length))
    return { bytes: this.#scratch.subarray(0, length) }
  }

  [Symbol.dispose](): void {
    this.#scratch = new Uint8Array(0)
  }
}

class LeasedSwappedMemory extends SwappedMemory<PhysicalMemory & LeasedMemory> implements LeasedMemory {
  get wanted(): boolean {
    return this.inner.wanted
  }

  giveBack(): void {
    this.inner.giveBack()
  }
}
