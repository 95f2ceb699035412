import { describe, expect, it } from 'vitest'
import type { PhysicalMemory, Span } from '../../../src/core/memory.js'
import { sweep } from '../../../src/os/search/sweep.js'

const KIB = 1024

/** Memory whose pieces are as the driver says; every byte is the number of its 4 KiB page. */
function memoryOf(
  start: number,
  pieces: readonly (readonly [kind: Span['kind'], length: number])[],
): PhysicalMemory {
  const length = pieces.reduce((sum, [, bytes]) => sum + bytes, 0)
  const pieceAt = (gpa: number) => {
    let end = start
    for (const [kind, bytes] of pieces) {
      end += bytes
      if (gpa < end) return { kind, left: end - gpa }
    }
    throw new Error(`no memory at ${gpa}`)
  }
  return {
    runs: [{ gpa: start, length }],
    spanAt(gpa, limit) {
      const { kind, left } = pieceAt(gpa)
      const span = { length: Math.min(left, limit) }
      return kind === 'gap' ? { kind, ...span, reason: 'excluded' } : { kind, ...span }
    },
    window(gpa, wanted) {
      const bytes = new Uint8Array(wanted)
      for (let i = 0; i < wanted; i++) {
        const { kind, left } = pieceAt(gpa + i)
        if (kind === 'gap')
          return {
            bytes: bytes.subarray(0, i),
            stop: { reason: 'excluded', length: Math.min(left, wanted - i) },
          }
        bytes[i] = Math.floor((gpa + i) / 4096) & 0xff
      }
      return { bytes }
    },
    [Symbol.dispose]: () => undefined,
  }
}

function windows(memory: PhysicalMemory, overlap = 0): { gpa: number; length: number }[] {
  const seen: { gpa: number; length: number }[] = []
  sweep(
    memory,
    (bytes, gpa) => {
      expect(bytes.every((byte, i) => byte === (Math.floor((gpa + i) / 4096) & 0xff))).toBe(true)
      seen.push({ gpa, length: bytes.length })
      return false
    },
    { overlap },
  )
  return seen
}

describe('sweeping memory', () => {
  it('shows all of it, each window sharing its last bytes with the next', () => {
    expect(windows(memoryOf(0x10000, [['data', 9 << 20]]), 100)).toEqual([
      { gpa: 0x10000, length: (4 << 20) + 100 },
      { gpa: 0x410000, length: (4 << 20) + 100 },
      { gpa: 0x810000, length: 1 << 20 },
    ])
  })

  it('starts windows at whole units though holes of the file do not end there', () => {
    const memory = memoryOf(0, [
      ['zero', 200 * KIB + 1234],
      ['data', 70 * KIB],
      ['zero', 300 * KIB],
      ['data', 10],
    ])
    const seen = windows(memory)
    expect(seen.every(({ gpa }) => gpa % (64 * KIB) === 0)).toBe(true)
    expect(seen[0]).toEqual({ gpa: 192 * KIB, length: 64 * KIB })
    const last = seen.at(-1)!
    expect(last.gpa + last.length).toBe(570 * KIB + 1244)
  })

  it('ends where zeros and data change every few bytes', () => {
    const pieces = Array.from({ length: 700 }, (_, i) => [i % 2 === 0 ? 'zero' : 'data', 100] as const)
    const seen = windows(memoryOf(0x3000, pieces))
    expect(seen.reduce((sum, { length }) => sum + length, 0)).toBe(70_000)
  })

  it('goes on behind gaps, also where they are told late', () => {
    const seen = windows(
      memoryOf(0, [
        ['data', 100 * KIB],
        ['gap', 20 * KIB],
        ['data', 30 * KIB],
        ['gap', 1],
        ['data', 5],
      ]),
    )
    expect(seen).toEqual([
      { gpa: 0, length: 100 * KIB },
      { gpa: 120 * KIB, length: 30 * KIB },
      { gpa: 150 * KIB + 1, length: 5 },
    ])
  })

  it('stops when it is told to', () => {
    let calls = 0
    expect(sweep(memoryOf(0, [['data', 20 << 20]]), () => ++calls === 2)).toBe(true)
    expect(calls).toBe(2)
  })
})
