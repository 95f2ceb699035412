/**
 * A text that a condition asks for only `at` one constant has no match but there, as in YARA 4.2: which uses, which constants and which
 * strings that goes for.
 */
import { afterAll, describe, expect, it } from 'vitest'
import { compileRules } from '../../../src/rules/compile.js'
import { YaraProgram, yaraVersionHere } from '../../helpers/yara-program.js'
import { answerOf } from '../../reference/yara/evaluate.js'

const DATA = Buffer.from('ab...ab...ab...cd...ab\0\0a\0b\0..AB')
const ONE = ['0x5 2']
const ALL = ['0x0 2', '0x14 2', '0x5 2', '0xa 2']

/** Conditions about `$a = "ab"`; `$c` is there where it is named. */
const CONDITIONS: readonly (readonly [string, readonly string[]])[] = [
  ['$a at 5', ONE],
  ['$a at 5 and $a at 5', ONE],
  ['not $a at 5 or true', ONE],
  ['$a at 5 or $a at 0', ALL],
  ['$a at 5 and #a > 0', ALL],
  ['$a at 5 and $a', ALL],
  ['$a and $a at 5', ALL],
  ['$a at 5 and $a in (0..5)', ALL],
  ['$a at 5 and @a >= 0', ALL],
  ['$a at 5 and !a == 2', ALL],
  ['$a at 5 and any of them', ALL],
  ['$a at 5 and any of ($a)', ALL],
  ['$a at 5 and any of ($a*)', ALL],
  ['$a at 5 and any of ($c)', ONE],
  ['$a at 5 or $a at filesize', ALL],
  ['$a at filesize or $a at 5', ALL],
  ['for any of ($c) : ( $ at 5 ) or $a at 5', ONE],
  ['for any of ($c) : ( $ at 15 ) and $a at 5', ALL],
  ['for any of ($c) : ( $ ) and $a at 5', ALL],
  ['for any of ($c) : ( $ at filesize ) or $a at 5', ONE],
  ['for any of ($a) : ( $ at 5 )', ALL],
  // constants
  ['$a at 0', ['0x0 2']],
  ['$a at 3 or true', []],
  ['$a at -1 or true', []],
  ['$a at 5KB or true', []],
  ['$a at 0x5', ONE],
  ['$a at (2 + 3)', ONE],
  ['$a at 10 - 5', ONE],
  ['$a at 1 * 5', ONE],
  ['$a at 10 \\ 2', ONE],
  ['$a at 13 % 8', ONE],
  ['$a at 4 | 1', ONE],
  ['$a at 13 & 7', ONE],
  ['$a at 6 ^ 3', ONE],
  ['$a at ~-6', ONE],
  ['$a at -(-5)', ONE],
  ['$a at 5 << 1', ['0xa 2']],
  ['$a at 20 >> 2', ONE],
]
/** Where yara 4.2 computes otherwise. */
const OTHERWISE = ['$a at 20 >> 2']

/** Strings that are looked for `at 5` and matches in all of the data. */
const STRINGS: readonly (readonly [string, readonly string[]])[] = [
  ['"ab" nocase', ONE],
  ['"ab" wide', []],
  ['"ab" wide ascii', ONE],
  ['"ab" xor(0-1)', ONE],
  ['"ab" fullword', ONE],
  ['/ab/', ONE],
  ['/ab/i', ONE],
  ['/a\\x62/', ONE],
  ['/a[b]/', ALL],
  ['/ab?/', ['0x0 2', '0x14 2', '0x18 1', '0x5 2', '0xa 2']],
  ['{ 61 62 }', ONE],
  ['{ 61 6? }', ALL],
  ['{ 61 (62|63) }', ALL],
  ['{ 61 [0-201] 62 }', ONE],
  ['{ 61 62 [0-300] 63 }', ['0x5 11']],
  ['{ 61 62 [0-200] 61 }', ['0x0 6', '0x14 5', '0x5 6', '0xa 11']],
  ['{ 61 6? [0-300] 63 }', ['0x0 16', '0x5 11', '0xa 6']],
]

const CASES = [
  ...CONDITIONS.map(([condition, places]) => ['"ab"', condition, places] as const),
  ...STRINGS.map(([string, places]) => [string, '$a at 5 or true', places] as const),
]

describe('a text that is asked for at one constant offset', () => {
  const version = yaraVersionHere()
  const yara = version?.startsWith('4.2.') === true ? new YaraProgram() : undefined
  afterAll(() => yara?.[Symbol.dispose]())

  it.each(CASES)(`%s, %s${yara === undefined ? '' : ' (as yara)'}`, (string, condition, places) => {
    const other = condition.includes('$c') ? '$c = "cd"' : ''
    const source = `rule r { strings: $a = ${string} ${other} condition: ${condition} }`
    const wanted = places.map(place => `r $a ${place}`)
    const ofA = (matches: readonly string[]) => matches.filter(match => match.includes('$a'))
    expect(ofA(answerOf(compileRules([{ source }]), DATA).matches)).toEqual(wanted)
    if (yara !== undefined && !OTHERWISE.includes(condition))
      expect(ofA(yara.scan(source, DATA).matches)).toEqual(wanted)
  })

  it.each([
    ['"a" ascii wide fullword', ['0x1 2']],
    ['"a" nocase ascii wide fullword', ['0x1 2']],
    ['"a" xor(0-1) ascii wide fullword', ['0x1 2']],
    ['"a" ascii fullword', []],
  ] as const)('%s: where the first form is no word by itself, the next one may be', (string, places) => {
    const source = `rule r { strings: $a = ${string} condition: $a at 1 or true }`
    const data = Buffer.from('za\0!')
    const wanted = places.map(place => `r $a ${place}`)
    expect(answerOf(compileRules([{ source }]), data).matches).toEqual(wanted)
    if (yara !== undefined) expect(yara.scan(source, data).matches).toEqual(wanted)
  })
})
