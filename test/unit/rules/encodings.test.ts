/** Rule files in other encodings than UTF-8: YARA takes the bytes as they stand, and so do we. */
import { afterAll, describe, expect, it } from 'vitest'
import { checkRules, compileRules } from '../../../src/rules/compile.js'
import { YaraProgram, yaraVersionHere } from '../../helpers/yara-program.js'
import { answerOf } from '../../reference/yara/evaluate.js'

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')
const problemsOf = (source: Uint8Array) =>
  checkRules([{ source, path: 'r.yar' }]).problems.map(({ message }) => message)

const DATA = Buffer.concat([latin1('.. caf\xe9 CAF\xe9 c\0a\0f\0\xe9\0 '), Buffer.from('café \x8a\x40')])
/** Definitions with bytes that are no UTF-8, and those that are. */
const DEFINITIONS: readonly (readonly [Buffer, readonly string[]])[] = [
  [latin1('"caf\xe9"'), ['0x3 4']],
  [latin1('"caf\xe9" nocase'), ['0x3 4', '0x8 4']],
  [latin1('"caf\xe9" wide'), ['0xd 8']],
  [latin1('/caf\xe9/'), ['0x3 4']],
  [latin1('/CAF\xe9/i'), ['0x3 4', '0x8 4']],
  [Buffer.from('"café"'), ['0x16 5']],
  [Buffer.from('/caf.é/'), []],
  [latin1('{ 63 // caf\xe9\n 61 66 E9 }'), ['0x3 4']],
  [latin1('"\x8a@"'), ['0x1d 2']],
]

describe('a rule file with bytes that are no UTF-8', () => {
  const version = yaraVersionHere()
  const yara = version?.startsWith('4.2.') === true ? new YaraProgram() : undefined
  afterAll(() => yara?.[Symbol.dispose]())

  it.each(DEFINITIONS)(
    `looks for its bytes as they stand${yara === undefined ? '' : ', as yara does'}: %s`,
    (definition, places) => {
      const source = Buffer.concat([
        latin1('rule r { strings: $s = '),
        definition,
        latin1(' condition: $s }'),
      ])
      const wanted = places.map(place => `r $s ${place}`)
      expect(answerOf(compileRules([{ source }]), DATA).matches).toEqual(wanted)
      if (yara !== undefined) expect(yara.scan(source, DATA).matches).toEqual(wanted)
    },
  )

  it('has columns and carets by characters all the same', () => {
    const source = latin1('rule a { meta: by = "Andr\xe9\xe9" condition: x }')
    const [problem] = checkRules([{ source, path: 'r.yar' }]).problems
    expect(problem?.message).toBe('r.yar:1:41: undefined identifier "x"')
    const [shown, carets] = problem!.excerpt.split('\n')
    expect(shown?.[carets!.indexOf('^')]).toBe('x')
    const utf8 = Buffer.from('rule a { meta: by = "Andréé" condition: x }')
    expect(problemsOf(utf8)).toEqual(['r.yar:1:41: undefined identifier "x"'])
  })

  it('may end its lines with CR and LF', () => {
    expect(problemsOf(latin1('rule a {\r\n  condition:\r\n    x\r\n}\r\n'))).toEqual([
      'r.yar:3:5: undefined identifier "x"',
    ])
  })

  it('may begin with the mark of UTF-8, which yara refuses', () => {
    expect(problemsOf(Buffer.from('\ufeffrule a { condition: true }'))).toEqual([])
  })

  it.each([
    ['with a mark', Buffer.from('\ufeffrule a { condition: true }', 'utf16le')],
    ['without one', Buffer.from('rule a { condition: true }', 'utf16le')],
    [
      'with its bytes the other way round',
      Buffer.from('\ufeffrule a { condition: true }', 'utf16le').swap16(),
    ],
  ])('is told to be UTF-16 where it is, %s', (_, source) => {
    expect(problemsOf(source)).toEqual(['r.yar:1:1: this is UTF-16: save the rules as UTF-8'])
  })
})
