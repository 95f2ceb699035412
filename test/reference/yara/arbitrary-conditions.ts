/** Random conditions in the language of YARA 4.2, as source text, over strings $a, $b, $c1, $c2, $d and rules r0, r1, s2. */
import fc from 'fast-check'

const name = fc.constantFrom('a', 'b', 'c1', 'c2', 'd')
const small = fc.constantFrom('0', '1', '2', '3', '5', '10', '0x1f', '63', '64', '100', '1KB', '0o17')
const reader = fc.constantFrom(
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int8be',
  'uint16be',
  'int32be',
)
const stringSet = fc.oneof(
  fc.constant('them'),
  fc.constantFrom('($a, $b)', '($c*)', '($a, $c*, $d)', '($*)', '($d)', '($a, $a)'),
)
const ruleSet = fc.constantFrom('(r0)', '(r*)', '(r0, s2)', '(s*, r1)')
const word = fc.constantFrom('"abc"', '"ABC"', '"b"', '""', '"ab"', '"\\xffa"', '"a"')
const textOperator = fc.constantFrom(
  'contains',
  'icontains',
  'startswith',
  'istartswith',
  'endswith',
  'iendswith',
  'iequals',
  '==',
  '!=',
  '<',
  '<=',
  '>',
  '>=',
)
const regex = fc.constantFrom('/b/', '/^abc$/i', '/a.c/', '/\\bb/', '/^$/', '/[^a]+$/', '/x?/')

