import { describe, expect, it } from 'vitest'
import { compileScan } from '../../../src/patterns/compile.js'
import { parseRegex } from '../../../src/patterns/parse-regex.js'
import type { PatternSpec } from '../../../src/scan/pattern-spec.js'

const regex = (source: string): PatternSpec => ({ kind: 'regex', source })
const bytes = (hex: string): PatternSpec => ({ kind: 'bytes', hex })

const BAD: readonly (readonly [string, PatternSpec, RegExp])[] = [
  ['empty text', { kind: 'text', text: '' }, /text pattern is empty/],
  ['half a surrogate pair', { kind: 'text', text: '\ud800' }, /half a surrogate pair/],
  ['empty bytes', bytes('  '), /byte pattern is empty/],
  ['odd digits', bytes('4d 5'), /column 4: half a byte "5"/],
  ['a digit that is none', bytes('4d 5g'), /column 5: "g" is not a hexadecimal digit/],
  ['a jump', bytes('4d [2-4] 5a'), /column 4: a jump "\[" is not supported/],
  ['an alternative', bytes('(4d|5a)'), /column 1: an alternative "\(" is not supported/],
  ['empty regex', regex(''), /regular expression is empty/],
  ['what matches the empty string', regex('a*'), /can match the empty string/],
  ['nothing but assertions', regex('^$'), /can match the empty string/],
  ['open group', regex('a(b'), /the group "\(" at column 2 is not closed/],
  ['stray parenthesis', regex('ab)'), /"\)" at column 3 closes nothing/],
  ['open class', regex('a[bc'), /the class "\[" at column 2 is not closed/],
  ['backwards range', regex('[z-a]'), /the range "z-a" at column 2 runs backwards/],
  ['range to a set', regex('[a-\\d]'), /the range "a-\\d" at column 2 must end in a character/],
  ['range beyond ASCII', regex('[а-я]'), /a range beyond ASCII "а-я" at column 2 is not supported/],
  ['negated class beyond ASCII', regex('[^é]'), /the character "é" in a negated class/],
  ['unknown class name', regex('[[:foo:]]'), /class name "\[:foo:\]" at column 2 is unknown/],
  ['empty class', regex('[^\\x00-\\xff]'), /matches no byte/],
  ['nothing to repeat', regex('a|*b'), /the quantifier "\*" at column 3 has nothing to repeat/],
  ['doubled quantifier', regex('a**'), /at column 3 follows another/],
  ['backwards count', regex('a{3,2}'), /the quantifier "\{3,2\}" at column 2 runs backwards/],
  ['huge count', regex('a{70000}'), /counts beyond 65535/],
  ['look-ahead', regex('a(?=b)'), /look-ahead "\(\?=" at column 2 is not supported/],
  ['negative look-ahead', regex('a(?!b)'), /negative look-ahead "\(\?!" at column 2/],
  ['look-behind', regex('abcd(?<=b)'), /look-behind "\(\?<=" at column 5 is not supported/],
  ['negative look-behind', regex('(?<!b)a'), /negative look-behind/],
  ['atomic group', regex('(?>a)'), /atomic group/],
  ['possessive', regex('a++'), /possessive quantifier "\+\+" at column 2/],
  ['back-reference', regex('(a)\\1'), /back-reference "\\1" at column 4/],
  ['named back-reference', regex('(?P<n>a)(?P=n)'), /back-reference/],
  ['\\k', regex('(?<n>a)\\k<n>'), /back-reference "\\k"/],
  ['recursion', regex('a(?R)?'), /recursion "\(\?R"/],
  ['recursion by number', regex('(a(?1)?)'), /recursion "\(\?1"/],
  ['conditional', regex('(a)?(?(1)b|c)'), /conditional group/],
  ['callout', regex('a(?C1)'), /callout/],
  ['verb', regex('(*UTF8)a'), /verb "\(\*"/],
  ['\\K', regex('a\\Kb'), /match reset "\\K" at column 2/],
  ['\\G', regex('\\Ga'), /match-start assertion/],
  ['\\X', regex('\\X'), /grapheme cluster/],
  ['\\p', regex('\\p{L}'), /Unicode property "\\p" at column 1 is not supported; patterns are over bytes/],
  ['unknown escape', regex('\\y'), /the escape "\\y" at column 1 is unknown/],
  ['trailing backslash', regex('a\\'), /backslash at column 2 has nothing behind it/],
  ['code point', regex('\\x{100}'), /more than a byte/],
  ['unknown flag', regex('(?U)a'), /the flag "\(\?U\)"/],
  ['open comment', regex('a(?#b'), /comment "\(\?#" at column 2 is not closed/],
  ['unknown group', regex('(?~a)'), /the group "\(\?~" at column 1 is unknown/],
  ['too long a match', regex('a{5000}'), /matches 5000 bytes or more, the longest match is 4096/],
]

describe('a bad pattern is refused, by name and column', () => {
  it.each(BAD)('%s', async (_, spec, message) => {
    await expect(compileScan([spec], { matcher: 'embedded' })).rejects.toMatchObject({
      code: 'bad-pattern',
      message: expect.stringMatching(message),
    })
  })

  it('no pattern at all', async () => {
    await expect(compileScan([])).rejects.toMatchObject({ code: 'bad-argument' })
  })
})

describe('a hostile expression is refused or bounded, at once', () => {
  const HOSTILE = [
    '((((a{1000}){1000}){1000}))',
    `${'('.repeat(10_000)}a${')'.repeat(10_000)}`,
    '(?:a{0,60000}){0,60000}b',
    'a{60000}'.repeat(10),
    `[${'a-z'.repeat(30_000)}`,
  ]
  it.each(HOSTILE)('%.40s', source => {
    const start = performance.now()
    expect(() => parseRegex(source)).toThrow(/regular expression/)
    expect(performance.now() - start).toBeLessThan(1000)
  })
})
