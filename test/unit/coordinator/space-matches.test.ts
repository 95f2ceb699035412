import { describe, expect, it } from 'vitest'
import { LostRanges } from '../../../src/coordinator/rules/lost-ranges.js'
import { SpaceMatches } from '../../../src/coordinator/rules/space-matches.js'
import type { PhysicalMemory } from '../../../src/core/memory.js'
import { compileStrings } from '../../../src/patterns/compile-strings.js'
import { compileRules } from '../../../src/rules/compile.js'
import { GIVEN_UP } from '../../../src/rules/search/tables.js'
import { planRules } from '../../../src/space/rule-plan.js'

const PAGE = 4096
const LIMIT = 1_000_000

const { rules } = compileRules([{ source: 'rule r { strings: $a = "aa" $b = "bb" condition: any of them }' }])
const tables = compileStrings(
  rules.flatMap(rule => rule.strings),
  'embedded',
)
const NO_MEMORY: PhysicalMemory = {
  runs: [],
  spanAt: (_gpa, limit) => ({ kind: 'data', length: limit }),
  window: (_gpa, length) => ({ bytes: new Uint8Array(length) }),
  [Symbol.dispose]() {},
}

/** A space that maps one frame again and again. */
function repeating(
  frame: number,
  times: number,
): { vpn: Float64Array; gpa: Float64Array; length: Float64Array } {
  return {
    vpn: Float64Array.from({ length: times }, (_, i) => 16 + i),
    gpa: new Float64Array(times).fill(frame * PAGE),
    length: new Float64Array(times).fill(PAGE),
  }
}

describe('matches of a frame that is mapped again and again', () => {
  it('are bounded by string and space, the lowest stay, and it is told', () => {
    const spaces = [repeating(3, 300), repeating(3, 2)] as const
    const plan = planRules([...spaces.entries()], 2)
    const matches = new SpaceMatches(tables, plan, NO_MEMORY)
    const count = 4000
    matches.add({
      strings: {
        count: count + 1,
        part: Uint32Array.from({ length: count + 1 }, (_, i) => (i === count ? 1 : 0)),
        gpa: Float64Array.from({ length: count + 1 }, (_, i) => 3 * PAGE + 8 + (i % count)),
        length: new Uint32Array(count + 1).fill(2),
      },
    })
    const [first, second] = Array.from(matches.scopes(new LostRanges()), ({ strings, limited }) => ({
      a: strings.get(0),
      b: strings.get(1)?.count,
      limited: [...limited],
    }))
    expect(first).toMatchObject({ b: 300, limited: [0] })
    expect(first?.a?.count).toBe(LIMIT)
    expect(first?.a?.offsetAt(LIMIT - 1)).toBe((LIMIT / count - 1) * PAGE + 8 + count - 1)
    expect(second).toMatchObject({ b: 2, limited: [] })
    expect(second?.a?.count).toBe(2 * count)
  })

  it('are told as not all there in every space where their string was given up', () => {
    const plan = planRules([...[repeating(3, 1), repeating(4, 1)].entries()], 2)
    const matches = new SpaceMatches(tables, plan, NO_MEMORY)
    const given = {
      part: Uint32Array.of(0),
      gpa: Float64Array.of(3 * PAGE),
      length: Uint32Array.of(GIVEN_UP),
    }
    matches.add({ strings: { count: 1, ...given } })
    const scopes = Array.from(matches.scopes(new LostRanges()), ({ strings, limited }) => [
      strings.size,
      ...limited,
    ])
    expect(scopes).toEqual([
      [0, 0],
      [0, 0],
    ])
  })
})
