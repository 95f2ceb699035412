/** What an expression may take to verify: bounded by what is searched, however it is made. */
import { describe, expect, it } from 'vitest'
import { compileRules } from '../../../src/rules/compile.js'
import { KeptStates } from '../../../src/rules/search/fibers.js'
import { partsOf } from '../../../src/rules/search/parts.js'
import { Verifier } from '../../../src/rules/search/verifier.js'

const LENGTH = 5000
const hay = { bytes: new Uint8Array(LENGTH).fill(0x61), low: 0, high: LENGTH }

function verifierOf(string: string, kept = new KeptStates()): Verifier {
  const [rule] = compileRules([{ source: `rule r { strings: $a = ${string} condition: $a }` }]).rules
  const [part] = partsOf(rule!.strings[0]!)
  if (part?.kind !== 'code') throw new Error(`${string} is no code`)
  return new Verifier(part, kept)
}

describe('verifying', () => {
  it.each(['/(a+)+b/', '/aa.*b/', '{ 61 [0-200] 61 [0-200] 61 [0-200] 61 [0-200] 62 }'])(
    '%s at each of many places is too long, but not where as much is searched',
    string => {
      const verifier = verifierOf(string)
      for (let at = 0; at < 50; at++) verifier.verify(hay, 0, at, () => {})
      expect(verifier.isExhausted(0)).toBe(false)
      expect(verifier.isExhausted(0, 10_000)).toBe(true)
      expect(verifier.isExhausted(LENGTH, 10_000)).toBe(false)
    },
  )

  it('what makes a state at every byte finds them again at the next place', () => {
    const verifier = verifierOf('/(.|[ab]){2,}[ab]/')
    for (let at = 0; at < 100; at++) verifier.verify(hay, 0, at, () => {})
    expect(verifier.isExhausted(0)).toBe(false)
  })

  it('what many strings remember is bounded all together, and what they find is the same', () => {
    const strings = Array.from({ length: 8 }, (_, i) => `/[^${i}]{2,}[ab]/`)
    const found = (kept: () => KeptStates): string[] => {
      const told: string[] = []
      const verifiers = strings.map(string => verifierOf(string, kept()))
      for (let at = 0; at < 6; at++)
        for (const [i, verifier] of verifiers.entries())
          verifier.verify(hay, 0, at * 100, (start, length) => told.push(`${i} ${start} ${length}`))
      return told
    }
    const shared = new KeptStates(200_000)
    const told = found(() => shared)
    expect(told.length).toBeGreaterThan(8)
    expect(told).toEqual(found(() => new KeptStates()))
    const alone = new KeptStates()
    verifierOf(strings[0]!, alone).verify(hay, 0, 0, () => {})
    // what is made during one run comes on top
    expect(alone.kept).toBeGreaterThan(30_000)
    expect(shared.kept).toBeLessThan(200_000 + 2 * alone.kept)
  })

  it('what ends at once takes next to nothing', () => {
    const verifier = verifierOf('/ab[cd]/')
    for (let at = 0; at < LENGTH; at++) verifier.verify(hay, 0, at, () => {})
    expect(verifier.isExhausted(0, 3 * LENGTH)).toBe(false)
  })
})
