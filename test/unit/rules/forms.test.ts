/**
 * Each form of a condition, with data on which it holds or does not: were it read, resolved or computed
 * otherwise, a line here would fail. What YARA 4.2 knows is asked of the program too, and what YARA-X knows of YARA-X.
 */
import { afterAll, describe, expect, it } from 'vitest'
import { compileRules } from '../../../src/rules/compile.js'
import { YaraProgram, yaraVersionHere } from '../../helpers/yara-program.js'
import { answerOf } from '../../reference/yara/evaluate.js'
import { buildRules } from '../../reference/yara-x.js'

/** a at 0, 6, 14; b at 2 as "bc", wide at 10. */
const DATA = Buffer.from('a bcXYA1\x01\x02b\x00c\x00a-end.\xff\x80\x00\x10', 'latin1')

interface Form {
  readonly condition: string
  readonly holds: boolean
  /** Who does not know it, or has it otherwise. */
  readonly except?: 'yara' | 'yara-x' | 'both'
}

const holds = (condition: string, except?: Form['except']): Form => ({
  condition,
  holds: true,
  ...(except && { except }),
})
const fails = (condition: string, except?: Form['except']): Form => ({
  condition,
  holds: false,
  ...(except && { except }),
})

const CONDITIONS: readonly Form[] = [
  // strings
  holds('$a'),
  fails('$none'),
  holds('not $none'),
  holds('$a and $bc'),
  fails('$a and $none'),
  holds('$none or $a'),
  fails('$none or $none2'),
  holds('$a or $none and $none2'),
  fails('($a or $none) and $none2'),
  holds('$a at 14'),
  fails('$a at 13'),
  fails('$a at uint8(1000)'),
  holds('$a in (7..14)'),
  holds('$a in (14..20)'),
  fails('$a in (15..20)'),
  fails('$a in (14..13)', 'yara-x'),
  holds('#a == 2'),
  holds('#none == 0'),
  holds('#a in (0..13) == 1', 'yara'),
  holds('#a in (0..14) == 2'),
  fails('#a in (14..0) == 1', 'both'),
  holds('@a == 0'),
  holds('@a[1] == 0'),
  holds('@a[2] == 14'),
  fails('defined @a[3]'),
  fails('defined @a[0]', 'yara-x'),
  fails('defined @none'),
  holds('!re == 4'),
  holds('!re[1] == 4'),
  fails('defined !re[2]'),
  holds('!bc[2] == 4'),
  // of
  holds('any of them'),
  fails('all of them'),
  holds('all of ($a, $bc)'),
  fails('none of ($a, $none)'),
  holds('none of ($none*)'),
  holds('2 of ($a, $bc, $none)'),
  fails('3 of ($a, $bc, $none)'),
  holds('(1 + 1) of ($a, $b*)'),
  holds('#a of ($a, $bc)'),
  holds('1 of ($b*)'),
  holds('0 of ($none*)'),
  fails('0 of ($a)', 'yara-x'),
  holds('50% of ($a, $none)'),
  fails('51% of ($a, $none)'),
  holds('100% of ($a, $bc)'),
  holds('any of ($a, $bc) in (1..2)'),
  fails('all of ($a, $bc) in (1..2)'),
  fails('any of ($a, $bc) in (3..4)'),
  holds('any of ($a, $bc) at 14', 'yara'),
  fails('all of ($a, $bc) at 14', 'yara'),
  holds('any of (helper, other)'),
  fails('all of (helper, other)'),
  holds('all of (help*)', 'yara-x'),
  holds('50% of (helper, other)'),
  holds('any of ($none, #a == 2)', 'yara'),
  fails('all of ($none, true)', 'yara'),
  holds('2 of (true, $a, false)', 'yara'),
  // for
  holds('for any of them : ( # == 2 )'),
  holds('for all of ($a, $bc) : ( # == 2 )'),
  fails('for all of ($a, $none) : ( # == 2 )'),
  holds('for 2 of ($a, $b*) : ( @ < 3 )'),
  holds('for any of ($a, $bc) : ( $ at 14 )'),
  fails('for any of ($a, $bc) : ( $ at 13 )'),
  holds('for any of ($b*) : ( ! == 2 and ![2] == 4 )'),
  holds('for any of ($a) : ( $ in (13..15) )'),
  holds('for any of ($a) : ( @[2] == 14 )'),
  holds('for any i in (1..#a) : ( @a[i] == 14 )'),
  fails('for all i in (1..#a) : ( @a[i] == 14 )'),
  holds('for all i in (1..#a) : ( @a[i] < 15 )'),
  holds('for 1 i in (1..3) : ( i == 3 )'),
  fails('for 2 i in (1..3) : ( i == 3 )'),
  holds('for any i in (3, 5, 14) : ( $a at i )'),
  fails('for any i in (3, 5) : ( $a at i )'),
  fails('for all i in (3..1) : ( true )', 'yara-x'),
  // bodies that do not look at the variable
  holds('for all i in (1..3) : ( #a == 2 )'),
  fails('for all i in (1..3) : ( #a == 3 )'),
  holds('for 3 i in (1..3) : ( $a )'),
  fails('for 4 i in (1..3) : ( $a )'),
  holds('for 5 i in (1..3) : ( #a )', 'yara-x'),
  fails('for 7 i in (1..3) : ( #a )', 'yara-x'),
  fails('for 0 i in (3..1) : ( true )', 'yara-x'),
  holds('for 0 i in (1..3) : ( false )', 'yara-x'),
  holds('for all i in (1..2) : ( for all j in (1..2) : ( i < 3 ) )'),
  fails('for all i in (1..2) : ( for any j in (1..2) : ( i == 1 ) )'),
  fails('for all i in (1..@none) : ( true )', 'yara-x'),
  holds('for all i in (1..2) : ( for any j in (1..2) : ( i == j ) )'),
  fails('for all i in (1..2) : ( for all j in (1..2) : ( i == j ) )'),
  holds('for any s in ("x", "abc") : ( s contains "bc" )', 'yara'),
  // an undefined number means all, an undefined share nothing
  holds('(@none) of ($a, $bc)', 'yara-x'),
  fails('(@none) of ($a, $none)', 'yara-x'),
  holds('for (@none) of ($a, $bc) : ( # == 2 )', 'yara-x'),
  fails('for (@none) of ($a, $none) : ( # == 2 )', 'yara-x'),
  holds('for (@none) i in (1..2) : ( i > 0 )', 'yara-x'),
  fails('for (@none) i in (1..2) : ( i > 1 )', 'yara-x'),
  fails('defined (@none% of ($a, $bc))', 'both'),
  fails('for all i in (@none..3) : ( true )'),
  fails('for all i in (1..@none) : ( true )'),
  // a loop adds up what its body comes to
  holds('for 5 i in (1..2) : ( i + 2 )', 'yara-x'),
  fails('for 8 i in (1..2) : ( i + 2 )', 'yara-x'),
  holds('for 4 of ($a, $bc) : ( # )', 'yara-x'),
  fails('for 5 of ($a, $bc) : ( # )', 'yara-x'),
  holds('for all of ($a, $bc) : ( 0.5 )', 'yara-x'),
  fails('for all i in (1..2) : ( 0.0 )', 'yara-x'),
  fails('for all i in (1..2) : ( @none )', 'yara-x'),
  holds('for any of ($a) : ( for any of ($bc) : ( @ == 2 ) and @ == 0 )', 'yara'),
  holds('for none i in (1..3) : ( i == 1 )', 'yara-x'),
  fails('for none i in (3..1) : ( true )', 'yara-x'),
  holds('with x = #a, y = 3 : ( x + y == 5 )', 'yara'),
  fails('with x = #a : ( x == 3 )', 'yara'),
  // numbers
  holds('filesize == 24'),
  holds('uint8(0) == 0x61'),
  holds('int8(20) == -1'),
  holds('uint8(20) == 255'),
  holds('uint16(20) == 0x80ff'),
  holds('uint16be(20) == 0xff80'),
  holds('int16(20) == -32513'),
  holds('int16be(20) == -128'),
  holds('uint32(20) == 0x100080ff'),
  holds('uint32be(20) == 0xff800010'),
  holds('int32be(20) == -8388592'),
  holds('int32(20) == 0x100080ff'),
  holds('int8be(20) == -1'),
  holds('uint8be(20) == 255'),
  fails('defined uint16(23)'),
  holds('defined uint8(23)'),
  fails('defined uint8(24)'),
  fails('defined uint8(-1)'),
  fails('uint8(24) == 0'),
  fails('not (uint8(24) == 0)'),
  holds('1KB == 1024'),
  holds('1MB == 1048576'),
  holds('0x1F == 31'),
  holds('0o17 == 15'),
  holds('7 \\ 2 == 3'),
  holds('-7 \\ 2 == -3'),
  holds('7 % 4 == 3'),
  holds('-7 % 4 == -3'),
  holds('2 + 3 * 4 == 14'),
  holds('(2 + 3) * 4 == 20'),
  holds('2 - 3 - 4 == -5'),
  holds('5 & 3 == 1'),
  holds('5 | 3 == 7'),
  holds('5 ^ 3 == 6'),
  holds('~5 == -6'),
  holds('1 << 4 == 16'),
  holds('-16 >> 2 == -4'),
  holds('filesize << 64 == 0'),
  holds('1 + 1 << 1 == 4'),
  holds('1 | 6 & 3 ^ 1 == 3'),
  holds('1.5 + 1 == 2.5'),
  holds('7.0 \\ 2 == 3.5'),
  holds('0.5 < 1'),
  holds('-0.5 < 0.0'),
  holds('1 == 1.0'),
  fails('1.5 > 2'),
  holds('2.0 * 1.5 == 3.0'),
  holds('2.5 - 0.5 >= 2'),
  holds('1.5 != 2.5'),
  holds('1.5 <= 1.5'),
  holds('0.1 + 0.2 == 0.3', 'yara-x'),
  fails('0.1 + 0.2 != 0.3', 'yara-x'),
  holds('3.5 - 1.5 == 2.0'),
  holds('3.5 - 1 == 2.5'),
  holds('5 - 1.5 == 3.5'),
  holds('3 > 2'),
  holds('2 >= 2'),
  fails('2 > 2'),
  holds('2 <= 2'),
  fails('2 < 2'),
  holds('2 != 3'),
  holds('#a', 'yara-x'),
  fails('#none', 'yara-x'),
  fails('filesize \\ #none == 0'),
  fails('defined (filesize \\ #none)'),
  fails('defined (filesize % #none)'),
  fails('defined (1 << -#a)', 'yara-x'),
  fails('defined (@none + 1)'),
  fails('not defined (@a + 1)'),
  holds('int8(21) == -128'),
  fails('9007199254740993 == 9007199254740992'),
  holds('9007199254740993 > 9007199254740992'),
  holds('1.0 == 1'),
  holds('-(filesize - filesize - 9223372036854775807 - 1) < 0', 'yara-x'),
  holds('-(1.5 + filesize) == -25.5'),
  fails('defined (-@none)'),
  fails('defined (~@none)'),
  fails('defined (#a in (@none..3))'),
  fails('defined (#a in (0..@none))', 'yara'),
  fails('defined ($a in (0..@none))'),
  fails('defined (any of ($a) in (@none..3))', 'yara-x'),
  fails('defined (1 + @none)'),
  fails('defined (@none < 1)'),
  fails('defined math.abs(@none)'),
  fails('defined (hash.md5(24, 1) contains "a")'),
  fails('defined ("a" contains hash.md5(24, 1))'),
  fails('defined (hash.md5(24, 1) matches /a/)'),
  holds('not (@none * 1.5 < 1.0)', 'yara-x'),
  fails('not (@none * 1.5 > 1.0)'),
  // texts
  holds('"abc" contains "bc"'),
  fails('"abc" contains "BC"'),
  holds('"abc" icontains "BC"'),
  holds('"abc" startswith "ab"'),
  fails('"abc" startswith "bc"'),
  holds('"abc" istartswith "AB"'),
  holds('"abc" endswith "bc"'),
  fails('"abc" endswith "ab"'),
  holds('"abc" iendswith "BC"'),
  holds('"abc" iequals "ABC"'),
  fails('"abc" iequals "AB"'),
  holds('"abc" == "abc"'),
  holds('"abc" != "abd"'),
  holds('"abc" < "abd"'),
  holds('"abc" <= "abc"'),
  holds('"b" > "abc"'),
  holds('"b" >= "b"'),
  holds('"ab" < "abc"'),
  holds('"\\xff" < "a"', 'yara-x'),
  holds('"abc" matches /b/'),
  fails('"abc" matches /B/'),
  holds('"abc" matches /B/i'),
  holds('"a\\nc" matches /a.c/s'),
  fails('"a\\nc" matches /a.c/'),
  holds('"abc" matches /^a.c$/'),
  fails('"xabc" matches /^abc/'),
  holds('"a b" matches /\\bb\\b/'),
  holds('"ab1" matches /[a-c]{2}\\d/'),
  holds('"aaab" matches /^(a|b)+$/'),
  holds('"aaa" matches /^a{2,3}$/'),
  fails('"aaaa" matches /^a{2,3}$/'),
  fails('"a" matches /^a{2,3}$/'),
  holds('"aa" matches /^a{2,}$/'),
  fails('"a" matches /^a{2,}$/'),
  holds('"ac" matches /^ab{0,1}c$/'),
  holds('"ab" matches /^(a|ab)(c|)$/'),
  fails('"ab" matches /a\\Bb$|c|^b/ and "ab" matches /\\bb/'),
  holds('"ab" matches /a\\Bb/'),
  holds('"a-b" matches /\\Ba|-\\bb/'),
  holds(`"${'a'.repeat(4095)}b" matches /b/`),
  fails(`"${'a'.repeat(4096)}b" matches /b/`, 'yara-x'),
  fails('"" matches /^$/', 'yara-x'),
  holds('ext_int == 12'),
  holds('ext_text contains "lo"'),
  holds('ext_flag', 'yara-x'),
  holds('ext_float > 1.0'),
  fails('"ab" startswith "abc"'),
  fails('"bc" endswith "abc"'),
  holds('"[Z@" iequals "[z@"'),
  fails('"[" iequals "{"'),
  fails('"@" iequals "`"'),
  holds('"abc" > "ab"'),
  // what is true
  holds('0.5', 'yara-x'),
  fails('0.0', 'yara-x'),
  holds('-0.0', 'yara-x'),
  holds('"x"', 'yara-x'),
  fails('""', 'yara-x'),
  fails('filesize - 24', 'yara-x'),
  fails('@none', 'yara-x'),
  // rules
  holds('helper'),
  fails('other'),
  holds('not other'),
  holds('true'),
  fails('false'),
  // modules
  holds('math.entropy(0, 2) == 1.0'),
  holds('math.entropy("aabb") == 1.0'),
  holds('math.mean(0, 2) == 64.5'),
  holds('math.mean("ab") == 97.5'),
  holds('math.deviation(0, 2, 64.5) == 32.5'),
  holds('math.deviation("ab", 97.5) == 0.5'),
  holds('math.MEAN_BYTES == 127.5'),
  holds('math.in_range(2.0, 1.0, 3.0)', 'yara-x'),
  fails('math.in_range(4.0, 1.0, 3.0)', 'yara-x'),
  holds('math.min(3, 5) == 3'),
  holds('math.max(3, 5) == 5'),
  holds('math.min(-1, 5) == 5', 'yara-x'),
  holds('math.abs(-4) == 4'),
  holds('math.to_number(2 > 1) == 1'),
  holds('math.count(0x61, 0, 15) == 2'),
  holds('math.count(0x61) == 2'),
  holds('math.percentage(0x61, 0, 2) == 0.5'),
  holds('math.mode(8, 6) == 0'),
  holds('math.mode() == 0'),
  holds('math.serial_correlation(0, 24) < 1.0'),
  holds('defined math.monte_carlo_pi(0, 24)'),
  fails('defined math.monte_carlo_pi(0, 5)'),
  fails('defined math.entropy(24, 1)', 'yara-x'),
  holds('math.mean(20, 100) == math.mean(20, 4)'),
  fails('defined math.entropy(-1, 5)'),
  holds('math.to_string(255, 16) == "ff"', 'yara'),
  holds('math.to_string(-3) == "-3"', 'yara'),
  holds('hash.md5(0, 1) == "0cc175b9c0f1b6a831c399e269772661"'),
  holds('hash.md5("a") == "0cc175b9c0f1b6a831c399e269772661"'),
  holds('hash.sha1(0, 1) == "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"'),
  holds('hash.sha256("a") == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"'),
  holds('hash.checksum32(0, 2) == 129'),
  holds('hash.crc32(0, 1) == 0xe8b7be43'),
  holds('hash.crc32("a") == 0xe8b7be43'),
  fails('defined hash.md5(24, 1)'),
  holds('string.to_int("12") == 12', 'yara'),
  holds('string.to_int("0x1f") == 31', 'both'),
  holds('string.to_int("1f", 16) == 31', 'yara'),
  fails('defined string.to_int("1x")', 'yara'),
  holds('string.length("abc") == 3', 'yara'),
  holds('time.now() > 1600000000'),
  holds('console.log("x")', 'yara-x'),
]

