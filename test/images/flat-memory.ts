/** Guest memory that is one array of bytes. */
import type { MemoryRun, PhysicalMemory, Span, Window } from '../../src/core/memory.js'

export class FlatMemory implements PhysicalMemory {
  readonly runs: readonly MemoryRun[]
  readonly bytes: Buffer
  readonly #base: number

  constructor(bytes: Buffer, base = 0) {
    this.bytes = bytes
    this.#base = base
    this.runs = [{ gpa: base, length: bytes.length }]
  }

  spanAt(gpa: number, limit: number): Span {
    return { kind: 'data', length: Math.min(limit, this.#base + this.bytes.length - gpa) }
  }

  window(gpa: number, length: number): Window {
    return { bytes: this.bytes.subarray(gpa - this.#base, gpa - this.#base + length) }
  }

  [Symbol.dispose](): void {}
}
