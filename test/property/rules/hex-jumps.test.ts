/** Hex strings with several jumps, and chains of them, against the `yara` program: which matches it tells, and how long they are, depends on its lists. */
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { compileStrings } from '../../../src/patterns/compile-strings.js'
import { compileRules } from '../../../src/rules/compile.js'
import { Gathered } from '../../../src/rules/search/gather.js'
import { scanInWindows } from '../../helpers/rule-windows.js'
import { YaraProgram, yaraVersionHere } from '../../helpers/yara-program.js'

const LETTERS = [0x61, 0x62, 0x63, 0x78]
const byte = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom('61', '62', '63', '78') },
  { weight: 1, arbitrary: fc.constantFrom('6?', '?1', '??') },
)
const row = fc.array(byte, { minLength: 1, maxLength: 4 }).map(bytes => bytes.join(' '))
const near = fc.constantFrom('[0-3]', '[2]', '[1-5]', '[1]', '[1-1]', '[1-4]', '[3-9]', '[0-20]', '[10-150]')
const far = fc.oneof(
  fc
    .tuple(fc.constantFrom(0, 1, 5, 190, 199, 200, 201), fc.constantFrom(201, 202, 205, 210, 250))
    .map(([min, max]) => `[${min}-${max}]`),
  fc.constantFrom('[-]', '[5-]', '[201-]', '[201]'),
)
/** Rows with short jumps in between. */
const rows = fc
  .tuple(row, fc.array(fc.tuple(near, row), { maxLength: 3 }))
  .map(([first, more]) => [first, ...more.flat()].join(' '))
/** What stands behind one long jump, or two in a row; the first link may have short ones. */
const last = fc
  .tuple(far, fc.option(fc.oneof(near, far), { nil: '', freq: 1 }), row)
  .map(parts => parts.join(' '))
const middle = fc.array(fc.tuple(far, row), { maxLength: 2 }).map(parts => parts.flat().join(' '))
const chain = fc.tuple(rows, middle, last).map(parts => parts.join(' '))

/** Letters, dense or far between, among bytes that no string asks for. */
const data = fc
  .tuple(fc.constantFrom(2, 10, 50, 100), fc.array(fc.nat(99), { minLength: 300, maxLength: 2000 }))
  .map(([share, bytes]) =>
    Uint8Array.from(bytes, (value, at) =>
      value < share ? (LETTERS[(value * 7 + at * 3 + (at >> 3)) % 4] as number) : 0x2e,
    ),
  )

const version = yaraVersionHere()
const title = `hex strings with jumps match as for yara${version?.startsWith('4.2.') ? '' : ' (skipped: yara 4.2 is not installed)'}`

describe.skipIf(!version?.startsWith('4.2.'))(title, () => {
  const yara = new YaraProgram()
  afterAll(() => yara[Symbol.dispose]())

  const check = (strings: readonly string[], bytes: Uint8Array, block: number): void => {
    const source = strings
      .map((value, at) => `rule r${at} { strings: $a = { ${value} } condition: $a }`)
      .join('\n')
    const { error, matches } = yara.scan(source, bytes)
    // too many matches of one string, or its lists run over
    if (error !== undefined) return
    const { rules } = compileRules([{ source }])
    const tables = compileStrings(
      rules.flatMap(rule => rule.strings),
      'embedded',
    )
    const gathered = new Gathered(tables)
    const ends = Array.from({ length: Math.ceil(bytes.length / block) }, (_, i) =>
      Math.min(bytes.length, (i + 1) * block),
    )
    const read = (from: number, to: number): Uint8Array => bytes.slice(from, to)
    scanInWindows(tables, bytes.length, read, ends, (part, offset, length) =>
      gathered.add(part, offset, length),
    )
    const found = gathered.finish(() => bytes.length)
    for (const { name, strings: own } of rules) {
      const columns = found.get(own[0]?.id ?? -1)
      const told = Array.from(
        { length: columns?.count ?? 0 },
        (_, i) =>
          `${name} $a 0x${columns?.offsetAt(i).toString(16)} ${Math.min(512, columns?.lengthAt(i) ?? 0)}`,
      )
      const wanted = matches.filter(match => match.startsWith(`${name} `))
      expect(told.sort(), strings[Number(name.slice(1))]).toEqual(wanted)
    }
  }
  const strings = (one: fc.Arbitrary<string>): fc.Arbitrary<string[]> =>
    fc.array(one, { minLength: 8, maxLength: 24 })
  // each step of a case that is made smaller starts the program
  const bounds = { numRuns: Number(process.env.VMSIFT_RULE_CASES ?? 25), interruptAfterTimeLimit: 60_000 }

  it.each([
    [
      '61 62 63 [0-300] [0-300] 78 61',
      [...'abc'.repeat(3), '.'.repeat(298), ...'xa', '.'.repeat(90), ...'xa'],
    ],
    [
      '61 62 63 [0-300] ?? [0-200] 78 61',
      [...'abc'.repeat(3), '.'.repeat(297), ...'xa', '.'.repeat(290), ...'xa'],
    ],
    ['61 62 63 [5-300] [7-] 78 61', [...'abc'.repeat(3), '.'.repeat(310), ...'xa']],
    ['61 62 63 [5-300] [7-] 78 61', [...'abc'.repeat(3), '.'.repeat(7), ...'xa']],
    ['?1 [1-4] 6? [1-4] 63', [...'x\x01a\x02a\x02c\x02`\x02c\x02a']],
    ['78 62 [0-20] 62 [1-5] 61', [...'xbbcbxabbcabxbcca']],
    ['61 [1-1] 62 63', [...'a.bc aabc a..bc']],
  ])('%s', (value, text) => {
    check([value], Buffer.from(text.join(''), 'latin1'), 7)
  })

  it('with several short jumps', () => {
    fc.assert(fc.property(strings(rows), data, fc.integer({ min: 1, max: 900 }), check), bounds)
  })

  it('in chains, two long jumps side by side at their end', () => {
    fc.assert(fc.property(strings(chain), data, fc.integer({ min: 1, max: 900 }), check), bounds)
  })
})
