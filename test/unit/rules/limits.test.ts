/** What is just allowed, and what is one too many. */
import { afterAll, describe, expect, it } from 'vitest'
import { checkRules } from '../../../src/rules/compile.js'
import { YaraProgram, yaraVersionHere } from '../../helpers/yara-program.js'

const problemOf = (source: string): string | undefined =>
  checkRules([{ source }]).problems[0]?.message.replace(/^rule:\d+:\d+: /, '')
const string = (value: string): string => `rule a { strings: $a = ${value} condition: $a }`
const condition = (text: string): string => `rule a { strings: $a = "a" condition: $a and ${text} }`
const nested = (depth: number): string =>
  `{ 61 ${'(61|62 '.repeat(depth)}61${')'.repeat(depth)} 61 }`.replaceAll('|62 61', '|61')
const loops = (count: number): string =>
  `${Array.from({ length: count }, (_, i) => `for any i${i} in (1..2) : (`).join('')}true${')'.repeat(count)}`
const ALPHABET = '!@#$%^&*(){}[].,|ABCDEFGHIJ\\x09LMNOPQRSTUVWXYZabcdefghijklmnopqrstu'

const LIMITS: readonly (readonly [string, string, string, string])[] = [
  [
    'bytes of a text',
    string(`"${'a'.repeat(65_536)}"`),
    string(`"${'a'.repeat(65_537)}"`),
    'text is too long: at most 65536 bytes',
  ],
  [
    'bytes of a hex string',
    string(`{ ${'61'.repeat(65_536)} }`),
    string(`{ ${'61'.repeat(65_537)} }`),
    'hex string is too long: at most 65536 bytes',
  ],
  [
    'alternatives in each other',
    string(nested(128)),
    string(nested(201)),
    'alternatives are nested too deep',
  ],
  [
    'choices',
    string(`/a${'b?'.repeat(128)}c/`),
    string(`/a${'b?'.repeat(129)}c/`),
    'a regular expression is too complex: 129 choices, at most 128',
  ],
  [
    'keys of xor',
    string('"a" xor(255-255)'),
    string('"a" xor(0-256)'),
    'invalid xor range: a key is 0 to 255, not 256',
  ],
  [
    'a jump',
    string('{ 61 [2147483647] 62 }'),
    string('{ 61 [0-2147483648] 62 }'),
    'jump is too long: at most 2147483647',
  ],
  [
    'a jump in alternatives',
    string('{ 61 (62 | 63 [200] 64) }'),
    string('{ 61 (62 | 63 [0-201] 64) }'),
    'jumps over 200 not allowed inside alternation (|)',
  ],
  [
    'alphabets',
    string(`"abc" base64("${ALPHABET}") base64wide("${ALPHABET}")`),
    string(`"abc" base64 base64wide("${ALPHABET}")`),
    'can not specify multiple alphabets',
  ],
  ['loops in each other', condition(loops(16)), condition(loops(17)), 'loop nesting limit exceeded'],
  [
    'depth of a condition',
    condition(`${'not '.repeat(490)}true`),
    condition(`${'not '.repeat(510)}true`),
    'condition is nested too deep',
  ],
  [
    'percent',
    condition('100% of them and 1% of them'),
    condition('0% of them'),
    'percentage must be between 1 and 100 (inclusive)',
  ],
  [
    'an integer',
    condition('9223372036854775807 > 0'),
    condition('9223372036854775808 > 0'),
    'integer overflow in "9223372036854775808"',
  ],
  [
    'length of a name',
    `rule ${'a'.repeat(128)} { condition: true }`,
    `rule ${'a'.repeat(129)} { condition: true }`,
    'identifier too long: at most 128 characters',
  ],
  [
    'strings of a rule',
    `rule a { strings: ${'$ = "a" '.repeat(10_000)} condition: any of them }`,
    `rule a { strings: ${'$ = "a" '.repeat(10_001)} condition: any of them }`,
    'rule has too many strings: at most 10000',
  ],
  [
    'bytes of a regular expression',
    string(`/${'a'.repeat(8192)}/`),
    string(`/${'a'.repeat(8193)}/`),
    'invalid regular expression: regular expression is too long: at most 8192 bytes',
  ],
  [
    'a count',
    string('/ab{32767}/'),
    string('/ab{32768}/'),
    'invalid regular expression: count is too large: at most 32767',
  ],
]

describe('the limit of', () => {
  it.each(LIMITS)('%s', (_, allowed, tooMuch, problem) => {
    expect(problemOf(allowed)).toBeUndefined()
    expect(problemOf(tooMuch)).toBe(problem)
  })

  it('loops and depth is one of what is nested, not of what follows each other', () => {
    expect(problemOf(condition(Array.from({ length: 40 }, () => loops(3)).join(' and ')))).toBeUndefined()
    expect(problemOf(condition(Array.from({ length: 600 }, () => '(1 == 1)').join(' and ')))).toBeUndefined()
  })
})

describe('what is allowed and looks like a mistake is a warning', () => {
  const warningsOf = (text: string) =>
    checkRules([{ source: `rule a { condition: ${text} }` }]).ruleSet.warnings.map(({ message }) => message)

  it('a text as a condition', () => {
    expect(warningsOf('"abc"')).toEqual(['rule:1:21: literal text in a condition: it is always true'])
    expect(warningsOf('true and not "abc"')).toEqual([
      'rule:1:34: literal text in a condition: it is always true',
    ])
    expect(warningsOf('"abc" contains "b" and 1 == 1')).toEqual([])
  })
})

/** What stands between `a` and `z`, and how often at most: choices of one string are counted as in libyara. */
const CHOICES: readonly (readonly [string, number])[] = [
  ['/a(b?)', 128],
  ['/a(b*c)', 128],
  ['/a(b+)', 128],
  ['/a(b+?)', 128],
  ['/a(b|c)', 128],
  ['/a(b|c|d)', 64],
  ['/a((b|c)?)', 64],
  ['/a(b{0,1})', 128],
  ['/a(b{1,2})', 128],
  ['/a(b{2,9})', 128],
  ['/a(b{2,})', 128],
  ['/a((b|c){2})', 64],
  ['/a((b|c){3})', 42],
  ['/a((b|c){1,2})', 42],
  ['/a((b|c){2,9})', 32],
  ['/a((b|c){0,1})', 64],
  ['/a((b|c){0,9})', 42],
  ['/a((b|c)*)', 64],
  ['/a(.*)', 128],
  ['{ 61 (62 | 63)', 128],
  ['{ 61 (62 | 63 | 64 65)', 64],
  ['{ 61 (62 | (63 | 64))', 64],
]

describe('choices of a string', () => {
  const version = yaraVersionHere()
  const yara = version?.startsWith('4.2.') === true ? new YaraProgram() : undefined
  afterAll(() => yara?.[Symbol.dispose]())
  const made = (form: string, count: number): string => {
    const item = form.slice(form.indexOf(form.startsWith('/') ? '(' : ' (') + (form.startsWith('/') ? 0 : 1))
    const times = Array.from({ length: count }, () => item)
    return string(form.startsWith('/') ? `/a${times.join('')}z/` : `{ 61 ${times.join(' ')} 7A }`)
  }

  it.each(CHOICES)(`%s may be there %i times${yara === undefined ? '' : ', as in yara'}`, (form, most) => {
    expect(problemOf(made(form, most))).toBeUndefined()
    expect(problemOf(made(form, most + 1))).toMatch(/ is too complex: \d+ choices, at most 128$/)
    if (yara === undefined) return
    const rules = [most, most + 1].map(count => yara.scan(made(form, count), new Uint8Array(1)).error)
    expect(rules[0]).toBeUndefined()
    expect(rules[1]).toBeDefined()
  })

  it('count anew behind a long jump, and jumps and dots of a count are none', () => {
    const half = Array.from({ length: 100 }, () => '(62 | 63)').join(' ')
    expect(problemOf(string(`{ 61 ${half} [0-300] ${half} 7A }`))).toBeUndefined()
    expect(problemOf(string(`{ 61 ${half} [0-200] ${half} 7A }`))).toMatch(/200 choices/)
    expect(problemOf(string(`/a${'.{0,3}b'.repeat(200)}z/`))).toBeUndefined()
    expect(problemOf(string(`{ 61 ${'[0-3] 62 '.repeat(200)} }`))).toBeUndefined()
  })
})
