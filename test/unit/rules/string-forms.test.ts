/** Each modifier and each form of a string, with its matches in data: were it read or searched otherwise, a line here would fail. */
import { afterAll, describe, expect, it } from 'vitest'
import { RuleStringScanner } from '../../../scanners/rule-strings.js'
import { compileStrings } from '../../../src/patterns/compile-strings.js'
import { compileRules } from '../../../src/rules/compile.js'
import { Gathered } from '../../../src/rules/search/gather.js'
import { YaraProgram, yaraVersionHere } from '../../helpers/yara-program.js'
import { answerOf } from '../../reference/yara/evaluate.js'

/** ab at 0, AB at 3, wide at 6, under key 1 at 11, "xabx" at 14, base64 of "abc" at 19, base64wide at 24, "a1 b2" at 33. */
const STRING_DATA = Buffer.from('ab AB a\x00b\x00 \x60c xabx YWJj Y\x00W\x00J\x00j\x00 a1 b2\n', 'latin1')

/** Strings with `offset+length` of each match. */
const STRING_FORMS: readonly (readonly [string, string])[] = [
  ['"ab"', '0+2 15+2'],
  ['"ab" nocase', '0+2 3+2 15+2'],
  ['"ab" wide', '6+4'],
  ['"ab" wide ascii', '0+2 6+4 15+2'],
  ['"ab" wide ascii nocase', '0+2 3+2 6+4 15+2'],
  ['"ab" fullword', '0+2'],
  ['"ab" wide fullword', '6+4'],
  ['"ab" xor(1)', '11+2'],
  ['"ab" xor(0-1)', '0+2 11+2 15+2'],
  ['"AB" xor', '0+2 3+2 11+2 15+2'],
  ['"ab" xor wide', '6+4'],
  ['"abc" base64', '19+4'],
  ['"abc" base64wide', '24+8'],
  ['"abc" base64 base64wide', '19+4 24+8'],
  ['"abc" base64("!@#$%^&*(){}[].,|ABCDEFGHIJ\x09LMNOPQRSTUVWXYZabcdefghijklmnopqrstu")', ''],
  ['"ab" private', ''],
  ['{ 61 62 }', '0+2 15+2'],
  ['{ 6? 62 }', '0+2 15+2'],
  ['{ ?1 62 }', '0+2 15+2'],
  ['{ 61 ?? 20 }', '0+3 33+3'],
  ['{ 61 [1] 62 }', '6+3'],
  ['{ 61 [0-1] 62 }', '0+2 6+3 15+2'],
  ['{ 61 [2-4] 62 }', '33+4'],
  ['{ 59 [-] 6A }', '19+4 24+7'],
  ['{ 59 [4-] 6A }', '19+12 24+7'],
  ['{ 78 (61 | 62) (62 | 63) }', '14+3'],
  ['{ 61 // comment\n 62 /* another */ 20 }', '0+3'],
  ['/ab/', '0+2 15+2'],
  ['/ab/i', '0+2 3+2 15+2'],
  ['/ab/ nocase', '0+2 3+2 15+2'],
  ['/ab/ wide', '6+4'],
  ['/ab/ fullword', '0+2'],
  ['/a\\d b\\d/', '33+5'],
  ['/a.+b/ private', ''],
  ['/x.*b/', '14+23 17+20'],
  ['/x.*?b/', '14+3 17+20'],
  ['/x.{1,3}/', '14+4 17+4'],
  ['/x.{1,3}?/', '14+2 17+2'],
  ['/x(a|ab)/', '14+2'],
  ['/xab?x/', '14+4'],
  ['/xac?bx/', '14+4'],
  ['/xab[^a-w]/', '14+4'],
  ['/xab[\\x78\\]]/', '14+4'],
  ['/\\bxa/', '14+2'],
  ['/a\\Bbx/', '15+3'],
  ['/^ab/', '0+2'],
  ['/([ab]{2})*[x]/', '14+1 15+3 17+1'],
  ['/([ab]{2})*[x]/ wide ascii', '14+1 15+3 17+1'],
  ['/b2.$/s', '36+3'],
  ['/b2.$/', ''],
  ['/b2\\s/', '36+3'],
  ['/b2\\n/', '36+3'],
  ['/b2\\x0a/', '36+3'],
  ['/YW\\w\\w\\W/', '19+5'],
  ['/xa{0,1}b/', '14+3'],
  ['/ab{2}/', ''],
]

