import { describe, expect, it } from 'vitest'
import { parseExternals } from '../../../src/cli/external-option.js'
import { VmsiftError } from '../../../src/core/errors.js'
import { checkRules } from '../../../src/rules/compile.js'

describe('--define', () => {
  it.each([
    ['x=12', 12n],
    ['x=-3', -3n],
    ['x=0012', 12n],
    ['x=9223372036854775807', 2n ** 63n - 1n],
    ['x=-9223372036854775808', -(2n ** 63n)],
    ['x=1.25', 1.25],
    ['x=-1.5', -1.5],
    ['x=1.', 1],
    ['x=true', true],
    ['x=false', false],
    ['x=', ''],
    ['x=a=b c', 'a=b c'],
    ['x=TRUE', 'TRUE'],
    ['x=0x10', '0x10'],
    ['x=.5', '.5'],
    ['x=1e3', '1e3'],
    ['x=+1', '+1'],
    ['x=1.2.3', '1.2.3'],
    ['x=-', '-'],
  ])('%s', (definition, value) => {
    expect(parseExternals([definition])).toEqual({ x: value })
  })

  it('may be there many times, for different names', () => {
    expect(parseExternals(['a=1', '_b2=x', 'C=true'])).toEqual({ a: 1n, _b2: 'x', C: true })
    expect(parseExternals()).toEqual({})
    expect(Object.keys(parseExternals(['__proto__=1', 'constructor=2']))).toEqual([
      '__proto__',
      'constructor',
    ])
  })

  it.each([
    [['x'], /--define x: give a name and a value/],
    [['=1'], /--define =1: give a name and a value/],
    [['3=4'], /give a name and a value/],
    [['a-b=4'], /give a name and a value/],
    [[`${'a'.repeat(129)}=4`], /give a name and a value/],
    [['x=1', 'y=2', 'x=1'], /--define x=1: "x" is defined already/],
    [['x=9223372036854775808'], /--define x=9223372036854775808: the integer has more than 64 bits/],
    [['x=-9223372036854775809'], /more than 64 bits/],
    [[`x=${'9'.repeat(100_000)}`], /more than 64 bits/],
  ])('is refused: %j', (definitions, message) => {
    expect(() => parseExternals(definitions)).toThrow(VmsiftError)
    expect(() => parseExternals(definitions)).toThrow(message)
  })

  const problemOf = (condition: string, definitions: readonly string[]) =>
    checkRules([{ source: `rule r { condition: ${condition} }` }], { externals: parseExternals(definitions) })
      .problems[0]?.message

  it.each([
    ['x == 1', ['x=1'], undefined],
    ['x == 1', ['x=abc'], 'type mismatch: text == integer'],
    ['x + 1 == 2', ['x=1.0'], undefined],
    ['x % 2 == 1', ['x=1.0'], 'wrong type "float" for % operator'],
    ['x contains "a"', ['x=1'], 'wrong type "integer" for contains operator'],
    ['x contains "a"', ['x=true'], 'wrong type "integer" for contains operator'],
    ['x == 1', ['x=true'], undefined],
    ['x == 1', ['y=1'], 'undefined identifier "x"'],
    ['x.y == 1', ['x=1'], '"x" is not a structure'],
    ['x[0] == 1', ['x=1'], '"x" is not an array or dictionary'],
    ['x(0) == 1', ['x=1'], '"x" is not a function'],
    ['true', ['r=1'], 'duplicated identifier "r"'],
    ['for any x in (1..2) : ( true )', ['x=1'], undefined],
  ])('%s with %j is checked by type', (condition, definitions, problem) => {
    const told = problemOf(condition, definitions)
    if (problem === undefined) expect(told).toBeUndefined()
    else expect(told?.replace(/^rule:\d+:\d+: /, '')).toBe(problem)
  })
})
