/**
 * Whole rule files at random: namespaces, includes, global and private rules, private strings, external variables, rules that refer to
 * others, and conditions of every form over strings of every kind.
 */
import fc from 'fast-check'
import { ruleString } from '../arbitrary-rule-string.js'
import { condition } from './arbitrary-conditions.js'

export interface ArbitraryFile {
  readonly name: string
  readonly text: string
  /** Undefined for a file that another one includes. */
  readonly namespace?: string
}

export const EXTERNALS = { ext_int: 12n, ext_text: 'abc', ext_flag: true, ext_float: 1.5 } as const
/** The same, as the `yara` program takes them. */
export const DEFINED = ['ext_int=12', 'ext_text=abc', 'ext_flag=true', 'ext_float=1.5']

const NAMES = ['a', 'b', 'c1', 'c2', 'd'] as const

/** What refers to external variables and to places where images are cut. */
const more = fc.oneof(
  fc.constantFrom(
    'ext_int > 3',
    'ext_text contains "b"',
    'ext_flag',
    'ext_float < 1.6',
    'ext_int + #a == 13',
  ),
  fc
    .tuple(fc.constantFrom(...NAMES), fc.constantFrom(63, 64, 255, 256, 1023, 1024), fc.nat(40))
    .map(([name, from, length]) => `$${name} in (${from}..${from + length})`),
  fc
    .tuple(
      fc.constantFrom('uint16(', 'int32be(', 'uint8('),
      fc.constantFrom(62, 63, 255, 511, 1021),
      fc.nat(255),
    )
    .map(([read, at, value]) => `${read}${at}) > ${value}`),
  fc.constantFrom('math.entropy(60, 8) > 1.0', 'hash.crc32(0, 300) != 0', 'for any of them : ( @ > 1000 )'),
)

const flags = fc.constantFrom('', '', '', '', 'private ', 'global ', 'global private ')
const strings = fc.record({
  definitions: fc.array(ruleString, { minLength: NAMES.length, maxLength: NAMES.length }),
  isPrivate: fc.subarray([...NAMES], { maxLength: 1 }),
})
const rule = fc
  .record({
    flag: flags,
    strings,
    condition: fc.oneof({ weight: 5, arbitrary: condition() }, { weight: 1, arbitrary: more }),
    other: fc.option(more),
    tags: fc.constantFrom('', ' : one', ' : one two'),
  })
  .map(({ flag, strings: { definitions, isPrivate }, condition: first, other, tags }) => (index: number) => {
    // a global rule that does not hold hides all others
    const text = [
      first,
      ...(other === null ? [] : [other]),
      ...(flag.startsWith('global') ? ['#a >= 0'] : []),
    ]
      .map(each => `(${each})`)
      .join(' or ')
    const used = NAMES.filter(name => isUsed(name, text))
    const lines = used.map(
      name => `$${name} = ${definitions[NAMES.indexOf(name)]}${isPrivate.includes(name) ? ' private' : ''}`,
    )
    const section = used.length === 0 ? '' : `strings: ${lines.join('\n    ')}\n  `
    return `${flag}rule t${index}${tags} {\n  meta: n = ${index}\n  ${section}condition: ${text}\n}`
  })

function isUsed(name: string, text: string): boolean {
  if (/\bthem\b|\$\*/.test(text) || new RegExp(`[$#@!]${name}\\b`).test(text)) return true
  return name.startsWith('c') && text.includes('$c*')
}

const HEAD = [
  'import "math" import "hash"',
  'rule r0 { strings: $a = "ab" condition: $a }',
  'rule r1 { condition: filesize > 20 }',
  'private rule s2 { condition: r0 or r1 }',
].join('\n')

/** Two namespaces; the rules of the first come partly from a file that it includes. */
export const ruleFiles: fc.Arbitrary<readonly ArbitraryFile[]> = fc
  .tuple(
    fc.array(rule, { minLength: 1, maxLength: 6 }),
    fc.array(rule, { minLength: 1, maxLength: 3 }),
    fc.array(rule, { minLength: 0, maxLength: 4 }),
  )
  .map(([first, included, second]) => {
    const texts = (rules: typeof first, from: number) => rules.map((text, i) => text(from + i)).join('\n')
    return [
      {
        name: 'first.yar',
        namespace: 'default',
        text: `${HEAD}\ninclude "some/included.yar"\n${texts(first, 0)}\n`,
      },
      { name: 'some/included.yar', text: texts(included, 100) },
      { name: 'second.yar', namespace: 'other', text: `${HEAD}\n${texts(second, 0)}\n` },
    ]
  })