/** The same about data of their own: bytes of every value, and what stands at their edges. */
const OTHER_FORMS: readonly (readonly [string, string, string])[] = [
  ['{ ?F }', '\x0f\xff\xf0n', '0+1 1+1'],
  ['{ F? }', '\x0f\xff\xf0n', '1+1 2+1'],
  ['{ 6E }', '\x0f\xff\xf0n', '3+1'],
  ['{ 61 [-] 62 }', 'ab a b', '0+2 3+3'],
  ['{ 61 [2-] 62 }', 'ab a b a..b', '0+6 3+8 7+4'],
  ['{ 61 [200] 62 }', `a${'.'.repeat(200)}b`, '0+202'],
  ['{ 61 [201] 62 }', `a${'.'.repeat(201)}b`, '0+203'],
  ['{ 61 [0-201] 62 }', `a${'.'.repeat(202)}b a${'.'.repeat(201)}b`, '205+203'],
  ['{ 61 [1-2] 62 [1-2] 63 }', 'a.b.c a..b..c ab.c', '0+5 6+7'],
  ['{ (61 | 62 63) 64 }', 'ad bcd cd', '0+2 3+3'],
  ['{ 61 ( 62 | 63 [2] 64 ) 65 }', 'abe ac..de ace', '0+3 4+6'],
  ['{ 61 ( ?? | 62 63 ) 64 }', 'a.d abcd', '0+3 4+4'],
  ['"ab" xor(255)', '\x9e\x9d ab', '0+2'],
  ['"ab" xor', '\x9e\x9d ab', '0+2 3+2'],
  ['"ab" xor(1-255)', '\x9e\x9d ab', '0+2'],
  ['"ab" xor wide ascii', '`c `\x01c\x01 ab', '0+2 3+4 8+2'],
  ['"ab" xor(1) fullword', '`cx `c.', '4+2'],
  ['"ab" wide fullword', 'xa\0b\0 x\0a\0b\0 .a\0b\0.', '1+4 14+4'],
  ['"ab" ascii wide fullword', 'ab.xab aby a\0b\0 a\0b\0c\0', '0+2 11+4'],
  ['"a b" fullword', 'xa b a by a b', '10+3'],
  ['"ab" fullword', 'ab_ 0ab ab9 -ab', '0+2 13+2'],
  ['"aB" nocase wide', 'A\0b\0 ab', '0+4'],
  ['"a[B" nocase', 'A[b a{b', '0+3'],
  ['"abcd" base64 wide', 'YQBiAGMAZAA', '0+10'],
  ['"abcd" base64(" ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+")', 'XVIiY', '0+5'],
  ['/ab/ nocase wide', 'A\0b\0', '0+4'],
  ['/a.b/ wide', 'a\0.\0b\0 a\0\n\0b\0', '0+6'],
  ['/a.b/ ascii wide', 'a.b a\0.\0b\0', '0+3 4+6'],
  ['/a.b/s', 'a\nb', '0+3'],
  ['/\\bab\\b/', 'ab xab ab', '0+2 7+2'],
  ['/a\\Bb/ wide', 'a\0b\0', '0+4'],
  ['/ab$/', 'ab ab', '3+2'],
  ['/^ab/ wide', 'a\0b\0a\0b\0', '0+4'],
  ['/(ab|a)c?/', 'abc ac', '0+3 4+2'],
  ['/a(b|bc)d/', 'abd abcd', '0+3 4+4'],
  ['/(ab){2,3}c/', 'abababc', '0+7 2+5'],
  ['/(ab){2}c/', 'abababc', '2+5'],
  ['/(a|b){3}c/', 'ababc', '1+4'],
  ['/xa{2,}/', 'xaaa xa', '0+4'],
  ['/xa{2,}?/', 'xaaa xa', '0+3'],
  ['/xa{0,2}y/', 'xy xay xaaay', '0+2 3+3'],
  ['/x[^\\s\\d]+/', 'xab1 x\txy', '0+3 7+2'],
  ['/x\\D{2}\\S/', 'xab1 x12a', '0+4'],
  ['/x[a-c-]{3}/', 'xa-c xa.c', '0+4'],
  ['/x[]a]{2}/', 'x]a x[a', '0+3'],
  ['/x\\.\\x2e\\t/', 'x..\t', '0+4'],
  ['/ab{,2}c/', 'ac abc abbc abbbc', '0+2 3+3 7+4'],
  ['/ab{x/', 'ab{x', '0+4'],
  ['{ 61 [0-2] 62 63 64 65 }', 'aabcde', '0+6 1+5'],
  ['{ 61 [0-3] 61 [0-3] 62 63 64 65 }', 'aa.abcde', '0+8 1+7'],
  ['"abcdef" base64', 'YWJjZGVm LmFiY2RlZg== Li5hYmNkZWY=', '0+8 11+7 25+7'],
  ['/a.b/ wide', 'a\0x\x01b\0 a\0x\0b\x01a\x01x\0b\0', ''],
  ['/x(ab){2,6}y/', 'xababababy xaby', '0+10'],
  ['/x(ab){2,6}y/', `x${'ab'.repeat(6)}y x${'ab'.repeat(7)}y`, '0+14'],
  ['/x(ab){2,6}?/', 'xabababab', '0+5'],
  ['/x(a(bc){3,5}d){3,5}y/', `x${'abcbcbcd'.repeat(2)}${'abcbcbcbcd'.repeat(2)}y`, '0+38'],
  ['/x(a(bc){3,5}d){3,5}y/', `x${'abcbcbcd'.repeat(2)}abcbcdabcbcbcdy`, ''],
  ['"ab" fullword', 'ab{ @ab [ab: /ab` 9ab', '0+2 5+2 9+2 14+2'],
  ['/ab/ fullword', 'ab{ @ab [ab: /ab` Zab abz', '0+2 5+2 9+2 14+2'],
]

