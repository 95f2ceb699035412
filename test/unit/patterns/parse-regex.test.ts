import { describe, expect, it } from 'vitest'
import { parseRegex } from '../../../src/patterns/parse-regex.js'
import { naiveMatches } from '../../reference/naive-matcher.js'

/** Source, text (Latin-1), and the matches as [start, length]. */
const CASES: readonly (readonly [string, string, readonly (readonly [number, number])[]])[] = [
  ['a.c', 'abc a\nc', [[0, 3]]],
  ['(?s)a.c', 'a\nc', [[0, 3]]],
  ['a(?s:.)c', 'a\nc', [[0, 3]]],
  [
    '[[:upper:][:^ascii:]]x',
    'Ax \xe9x',
    [
      [0, 2],
      [3, 2],
    ],
  ],
  [
    '[]a]x',
    ']x ax',
    [
      [0, 2],
      [3, 2],
    ],
  ],
  ['[^]a]x', ']x bx', [[3, 2]]],
  ['[a-]x', '-x', [[0, 2]]],
  [
    '[\\w-.]x',
    '-x .x',
    [
      [0, 2],
      [3, 2],
    ],
  ],
  [
    '[\\Q^]\\E]x',
    '^x ]x',
    [
      [0, 2],
      [3, 2],
    ],
  ],
  [
    '\\Qa.b\\E+',
    'a.bbb a.b',
    [
      [0, 5],
      [6, 3],
    ],
  ],
  ['\\x41\\x{42}\\o{103}\\104\\0', 'ABCD\0', [[0, 5]]],
  ['\\t\\e\\a\\f\\r\\cA', '\t\x1b\x07\f\r\x01', [[0, 6]]],
  ['\\h\\v', ' \n', [[0, 2]]],
  [
    'a\\Rb',
    'a\r\nb a\nb',
    [
      [0, 4],
      [5, 3],
    ],
  ],
  ['(?i)straße', 'STRA\xc3\x9fE'.normalize(), [[0, 7]]],
  ['(?i:a)b', 'Ab AB', [[0, 2]]],
  ['(?i)a(?-i)b', 'Ab AB', [[0, 2]]],
  [
    'a(?i)b|c',
    'aB C',
    [
      [0, 2],
      [3, 1],
    ],
  ],
  ['(a(?i)b)c', 'aBc aBC', [[0, 3]]],
  ['(?x) a b # comment\n c', 'abc', [[0, 3]]],
  ['(?x)a {2}', 'aa', [[0, 2]]],
  ['a(?#comment)b', 'ab', [[0, 2]]],
  ["(?<n>a)(?P<m>b)(?'o'c)", 'abc', [[0, 3]]],
  [
    'a{,2}b',
    'aaab',
    [
      [1, 3],
      [2, 2],
      [3, 1],
    ],
  ],
  ['a{x', 'a{x', [[0, 3]]],
  ['é', '\xc3\xa9', [[0, 2]]],
  [
    '[aé]x',
    'ax\xc3\xa9x',
    [
      [0, 2],
      [2, 3],
    ],
  ],
  [
    '\\ba',
    'a ba a',
    [
      [0, 1],
      [5, 1],
    ],
  ],
  ['a$', 'a\na\n', [[2, 1]]],
  [
    '(?m)a$',
    'a\na\n',
    [
      [0, 1],
      [2, 1],
    ],
  ],
  ['a\\z', 'a\na', [[2, 1]]],
  [
    '(?m)^a',
    'a\na',
    [
      [0, 1],
      [2, 1],
    ],
  ],
  ['^a', 'a\na', [[0, 1]]],
]

describe('parseRegex', () => {
  it.each(CASES)('%s', (source, text, matches) => {
    const { node } = parseRegex(source)
    const found = naiveMatches(node, Buffer.from(text, 'latin1'))
    expect(found.map(({ start, length }) => [start, length])).toEqual(matches)
  })

  it('is lazy when every quantifier that leaves a choice is', () => {
    expect(parseRegex('a+?b*?').lazy).toBe(true)
    expect(parseRegex('a+?b*').lazy).toBe(false)
    expect(parseRegex('a{3}b*?').lazy).toBe(true)
    expect(parseRegex('ab').lazy).toBe(false)
  })
})
