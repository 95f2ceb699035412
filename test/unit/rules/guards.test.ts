import { describe, expect, it } from 'vitest'
import { compileRules } from '../../../src/rules/compile.js'
import { GuardChecks, type GuardSpace } from '../../../src/rules/guard-checks.js'
import { guardsOf, rulesToEvaluate, withoutRest } from '../../../src/rules/guards.js'

const KIB = 1024

function space(text: string, filesize = 64 * KIB): GuardSpace {
  const bytes = Buffer.from(text, 'latin1')
  return {
    filesize: BigInt(filesize),
    read: (offset, length) =>
      offset < 0n ? bytes.subarray(0, 0) : bytes.subarray(Number(offset), Number(offset) + length),
  }
}

function wantedOf(source: string, where: GuardSpace): string[] {
  const ruleSet = compileRules([{ source }])
  const guards = guardsOf(ruleSet)
  const checks = new GuardChecks(guards)
  const wanted = rulesToEvaluate(guards, condition => checks.mayHold(condition, where))
  return ruleSet.rules.filter(({ index }) => wanted[index] === 1).map(({ name }) => name)
}

const rule = (name: string, condition: string, words = ''): string =>
  `${words} rule ${name} { strings: $a = "aaaa" $b = "bbbb" condition: ($a or $b or true) and (${condition}) }\n`

describe('rules that can not hold', () => {
  it.each([
    ['uint16(0) == 0x5a4d and $a', false],
    ['uint16(0) == 0x457f and $a', true],
    ['filesize < 2KB and all of them', false],
    ['filesize < 2MB and all of them', true],
    ['uint32(uint32(0x3c)) == 0x4550 and $a', false],
    ['(uint16(0) == 0x5a4d or uint16(0) == 0x457f) and $a', true],
    ['(uint16(0) == 0x5a4d and $a) or (uint16(0) == 0x3412 and $b)', false],
    ['(uint16(0) == 0x5a4d and $a) or $b', true],
    ['not uint16(0) == 0x5a4d and $a', true],
    ['not uint16(0) == 0x457f and $a', false],
    ['not (uint16(0) == 0x457f and $a)', true],
    ['$a at 0', false],
    ['$a at 2 and $b', true],
    ['$a at 2 or $b at 0', true],
    ['$b at 0 or $a at 1', false],
    ['for any i in (1..#a) : (@a[i] > 5 and uint16(0) == 0x5a4d)', true],
    ['#a > 3', true],
    ['for any of them : (# > 0 and uint16(0) == 0x5a4d)', false],
    ['for 1 of them : (# > 0 and uint16(0) == 0x5a4d)', true],
    ['for all of ($a*) : ($ at 0 and uint16(0) == 0x457f)', true],
    ['uint8(1000000) == 0', false],
  ])('%s', (condition, wanted) => {
    expect(wantedOf(rule('one', condition), space('\x7fEaaaa'))).toEqual(wanted ? ['one'] : [])
  })

  it('hold back the rules that refer to them, and no others', () => {
    const source = [
      rule('no', 'uint16(0) == 0x5a4d'),
      rule('needs_no', 'no and $a'),
      rule('maybe', 'not no and $a'),
      rule('either', 'no or needs_no'),
    ].join('')
    expect(wantedOf(source, space('\x7fE'))).toEqual(['maybe'])
  })

  it('are evaluated for what refers to them only when they are private', () => {
    const source = [
      rule('used', '$a', 'private'),
      rule('unused', '$a', 'private'),
      rule('of_dead', '$a', 'private'),
      rule('dead', 'of_dead and filesize == 1'),
      rule('alive', 'used and $b'),
      rule('counts', '1 of (use*)'),
    ].join('')
    expect(wantedOf(source, space('x'))).toEqual(['used', 'alive', 'counts'])
  })

  it('hold back their namespace when they are global', () => {
    expect(wantedOf(rule('every', 'filesize > 1MB', 'global') + rule('one', '$a'), space('x'))).toEqual([])
    expect(wantedOf(rule('every', 'filesize > 1KB', 'global') + rule('one', '$a'), space('x'))).toEqual([
      'every',
      'one',
    ])
  })

  it('are not known where nothing can be read', () => {
    const blind: GuardSpace = { filesize: undefined, read: () => undefined }
    const source =
      rule('header', 'uint16(0) == 0x5a4d and $a') +
      rule('small', 'uint16(0) == 0x5a4d and filesize < 1MB and $a')
    expect(wantedOf(source, blind)).toEqual(['header'])
  })

  it('stay small however rules refer to each other', () => {
    const first = rule('r0', 'uint16(0) == 0x457f and filesize > 1')
    const rest = Array.from({ length: 200 }, (_, i) => rule(`r${i + 1}`, `r${i} and r${i} and $a`))
    expect(wantedOf(first + rest.join(''), space('\x7fE'))).toHaveLength(201)
  })

  it('leave behind what the others are evaluated by', () => {
    const ruleSet = compileRules([{ source: rule('no', 'filesize < 1KB and $a') + rule('yes', '$a at 2') }])
    const light = withoutRest(ruleSet, Uint8Array.of(0, 1))
    expect(light.rules.map(({ name, strings }) => [name, strings.length])).toEqual([
      ['no', 0],
      ['yes', 2],
    ])
    expect(light.strings).toBe(4)
  })
})
