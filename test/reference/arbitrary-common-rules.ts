/**
 * Rules at random in what YARA 4.2 and YARA-X have alike (docs/DECISIONS.md tells where not): no `0 of`, `for none`, ranges that run
 * backwards, undefined values under `not`, numbers where a boolean is meant, or `rule*`; strings that match in one way only.
 */
import fc from 'fast-check'

const letters = fc.array(fc.constantFrom('a', 'b', 'c', 'A', '1', '-'), { minLength: 3, maxLength: 9 })
const text = fc
  .tuple(
    letters,
    fc.constantFrom(
      '',
      ' nocase',
      ' wide',
      ' ascii wide',
      ' wide nocase',
      ' fullword',
      ' xor(1-3)',
      ' xor wide',
    ),
  )
  .map(([value, modifiers]) => `"${value.join('')}"${modifiers}`)
const base64 = fc
  .tuple(letters, fc.constantFrom(' base64', ' base64wide'))
  .map(([value, modifiers]) => `"abc${value.join('')}"${modifiers}`)
const bytes = fc
  .array(fc.constantFrom('61', '62', '63', '31', '2D'), { minLength: 2, maxLength: 4 })
  .map(values => values.join(' '))
const hex = fc
  .tuple(
    bytes,
    fc.constantFrom('', '', '[2]', '[1-4]', '[0-300]', '[-]', '??', '6?', '(61 | 63)', '~62'),
    bytes,
  )
  .map(parts => `{ ${parts.join(' ')} }`)
const regex = fc
  .tuple(
    fc.constantFrom('ab', 'bca', 'abc'),
    fc.constantFrom('', '[a-c]', '\\d', '.', '\\w{2}', '[^a]', '.{0,3}?', '.*?'),
    fc.constantFrom('ca', 'ab', '1-'),
    fc.constantFrom('', 'i', 's'),
    fc.constantFrom('', ' wide', ' ascii wide'),
  )
  .map(([first, middle, last, flags, modifiers]) => `/${first}${middle}${last}/${flags}${modifiers}`)
const string = fc.oneof(
  { weight: 4, arbitrary: text },
  { weight: 1, arbitrary: base64 },
  { weight: 3, arbitrary: hex },
  { weight: 3, arbitrary: regex },
)

const NAMES = ['a', 'b', 'c1', 'c2'] as const
const name = fc.constantFrom(...NAMES)
const set = fc.constantFrom('them', '($a, $b)', '($c*)', '($a, $c*)')
const many = fc.constantFrom('any', 'all', '1', '2')
const comparison = fc.constantFrom('==', '!=', '<', '<=', '>', '>=')
const place = fc.oneof(fc.constantFrom(0, 1, 63, 64, 255, 256), fc.nat(400))
const range = fc.tuple(place, fc.nat(300)).map(([from, more]) => `(${from}..${from + more})`)

const leaf = fc.oneof(
  name.map(one => `$${one}`),
  fc.tuple(name, comparison, fc.nat(4)).map(([one, operator, value]) => `#${one} ${operator} ${value}`),
  fc
    .tuple(name, range, comparison, fc.nat(3))
    .map(([one, where, operator, value]) => `#${one} in ${where} ${operator} ${value}`),
  fc
    .tuple(name, fc.integer({ min: 1, max: 3 }), comparison, place)
    .map(([one, nth, operator, value]) => `@${one}[${nth}] ${operator} ${value}`),
  fc.tuple(name, comparison, fc.nat(12)).map(([one, operator, value]) => `!${one}[1] ${operator} ${value}`),
  fc.tuple(name, place).map(([one, at]) => `$${one} at ${at}`),
  fc.tuple(name, range).map(([one, where]) => `$${one} in ${where}`),
  fc.tuple(many, set).map(([count, items]) => `${count} of ${items}`),
  fc.tuple(many, set, range).map(([count, items, where]) => `${count} of ${items} in ${where}`),
  fc.tuple(set, fc.constantFrom(25, 50, 100)).map(([items, share]) => `${share}% of ${items}`),
  fc
    .tuple(fc.constantFrom('any', 'all'), set, comparison, fc.nat(3))
    .map(([count, items, operator, value]) => `for ${count} of ${items} : ( # ${operator} ${value} )`),
  fc
    .tuple(fc.constantFrom('any', 'all', '1'), name, place)
    .map(([count, one, value]) => `for ${count} i in (1..#${one}) : ( @${one}[i] + i > ${value} )`),
  fc
    .tuple(fc.constantFrom('uint8', 'uint16', 'int32', 'uint16be'), place, comparison, fc.nat(70_000))
    .map(([reader, at, operator, value]) => `${reader}(${at}) ${operator} ${value}`),
  fc.tuple(comparison, place).map(([operator, value]) => `filesize ${operator} ${value}`),
  fc.constantFrom(
    'first',
    'second',
    'any of (first, second)',
    '1 of (first)',
    'math.entropy(60, 8) > 1.0',
    'hash.crc32(0, 30) != 0',
    '"abc" icontains "B"',
    '"abc" matches /^a.c$/',
  ),
)
const condition = fc.letrec<{ any: string }>(tie => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 3, arbitrary: leaf },
    {
      weight: 1,
      arbitrary: fc
        .tuple(tie('any'), fc.constantFrom('and', 'or'), tie('any'))
        .map(parts => `(${parts.join(' ')})`),
    },
    { weight: 1, arbitrary: name.map(one => `not $${one}`) },
  ),
})).any

/** One rule file. Every string is counted, so that none is looked for at one place only. */
export const commonRules: fc.Arbitrary<string> = fc
  .array(
    fc.tuple(
      fc.constantFrom('', '', 'private '),
      fc.array(string, { minLength: NAMES.length, maxLength: NAMES.length }),
      condition,
    ),
    {
      minLength: 3,
      maxLength: 10,
    },
  )
  .map(rules =>
    [
      'import "math" import "hash"',
      'rule first { strings: $a = "ab" condition: $a }',
      'private rule second { condition: filesize > 100 }',
      ...rules.map(([flag, strings, text], i) => {
        const lines = NAMES.map((one, at) => `$${one} = ${strings[at]}`)
        return `${flag}rule t${i} {\n  strings:\n    ${lines.join('\n    ')}\n  condition: (${text}) and #a + #b + #c1 + #c2 >= 0\n}`
      }),
    ].join('\n'),
  )
