import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findRun, mergeRuns, totalBytes } from '../../../src/core/runs.js'

describe('mergeRuns', () => {
  it('keeps exactly the addresses that some run held', () => {
    const small = fc.array(
      fc.record({ gpa: fc.integer({ min: 0, max: 60 }), length: fc.integer({ min: 0, max: 12 }) }),
    )
    fc.assert(
      fc.property(small, runs => {
        const held = new Set(runs.flatMap(run => Array.from({ length: run.length }, (_, at) => run.gpa + at)))
        const merged = mergeRuns(runs)
        expect(totalBytes(merged)).toBe(held.size)
        for (let gpa = 0; gpa < 80; gpa++) expect(findRun(merged, gpa) >= 0).toBe(held.has(gpa))
        for (const [at, run] of merged.entries()) {
          const before = merged[at - 1]
          if (before) expect(run.gpa).toBeGreaterThan(before.gpa + before.length)
        }
      }),
    )
  })
})
