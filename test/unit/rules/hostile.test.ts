/** Rules that want to take all time and all memory. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { checkRules, compileRules } from '../../../src/rules/compile.js'
import { Conditions } from '../../../src/rules/conditions.js'
import { spaceOf } from '../../reference/yara/evaluate.js'

const firstProblem = (source: string) => checkRules([{ source }]).problems[0]?.message
const rule = (condition: string, strings = '') => `rule a {${strings} condition: ${condition}}`

describe('hostile rule text ends in an error', () => {
  it.each([
    [
      'parentheses',
      rule(`${'('.repeat(100_000)}true${')'.repeat(100_000)}`),
      /parentheses are nested too deep/,
    ],
    [
      'groups of a regular expression',
      rule('$a', `strings: $a = /${'('.repeat(4000)}a${')'.repeat(4000)}/`),
      /groups are nested too deep/,
    ],
    [
      'alternatives of a hex string',
      rule('$a', `strings: $a = { 61 ${'(61|'.repeat(300)}61${')'.repeat(300)} }`),
      /alternatives are nested too deep/,
    ],
    ['functions', rule(`${'uint8('.repeat(100_000)}0${')'.repeat(100_000)} == 0`), /nested too deep/],
    [
      'loops',
      rule(
        `${Array.from({ length: 20 }, (_, i) => `for any i${i} in (1..2) : (`).join('')}true${')'.repeat(20)}`,
      ),
      /loop nesting limit exceeded/,
    ],
    ['chains of operators', rule(`${'1 + '.repeat(100_000)}1 == 1`), /nested too deep/],
    [
      'a long regular expression',
      rule('$a', `strings: $a = /${'a'.repeat(10_000)}/`),
      /regular expression is too long: at most 8192 bytes/,
    ],
    [
      'a regular expression that grows',
      rule('"a" matches /((a{1000}){1000}){1000}/'),
      /regular expression is too large/,
    ],
    [
      'thousands of alternatives',
      rule('$a', `strings: $a = { 61 (${Array.from({ length: 3000 }, () => '62 63').join('|')}) 61 }`),
      /a hex string is too complex: 2999 choices, at most 128/,
    ],
    [
      'hundreds of choices',
      rule('$a', `strings: $a = /a${'b?'.repeat(129)}c/`),
      /a regular expression is too complex: 129 choices, at most 128/,
    ],
    [
      'choices that multiply',
      rule('$a', `strings: $a = /a((((b?c){2,9}){2,9}){2,9}){2,9}(d|e|f|g){2,9}c/`),
      /a regular expression is too complex: \d+ choices, at most 128/,
    ],
    ['a long number', rule(`${'9'.repeat(1_000_000)} == 1`), /integer overflow/],
    ['a long name', `rule ${'a'.repeat(1_000_000)} { condition: true }`, /identifier too long/],
    ['an unclosed comment', `${rule('true')} /* ${'*'.repeat(1_000_000)}`, /this comment has no end/],
  ])('%s', (_, source, message) => {
    expect(firstProblem(source)).toMatch(message)
  })

  it('and what is merely long does not', () => {
    const many = Array.from({ length: 20_000 }, () => 'true').join(' and ')
    expect(firstProblem(rule(many))).toBeUndefined()
    expect(firstProblem(rule(`${'not '.repeat(400)}true`))).toBeUndefined()
  })

  it('sets of everything in many rules end in an error', () => {
    const some = Array.from({ length: 3000 }, (_, i) => `rule a${i} { condition: true }`)
    const all = Array.from({ length: 3000 }, (_, i) => `rule b${i} { condition: any of (a*) }`)
    expect(firstProblem([...some, ...all].join('\n'))).toMatch(/sets of strings and rules are too large/)
  })

  it('many errors on one long line are found in little time', () => {
    const source = Array.from({ length: 20_000 }, (_, i) => `rule r${i} { condition: x }`).join(' ')
    const { problems } = checkRules([{ source }])
    expect(problems).toHaveLength(1000)
    expect(problems.at(-1)?.excerpt.length).toBeLessThan(400)
  })
})

describe('includes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vmsift-includes-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text)
    return { source: text, path: join(folder, name) }
  }
  const problems = (text: { source: string; path: string }) =>
    checkRules([text]).problems.map(({ message }) => message.replaceAll(folder, '.'))

  it('are relative to their file, and rules keep the place in it', () => {
    file('inner.yar', 'rule inner { condition: true }\nrule wrong { condition: x }')
    const outer = file('outer.yar', '// first\ninclude "inner.yar"\nrule outer { condition: inner }')
    expect(problems(outer)).toEqual(['./inner.yar:2:25: undefined identifier "x"'])
    expect(checkRules([outer]).ruleSet.rules.map(({ name, place }) => [name, place.line])).toEqual([
      ['inner', 1],
      ['outer', 3],
    ])
  })

  it('that lead back are refused', () => {
    file('two.yar', 'include "one.yar"')
    expect(problems(file('one.yar', 'include "two.yar"'))).toEqual([
      './two.yar:1:1: include "one.yar" includes itself',
    ])
  })

  it('of what is no file, or not there, are refused', () => {
    expect(problems(file('zero.yar', 'include "/dev/zero"'))).toEqual([
      './zero.yar:1:1: include "/dev/zero" is no file',
    ])
    expect(problems(file('none.yar', 'include "none"'))).toEqual([
      './none.yar:1:1: include "none" can\'t be read: ENOENT',
    ])
  })

  it('that multiply end', () => {
    file('leaf.yar', `/*${'x'.repeat(1 << 20)}*/`)
    for (const [name, next] of [
      ['l3', 'leaf'],
      ['l2', 'l3'],
      ['l1', 'l2'],
    ])
      file(`${name}.yar`, `include "${next}.yar"\n`.repeat(20))
    expect(problems(file('root.yar', 'include "l1.yar"'))[0]).toMatch(/includes come to more than 64 MiB/)
  })
})

describe('conditions that do not end', () => {
  const space = spaceOf(new Uint8Array(100), new Map())
  const huge = { ...space, filesize: 2n ** 40n }
  const zeros = { ...huge, read: (_: bigint, length: number) => new Uint8Array(length) }

  it.each([
    'for all i in (0..filesize) : ( i >= 0 )',
    'for all i in (1..1000000) : ( for all j in (1..1000000) : ( i != 0 and j != 0 ) )',
    'for all i in (0..100000) : ( i >= 0 and "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" matches /(a|aa|aaa)*(a|b|c)*(a?){200}b/ )',
  ])('take their steps, and are told: %s', condition => {
    const rules = compileRules([{ source: `${rule(condition)} rule after { condition: true }` }])
    const outcome = new Conditions(rules).evaluate(huge, { maxRuleSteps: 100_000 })
    expect(outcome).toEqual({ holding: [1], exhausted: [0] })
  })

  it.each([
    ['a loop', 'for all i in (0..9000000) : ( i >= 0 and uint8(i) >= 0 )'],
    ['a loop in a loop', 'for all i in (0..2) : ( for all j in (0..9000000) : ( i + j >= 0 ) )'],
    ['a loop in a condition', '1 of (filesize < 2, not (for all i in (0..9000000) : ( i >= 0 )))'],
    ['the bytes of a range', 'math.entropy(0, 8000000000) > 9.0'],
    ['a digest', 'for any i in (0..9) : ( hash.md5(i, 8000000000) == "none" )'],
    ['an expression', `"${'a'.repeat(4096)}" matches /(a?){15000}b/`],
    ['variables', 'with m = math.mean(0, 8000000000) : ( m > 256.0 or for any i in (0..9) : ( i > m ) )'],
  ])('stop within a rule: %s', (_, condition) => {
    const source = `import "math" import "hash" ${rule(condition)}`
    const pieces = new Conditions(compileRules([{ source }])).inPieces(zeros)
    const started = performance.now()
    // who goes through them may leave at any of them
    for (let stop = 0; stop < 3; stop++) expect(pieces.next()).toEqual({ done: false, value: undefined })
    expect(performance.now() - started).toBeLessThan(5000)
  })

  it('come to the same whether they stop or not', () => {
    const source = `import "math" ${rule('for all i in (0..300000) : ( i >= 0 and math.min(i, 7) <= 7 ) and math.mode(0, 70000) == 0')}`
    const conditions = new Conditions(compileRules([{ source }]))
    const pieces = conditions.inPieces(zeros)
    let stops = 0
    let piece = pieces.next()
    for (; piece.done !== true; piece = pieces.next()) stops++
    expect(stops).toBeGreaterThan(0)
    expect(piece.value).toEqual(conditions.evaluate(zeros))
    expect(piece.value.holding).toEqual([0])
  })

  it('loops that do not look at their variable are computed once', () => {
    const source = rule('for all i in (0..filesize) : ( for 3000000 j in (0..filesize) : ( filesize > 1 ) )')
    expect(new Conditions(compileRules([{ source }])).evaluate(huge, { maxRuleSteps: 100 }).holding).toEqual([
      0,
    ])
  })

  it('hashing a range that is not there takes no time', () => {
    const source = `import "hash" ${rule('hash.md5(0, filesize) == "x" or true')}`
    expect(new Conditions(compileRules([{ source }])).evaluate(huge).holding).toEqual([0])
  })
})