const HEAD =
  'import "math" import "hash" import "time" import "console"\nrule helper { condition: true }\nrule other { condition: false }\n'
const STRINGS = '$a = "a" $bc = "bc" wide ascii $none = "nowhere" $none2 = "not there" $re = /X[A-Z]{2}\\d/'
const EXTERNALS = { ext_int: 12n, ext_text: 'hello', ext_flag: true, ext_float: 1.5 }
const DEFINED = ['ext_int=12', 'ext_text=hello', 'ext_flag=true', 'ext_float=1.5']

/** A file that tests conditions, by rules t0, t1, ...; every string is used. */
function fileOf(forms: readonly Form[]): string {
  const rules = forms.map(
    ({ condition }, i) =>
      `rule t${i} { strings: ${STRINGS} condition: (${condition}) and #a + #bc + #none + #none2 + #re >= 0 }`,
  )
  const module = forms.some(({ condition }) => condition.includes('string.')) ? 'import "string"' : ''
  return [module, HEAD, ...rules].join('\n')
}

/** Forms that come out otherwise than they should. */
function wrongOnes(forms: readonly Form[], holding: readonly string[]): readonly Form[] {
  return forms.filter(({ holds: expected }, i) => holding.includes(`t${i}`) !== expected)
}

describe('each form of a condition', () => {
  it.each(CONDITIONS)('$condition', form => {
    const rules = compileRules([{ source: fileOf([form]) }], { externals: EXTERNALS })
    expect(answerOf(rules, DATA).rules.includes('t0')).toBe(form.holds)
  })
})

const version = yaraVersionHere()
describe.skipIf(!version?.startsWith('4.2.'))(
  'the yara program agrees (skipped where yara 4.2 is not installed)',
  () => {
    const yara = new YaraProgram()
    afterAll(() => yara[Symbol.dispose]())

    it('on each form it knows', () => {
      const known = CONDITIONS.filter(({ except }) => except !== 'yara' && except !== 'both')
      const answer = yara.scan(fileOf(known), DATA, DEFINED)
      expect(answer.error).toBeUndefined()
      expect(wrongOnes(known, answer.rules)).toEqual([])
    })
  },
)

it('YARA-X agrees on each form it knows', () => {
  const known = CONDITIONS.filter(
    ({ condition, except }) => except !== 'yara-x' && except !== 'both' && !condition.includes('ext_'),
  )
  const rules = buildRules(fileOf(known))
  const { matches } = rules.scan(DATA) as { matches: { identifier: string }[] }
  rules.free()
  const holding = matches.map(({ identifier }) => identifier)
  expect(wrongOnes(known, holding)).toEqual([])
})