describe.each(['as the reference', 'as the search, by vectorscan', 'as the search, embedded'])(
  '%s finds',
  how => {
    it.each([
      ...STRING_FORMS.map(([form, found]) => [form, found, undefined] as const),
      ...OTHER_FORMS.map(([form, data, found]) => [form, found, data] as const),
    ])('%s at %s', (definition, found, text) => {
      const data = text === undefined ? STRING_DATA : Buffer.from(text, 'latin1')
      expect(placesOf(definition, data, how)).toEqual(found.split(' ').filter(Boolean))
    })
  },
)

/** `offset+length` of each match. */
function placesOf(definition: string, data: Uint8Array, how: string): string[] {
  const ruleSet = compileRules([{ source: `rule t { strings: $s = ${definition} condition: $s }` }])
  if (how === 'as the reference') return answerOf(ruleSet, data).matches.map(place).sort(byOffset)
  const [string] = ruleSet.rules[0]!.strings
  if (string!.isPrivate) return []
  const tables = compileStrings([string!], how.includes('embedded') ? 'embedded' : 'auto')
  const gathered = new Gathered(tables)
  const scanner = new RuleStringScanner(tables)
  const window = {
    bytes: data,
    gpa: 0,
    ownedStart: 0,
    ownedEnd: data.length,
    beginsStretch: true,
    endsStretch: true,
  }
  scanner.scan(window, {
    match() {},
    stringMatch: (part, offset, length) => gathered.add(part, offset, length),
  })
  scanner[Symbol.dispose]()
  const columns = gathered.finish(() => data.length).get(string!.id)
  return Array.from(
    { length: columns?.count ?? 0 },
    (_, i) => `${columns!.offsetAt(i)}+${columns!.lengthAt(i)}`,
  )
}

function place(match: string): string {
  const [, , offset, length] = match.split(' ')
  return `${Number(offset)}+${length}`
}

function byOffset(one: string, other: string): number {
  return Number.parseInt(one, 10) - Number.parseInt(other, 10)
}

const version = yaraVersionHere()
describe.skipIf(!version?.startsWith('4.2.'))(
  'the yara program finds (skipped where yara 4.2 is not installed)',
  () => {
    const yara = new YaraProgram()
    afterAll(() => yara[Symbol.dispose]())
    const ask = (definitions: readonly (readonly [string, string])[], data: Uint8Array) => {
      const rules = definitions.map(
        ([definition], i) => `rule t${i} { strings: $s = ${definition} condition: $s }`,
      )
      const { error, matches } = yara.scan(rules.join('\n'), data)
      expect(error).toBeUndefined()
      const told = definitions.map(([definition], i) => [
        definition,
        matches
          .filter(match => match.startsWith(`t${i} `))
          .map(place)
          .sort(byOffset)
          .join(' '),
      ])
      expect(told).toEqual(definitions)
    }

    it('the same', () => ask(STRING_FORMS, STRING_DATA))
    it('the same in other data', () => {
      for (const [form, data, found] of OTHER_FORMS) ask([[form, found]], Buffer.from(data, 'latin1'))
    })
  },
)
