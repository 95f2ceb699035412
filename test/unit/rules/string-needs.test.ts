import { describe, expect, it } from 'vitest'
import { compileRules } from '../../../src/rules/compile.js'
import { mayHoldWith } from '../../../src/rules/string-needs.js'

/** Whether the condition may hold with these strings of $a1, $a2, $a3, $b. */
function mayHold(condition: string, found: readonly number[]): boolean {
  const strings = '$a1 = "one" $a2 = "two" $a3 = "three" $b = "four"'
  const source = `import "pe" rule earlier { condition: true } rule r { strings: ${strings} condition: (${condition}) and (any of them or true) }`
  const rule = compileRules([{ source }]).rules[1]!
  return mayHoldWith(rule.condition, index => found.includes(index))
}

describe('strings that a condition needs', () => {
  it.each([
    ['$a1', [0]],
    ['$a1 and $b', [0, 3]],
    ['$a1 and $a2 and pe.is_pe', [0, 1]],
    ['($a1 and $a2) or ($a1 and $b)', [0, 3]],
    ['$a1 at 0 and $a2 in (0..100)', [0, 1]],
    ['2 of ($a*)', [0, 2]],
    ['2 of ($a*) and not $b', [0, 1]],
    ['all of ($a*)', [0, 1, 2]],
    ['all of them', [0, 1, 2, 3]],
    ['any of ($a*)', [1]],
    ['any of ($a*) at 0', [1]],
    ['($a1 or pe.is_pe) and $b', [3]],
  ])('%s: %j and no fewer', (condition, needed) => {
    expect(mayHold(condition, needed)).toBe(true)
    expect(mayHold(condition, needed.slice(1))).toBe(false)
    expect(mayHold(condition, needed.slice(0, -1))).toBe(false)
  })

  it.each([
    'not $a1',
    'pe.is_pe',
    'none of them',
    '0 of them',
    '50% of them',
    '(1 + 1) of ($a*)',
    '#a1 == 0',
    'earlier',
    'any of (earlier, $a1)',
    'for any of ($a*) : ($ or pe.is_pe)',
    'for any i in (1..2) : ($a1 or i == 2)',
    'defined $a1',
  ])('%s: may hold without any', condition => {
    expect(mayHold(condition, [])).toBe(true)
  })

  it('false holds nowhere', () => {
    expect(mayHold('false and $a1', [0])).toBe(false)
  })
})
