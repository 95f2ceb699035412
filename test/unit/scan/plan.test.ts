import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { MemoryRun } from '../../../src/core/memory.js'
import { clipRuns, mergeRuns, totalBytes } from '../../../src/core/runs.js'
import { partitionSize, planPartitions } from '../../../src/scan/plan.js'

const runLists = fc
  .array(
    fc.record({ gpa: fc.integer({ min: 0, max: 1 << 20 }), length: fc.integer({ min: 1, max: 1 << 16 }) }),
  )
  .map(mergeRuns)

describe('planPartitions', () => {
  it('covers every byte of memory exactly once, in ascending order', () => {
    fc.assert(
      fc.property(
        runLists,
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 1, max: 16 }),
        (runs, blocks, size) => {
          const blockBytes = size * 64
          const partitions = planPartitions(runs, blocks * blockBytes, blockBytes)
          const pieces: MemoryRun[] = []
          for (const [at, partition] of partitions.entries()) {
            const inside = clipRuns(runs, partition.start, partition.end)
            expect(partition.index).toBe(at)
            expect(totalBytes(inside)).toBe(partition.bytes)
            expect(partition.start).toBeGreaterThanOrEqual(partitions[at - 1]?.end ?? 0)
            pieces.push(...inside)
          }
          expect(mergeRuns(pieces)).toEqual(runs)
          expect(totalBytes(pieces)).toBe(totalBytes(runs))
        },
      ),
    )
  })

  it('cuts inside a run only at multiples of the block size', () => {
    const partitions = planPartitions([{ gpa: 0x1234, length: 1 << 20 }], 1 << 16, 1 << 14)
    for (const partition of partitions.slice(1)) expect(partition.start % (1 << 14)).toBe(0)
    expect(partitions.length).toBeGreaterThan(10)
  })

  it('puts small runs together in one partition', () => {
    const runs = Array.from({ length: 10_000 }, (_, at) => ({ gpa: at * 8192, length: 4096 }))
    expect(planPartitions(runs, 16 << 20, 4 << 20).length).toBeLessThan(5)
  })

  it('is exact beyond 2^40', () => {
    const [partition] = planPartitions([{ gpa: 2 ** 40 + 1, length: 10 }], 1 << 20, 1 << 20)
    expect(partition).toEqual({ index: 0, start: 2 ** 40 + 1, end: 2 ** 40 + 11, bytes: 10 })
  })
})

describe('partitionSize', () => {
  it('grows with memory up to a bound, and is a multiple of the block size', () => {
    expect(partitionSize(1 << 30, 2, 4 << 20)).toBe(128 << 20)
    expect(partitionSize(1 << 30, 2, 4 << 20, true)).toBe(32 << 20)
    expect(partitionSize(2 ** 40, 2, 4 << 20)).toBe(256 << 20)
    expect(partitionSize(1 << 20, 8, 4 << 20)).toBe(16 << 20)
  })
})
