/** Conditions over a space whose addresses fill 64 bits: there an offset is a signed number, as YARA has it, and order is that of memory. */
import { describe, expect, it } from 'vitest'
import { compileRules } from '../../../src/rules/compile.js'
import { Conditions } from '../../../src/rules/conditions.js'
import type { RuleSpace, StringMatches } from '../../../src/rules/space.js'

const HIGH = 0xffff_8000_0000_0000n
const PLACES = [0n, 0x1000n, HIGH, HIGH + 0x10n, 2n ** 64n - 1n]

const matches: StringMatches = {
  count: PLACES.length,
  offsetAt: index => PLACES[index] ?? 0n,
  lengthAt: index => index + 1,
  firstFrom: offset => {
    const index = PLACES.findIndex(place => place >= offset)
    return index < 0 ? PLACES.length : index
  },
}
const space: RuleSpace = {
  filesize: undefined,
  matches: () => matches,
  read: (offset, length) =>
    (offset === HIGH ? Uint8Array.of(1, 2, 3, 4) : new Uint8Array(0)).subarray(0, length),
}

function holds(condition: string): boolean {
  const rules = compileRules([
    { source: `rule r { strings: $a = "a" condition: #a > 0 and (${condition}) }` },
  ])
  return new Conditions(rules).evaluate(space).holding.length === 1
}

describe('addresses of a kernel', () => {
  it.each([
    '@a[3] == -140737488355328',
    '@a[3] < 0 and @a[2] > 0',
    '@a[5] == -1',
    '$a at -140737488355328',
    '$a at (-140737488355328 + 16)',
    '$a at -1',
    '$a at 0',
    '$a at 4096',
    '$a in (-140737488355328..-140737488355320)',
    '$a in (-1..-1)',
    '$a in (-1..0)',
    '#a in (-140737488355328..-1) == 3',
    '#a in (-140737488355328..-2) == 2',
    '#a in (-140737488355327..0) == 3',
    '#a in (-140737488355327..-140737488355327) == 0',
    '#a in (-140737488355312..4096) == 4',
    '#a in (-9223372036854775807..9223372036854775807) == 5',
    '#a in (0..9223372036854775807) == 2',
    '#a in (1..4096) == 1',
    '#a in (0..4095) == 1',
    '#a in (0..0) == 1',
    '#a in (4096..0) == 0',
    '#a in (-1..-2) == 0',
    '#a in (0..-1) == 0',
    'any of them in (-2..-1)',
    'any of them at -1',
    'uint16(-140737488355328) == 0x0201',
    'uint32be(@a[3]) == 0x01020304',
    'not defined uint8(-1)',
    'not defined filesize',
    'for any i in (1..#a) : ( @a[i] == -1 and !a[i] == 5 )',
  ])('%s', condition => {
    expect(holds(condition)).toBe(true)
  })

  it.each([
    '$a at -2',
    '$a at 1',
    '$a at 4095',
    '$a in (-140737488355327..-140737488355313)',
    '$a in (1..4095)',
    '$a in (-1..-140737488355328)',
    'any of them in (-140737488355311..-2)',
    'filesize > 0',
  ])('and not %s', condition => {
    expect(holds(condition)).toBe(false)
  })
})
