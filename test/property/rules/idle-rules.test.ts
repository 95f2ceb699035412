/** Rules that are passed over in spaces without their strings, against the evaluation of all of them. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { VmsiftError } from '../../../src/core/errors.js'
import type { RuleSet } from '../../../src/rules/ast.js'
import { compileRules } from '../../../src/rules/compile.js'
import { Conditions } from '../../../src/rules/conditions.js'
import type { RuleSpace, StringMatches } from '../../../src/rules/space.js'
import { ruleFile } from '../../reference/yara/arbitrary-conditions.js'
import { ruleBytes } from '../../reference/yara/arbitrary-strings.js'
import { matchesOf, spaceOf } from '../../reference/yara/evaluate.js'
import { findString } from '../../reference/yara/strings.js'

const factor = Number(process.env['VMSIFT_RULE_RUNS'] ?? 1)
const NOW = 1_700_000_000

/** As a process: it has no size. */
function process_(data: Uint8Array, matches: ReadonlyMap<number, StringMatches>): RuleSpace {
  return { ...spaceOf(data, matches), filesize: undefined }
}

function compiled(source: string): RuleSet | undefined {
  try {
    return compileRules([{ source }])
  } catch (error) {
    if (error instanceof VmsiftError) return undefined
    throw error
  }
}

function found(ruleSet: RuleSet, data: Uint8Array): Map<number, StringMatches> {
  const all = new Map<number, StringMatches>()
  for (const { strings } of ruleSet.rules)
    for (const string of strings) {
      const list = findString(string, data)
      if (list.length > 0) all.set(string.id, matchesOf(list))
    }
  return all
}

describe('rules that are passed over where nothing of theirs was found', () => {
  it('are those that do not hold there', () => {
    const somewhere = fc.array(fc.tuple(ruleBytes, fc.infiniteStream(fc.boolean())), {
      minLength: 1,
      maxLength: 4,
    })
    fc.assert(
      fc.property(ruleFile, somewhere, (source, spaces) => {
        const ruleSet = compiled(source)
        if (ruleSet === undefined) return
        const all = new Conditions(ruleSet)
        const sparing = new Conditions(ruleSet)
        for (const [data, kept] of [[new Uint8Array(0), []], ...spaces] as const) {
          const choices = kept[Symbol.iterator]()
          const matches = new Map([...found(ruleSet, data)].filter(() => choices.next().value === true))
          const space = process_(data, matches)
          const { holding } = all.evaluate(space, { now: NOW })
          expect(sparing.evaluate(space, { now: NOW, found: matches.keys() }).holding).toEqual(holding)
        }
      }),
      { numRuns: 50 * factor },
    )
  })

  const passedOver = (condition: string): boolean => {
    let asked = 0
    const ruleSet = compileRules([
      { source: `rule a { strings: $a = "aaaa" $b = "bbbb" condition: ${condition} }` },
    ])
    const matches = (): undefined => {
      asked++
      return undefined
    }
    const read = (): Uint8Array => {
      asked++
      return new Uint8Array(0)
    }
    new Conditions(ruleSet).evaluate({ filesize: undefined, matches, read }, { found: [] })
    return asked === 0
  }

  it.each([
    'all of them',
    '$a and uint8(0) == 3 and $b',
    'uint8(0) == 3 and ($a or $b)',
    'for any of them : (@ > 5)',
    '#a + #b > 2',
    'filesize < 2MB and any of them',
    'for all i in (1..#a) : (uint8(@a[i]) == 3 and $b)',
  ])('%s is not evaluated', condition => {
    expect(passedOver(condition)).toBe(true)
  })

  it.each(['not $a or $b', 'none of them', 'uint8(0) == 3 or all of them', '#a < 5 and #b < 5'])(
    '%s is evaluated everywhere',
    condition => {
      expect(passedOver(condition)).toBe(false)
    },
  )

  it('take too many steps once, not in every space', () => {
    const ruleSet = compileRules([
      { source: 'rule slow { strings: $a = "aaaa" condition: for all i in (1..1000000) : (i > #a) and $a }' },
    ])
    const conditions = new Conditions(ruleSet)
    const space = process_(new Uint8Array(0), new Map())
    const once = conditions.evaluate(space, { found: [], maxRuleSteps: 100 })
    expect(once.exhausted).toEqual([])
    const loop = compileRules([
      { source: 'rule slow { strings: $a = "aaaa" condition: for all i in (1..1000000) : (i > #a) }' },
    ])
    const slow = new Conditions(loop)
    for (let i = 0; i < 3; i++)
      expect(slow.evaluate(space, { found: [], maxRuleSteps: 100 }).exhausted).toEqual([0])
    expect(conditions.evaluate(space, { found: [0], maxRuleSteps: 100 }).exhausted).toEqual([0])
  })
})
