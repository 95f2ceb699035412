import { setFlagsFromString } from 'node:v8'
import { describe, expect, it } from 'vitest'
import { unoptimised } from '../../../src/coordinator/rules/unoptimised.js'

setFlagsFromString('--allow-natives-syntax')
/** Bit 4 (`kOptimized` in V8's runtime.h): optimised code is in use. */
const isOptimised = new Function('f', 'return (%GetOptimizationStatus(f) & 16) !== 0') as (
  f: unknown,
) => boolean

/** Calls a new function until V8 has optimised it; false where it does not in a while. */
function becomesOptimised(milliseconds: number): boolean {
  const hot = new Function(
    'n',
    'let sum = 0; for (let i = 0; i < n; i++) sum = (sum * 31 + i) | 0; return sum',
  )
  for (const start = performance.now(); performance.now() - start < milliseconds; ) {
    for (let i = 0; i < 1000; i++) hot(100)
    if (isOptimised(hot)) return true
  }
  return false
}

describe('code that runs once', () => {
  it('is not optimised, what runs afterwards is', () => {
    expect(unoptimised(() => becomesOptimised(300))).toBe(false)
    expect(becomesOptimised(10_000)).toBe(true)
  })

  it('may fail, and may be part of such code', () => {
    const fail = (): never => {
      throw new Error('no')
    }
    expect(() => unoptimised(() => unoptimised(fail))).toThrow('no')
    expect(unoptimised(() => unoptimised(() => 0) + Number(becomesOptimised(300)))).toBe(0)
    expect(becomesOptimised(10_000)).toBe(true)
  })
})
