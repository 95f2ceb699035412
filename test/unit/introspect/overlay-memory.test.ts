import { describe, expect, it } from 'vitest'
import {
  type MemoryRun,
  type PhysicalMemory,
  readInto,
  type Span,
  type Window,
} from '../../../src/core/memory.js'
import { OverlayMemory } from '../../../src/drivers/overlay-memory.js'

/** Three pages at 0x1000, the last one excluded, and half a page at 0x10000. */
class SmallMemory implements PhysicalMemory {
  readonly runs: readonly MemoryRun[] = [
    { gpa: 0x1000, length: 0x3000 },
    { gpa: 0x10000, length: 0x800 },
  ]
  readonly bytes = Uint8Array.from({ length: 0x3800 }, (_, i) => i % 251)

  #at(gpa: number): number {
    return gpa < 0x10000 ? gpa - 0x1000 : gpa - 0x10000 + 0x3000
  }

  spanAt(gpa: number, limit: number): Span {
    if (gpa >= 0x3000 && gpa < 0x4000)
      return { kind: 'gap', length: Math.min(limit, 0x4000 - gpa), reason: 'excluded' }
    return { kind: 'data', length: Math.min(limit, (gpa < 0x3000 ? 0x3000 : 0x10800) - gpa) }
  }

  window(gpa: number, length: number): Window {
    const span = this.spanAt(gpa, length)
    if (span.kind === 'gap')
      return { bytes: new Uint8Array(0), stop: { reason: span.reason, length: span.length } }
    const bytes = this.bytes.subarray(this.#at(gpa), this.#at(gpa) + span.length)
    return span.length === length ? { bytes } : { bytes, stop: { reason: 'excluded', length: 0x1000 } }
  }

  [Symbol.dispose](): void {}
}

function read(memory: PhysicalMemory, gpa: number, length: number): number[] {
  const bytes = new Uint8Array(length)
  readInto(memory, gpa, bytes)
  return [...bytes]
}

describe('an overlay', () => {
  it('gives back what was written, across pages, and leaves what lies below as it was', () => {
    const base = new SmallMemory()
    const before = base.bytes.slice()
    using overlay = new OverlayMemory(base)
    overlay.write(0x1ffe, Uint8Array.of(1, 2, 3, 4))
    expect(read(overlay, 0x1ffc, 8)).toEqual([
      ...before.subarray(0xffc, 0xffe),
      1,
      2,
      3,
      4,
      ...before.subarray(0x1002, 0x1004),
    ])
    expect(base.bytes).toEqual(before)
    expect(overlay.changedBytes).toBe(0x2000)
  })

  it('reads unchanged memory and gaps as the memory below does', () => {
    const base = new SmallMemory()
    using overlay = new OverlayMemory(base)
    overlay.write(0x2000, Uint8Array.of(9))
    expect(overlay.spanAt(0x1000, 0x9000)).toEqual({ kind: 'data', length: 0x1000 })
    expect(overlay.spanAt(0x2004, 0x9000)).toEqual({ kind: 'data', length: 0xffc })
    expect(overlay.spanAt(0x3000, 0x800)).toEqual({ kind: 'gap', length: 0x800, reason: 'excluded' })
    const { bytes, stop } = overlay.window(0x1800, 0x2000)
    expect(bytes.length).toBe(0x1800)
    expect(bytes[0x800]).toBe(9)
    expect(stop).toEqual({ reason: 'excluded', length: 0x800 })
  })

  it('refuses to write where there is no memory, or where the image holds none', () => {
    using overlay = new OverlayMemory(new SmallMemory())
    expect(() => overlay.write(0x0, Uint8Array.of(1))).toThrow(/no memory/)
    expect(() => overlay.write(0x107ff, Uint8Array.of(1, 2))).toThrow(/no memory/)
    expect(() => overlay.write(0x2fff, Uint8Array.of(1, 2))).toThrow(/does not hold/)
    expect(overlay.changedBytes).toBe(0)
    overlay.write(0x107ff, Uint8Array.of(7))
    expect(read(overlay, 0x107ff, 1)).toEqual([7])
  })
})