/** Conditions; `loops` is how many loops stand around. `#a in (1..9)` is not among them: Debian's program ends with an error where that begins behind 0. */
export function condition(loops = 0, inStrings = false): fc.Arbitrary<string> {
  return fc.letrec<{ integer: string; number: string; boolean: string; range: string; quantifier: string }>(
    tie => ({
      integer: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        { weight: 5, arbitrary: small },
        { weight: 1, arbitrary: fc.constant('filesize') },
        { weight: 2, arbitrary: name.map(string => `#${string}`) },
        { weight: 1, arbitrary: fc.constantFrom('#', '@', '!').map(mark => (inStrings ? mark : '2')) },
        {
          weight: 1,
          arbitrary: fc
            .constantFrom('i', 'j')
            .map(letter => (loops === 0 ? '3' : loops === 1 ? 'i' : letter)),
        },
        {
          weight: 1,
          arbitrary: fc.tuple(name, tie('integer')).map(([string, to]) => `#${string} in (0..${to})`),
        },
        {
          weight: 2,
          arbitrary: fc
            .tuple(fc.constantFrom('@', '!'), name, tie('integer'))
            .map(([mark, string, index]) => `${mark}${string}[${index}]`),
        },
        {
          weight: 1,
          arbitrary: fc.tuple(fc.constantFrom('@', '!'), name).map(([mark, string]) => mark + string),
        },
        {
          weight: 2,
          arbitrary: fc.tuple(reader, tie('integer')).map(([read, offset]) => `${read}(${offset})`),
        },
        {
          weight: 3,
          arbitrary: fc
            .tuple(
              tie('integer'),
              fc.constantFrom('+', '-', '*', '\\', '%', '&', '|', '^', '<<', '>>'),
              tie('integer'),
            )
            .map(parts => parts.join(' ')),
        },
        {
          weight: 1,
          arbitrary: fc
            .tuple(fc.constantFrom('-', '~'), tie('integer'))
            .map(([sign, value]) => `${sign}(${value})`),
        },
        { weight: 1, arbitrary: tie('integer').map(value => `(${value})`) },
      ),
      number: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        { weight: 4, arbitrary: tie('integer') },
        { weight: 1, arbitrary: fc.constantFrom('0.5', '1.0', '2.25') },
        {
          weight: 1,
          arbitrary: fc
            .tuple(tie('integer'), fc.constantFrom('+', '-', '*', '\\'))
            .map(([value, operator]) => `(${value}) ${operator} 1.5`),
        },
      ),
      range: fc.tuple(tie('integer'), tie('integer')).map(([from, to]) => `(${from}..${to})`),
      quantifier: fc.oneof(
        { weight: 3, arbitrary: fc.constantFrom('all', 'any', 'none', '1', '2', '0') },
        { weight: 1, arbitrary: tie('integer').map(value => `(${value})`) },
      ),
      boolean: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        { weight: 4, arbitrary: name.map(string => `$${string}`) },
        { weight: 1, arbitrary: fc.constantFrom('true', 'false', 'r0', 'r1', 's2') },
        {
          weight: 1,
          arbitrary: fc.constantFrom('$', '$ at 3', '$ in (0..9)').map(text => (inStrings ? text : '$a')),
        },
        {
          weight: 2,
          arbitrary: fc.tuple(name, tie('integer')).map(([string, offset]) => `$${string} at ${offset}`),
        },
        {
          weight: 2,
          arbitrary: fc.tuple(name, tie('range')).map(([string, range]) => `$${string} in ${range}`),
        },
        {
          weight: 3,
          arbitrary: fc
            .tuple(tie('number'), fc.constantFrom('==', '!=', '<', '<=', '>', '>='), tie('number'))
            .map(parts => parts.join(' ')),
        },
        { weight: 1, arbitrary: fc.tuple(word, textOperator, word).map(parts => parts.join(' ')) },
        {
          weight: 1,
          arbitrary: fc.tuple(word, regex).map(([text, expression]) => `${text} matches ${expression}`),
        },
        {
          weight: 2,
          arbitrary: fc.tuple(tie('quantifier'), stringSet).map(([many, set]) => `${many} of ${set}`),
        },
        {
          weight: 1,
          arbitrary: fc.tuple(tie('quantifier'), ruleSet).map(([many, set]) => `${many} of ${set}`),
        },
        {
          weight: 1,
          arbitrary: fc
            .tuple(fc.constantFrom('1', '34', '50', '100'), fc.oneof(stringSet, ruleSet))
            .map(([share, set]) => `${share}% of ${set}`),
        },
        {
          weight: 1,
          arbitrary: fc
            .tuple(tie('quantifier'), stringSet, tie('range'))
            .map(([many, set, range]) => `${many} of ${set} in ${range}`),
        },
        {
          weight: 2,
          arbitrary: fc
            .tuple(fc.constantFrom('and', 'or'), fc.array(tie('boolean'), { minLength: 2, maxLength: 3 }))
            .map(([operator, items]) => `(${items.join(` ${operator} `)})`),
        },
        {
          weight: 1,
          arbitrary: fc
            .tuple(tie('boolean'), tie('boolean'), tie('boolean'))
            .map(([one, two, three]) => `(${one} or ${two} and ${three})`),
        },
        {
          weight: 1,
          arbitrary: fc
            .tuple(fc.constantFrom('not', 'defined', 'not defined'), tie('boolean'))
            .map(([operator, operand]) => `${operator} (${operand})`),
        },
        {
          weight: 1,
          arbitrary: fc
            .tuple(fc.constantFrom('not', 'defined'), tie('integer'))
            .map(([operator, operand]) => `${operator} ${operand}`),
        },
        { weight: 1, arbitrary: tie('integer') },
        {
          weight: 2,
          arbitrary:
            loops >= 2
              ? fc.constant('$b')
              : fc
                  .tuple(
                    tie('quantifier'),
                    fc.oneof(
                      // few rounds: the program goes them all, and may take minutes
                      fc
                        .tuple(tie('integer'), fc.integer({ min: -1, max: 9 }))
                        .map(([from, more]) => `((${from}) & 15 .. ((${from}) & 15) + ${more})`),
                      fc
                        .array(tie('integer'), { minLength: 1, maxLength: 3 })
                        .map(items => `(${items.join(', ')})`),
                    ),
                    fc.boolean(),
                  )
                  .chain(([many, items]) =>
                    condition(loops + 1, inStrings).map(
                      body => `for ${many} ${loops === 0 ? 'i' : 'j'} in ${items} : ( ${body} )`,
                    ),
                  ),
        },
        {
          weight: 2,
          arbitrary: inStrings
            ? fc.constant('$ at 0')
            : fc
                .tuple(tie('quantifier'), stringSet)
                .chain(([many, set]) =>
                  condition(loops, true).map(body => `for ${many} of ${set} : ( ${body} )`),
                ),
        },
      ),
    }),
  ).boolean
}

const strings = `strings: $a = "a" $b = "bc" wide ascii $c1 = "ca" nocase $c2 = /b+c?/ $d = { 61 [0-2] 63 }`

/** A file of rules; the last ones have a random condition. */
export const ruleFile: fc.Arbitrary<string> = fc
  .tuple(
    fc.array(condition(), { minLength: 4, maxLength: 12 }),
    fc.constantFrom('', '', '', 'private ', 'global '),
  )
  .map(([conditions, flag]) =>
    [
      `${flag}rule r0 { strings: $a = "ab" condition: $a }`,
      'rule r1 { condition: filesize > 20 }',
      'private rule s2 { condition: r0 or r1 }',
      // Every string is used: what is not is an error.
      ...conditions.map(
        (text, index) =>
          `rule t${index} { ${strings} condition: (${text}) and #a + #b + #c1 + #c2 + #d >= 0 }`,
      ),
    ].join('\n'),
  )
