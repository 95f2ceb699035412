/** What an expression may take to verify: bounded by what is searched, however it is made. */
import { describe, expect, it } from 'vitest'
import { compileRules } from '../../../src/rules/compile.js'
import { partsOf } from '../../../src/rules/search/parts.js'
import { Verifier } from '../../../src/rules/search/verifier.js'

const LENGTH = 5000
const hay = { bytes: new Uint8Array(LENGTH).fill(0x61), low: 0, high: LENGTH }

function verifierOf(string: string): Verifier {
  const [rule] = compileRules([{ source: `rule r { strings: $a = ${string} condition: $a }` }]).rules
  const [part] = partsOf(rule!.strings[0]!)
  if (part?.kind !== 'code') throw new Error(`${string} is no code`)
  return new Verifier(part)
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

  it('what ends at once takes next to nothing', () => {
    const verifier = verifierOf('/ab[cd]/')
    for (let at = 0; at < LENGTH; at++) verifier.verify(hay, 0, at, () => {})
    expect(verifier.isExhausted(0, 3 * LENGTH)).toBe(false)
  })
})
