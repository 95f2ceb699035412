/** What rules do at the edges of what there is: a million matches, modules about files, images with holes and a base. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { openTarget } from '../../../src/coordinator/target.js'
import { type ScanEvent, scanIterable } from '../../../src/index.js'
import { scanRules } from '../../helpers/rule-scan.js'
import { outcomeOf } from '../../helpers/scan-events.js'
import { YaraProgram, yaraVersionHere } from '../../helpers/yara-program.js'
import { writeLime } from '../../images/lime.js'

const folder = mkdtempSync(join(tmpdir(), 'vmsift-rule-limits-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const file = (name: string, bytes: Uint8Array): string => {
  writeFileSync(join(folder, name), bytes)
  return join(folder, name)
}
const rules = (source: string) => [{ kind: 'yara' as const, source }]

describe('a string that matches everywhere', () => {
  const SOURCE = [
    'rule many { strings: $a = "a" private $b = "b" condition: #a >= 1000000 and $b }',
    'rule exact { strings: $a = "a" private condition: #a == 1000000 and @a[1000000] == 999999 }',
  ].join('\n')
  const bytes = Buffer.alloc(1_200_000, 'a')
  bytes[1_100_000] = 0x62
  const image = file('many', bytes)

  it('has its first million matches, whoever finds them, and the summary names it', async () => {
    const tuning = { blockBytes: 65_536, partitionBytes: 131_072 }
    const ours = await scanRules(image, { patterns: rules(SOURCE), jobs: 3, tuning })
    expect(ours.rules).toEqual(['many', 'exact'])
    expect(ours.matches).toEqual(['many $b 0x10c8e0 1'])
    expect(ours.limited).toEqual(['many:$a', 'exact:$a'])
  })

  it.skipIf(yaraVersionHere() === undefined)(
    'is what yara says, too (skipped where the program is not installed)',
    () => {
      using yara = new YaraProgram()
      const { rules: holding, matches } = yara.scan(SOURCE, bytes)
      expect(holding).toEqual(['many', 'exact'])
      expect(matches).toEqual(['many $b 0x10c8e0 1'])
    },
  )
})

describe('a rule about files', () => {
  const SOURCE = [
    'import "pe" import "elf"',
    'rule program { strings: $a = "\\x7fELF" condition: $a and elf.type == elf.ET_DYN }',
    'rule windows { strings: $a = "needle" condition: $a and pe.is_pe }',
    'rule uses { condition: program and not windows }',
    'rule plain { strings: $a = "needle" condition: $a }',
  ].join('\n')
  const elf = Buffer.alloc(64)
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  elf.writeUInt16LE(3, 16)
  elf.writeUInt16LE(62, 18)
  elf.writeUInt32LE(1, 20)
  elf.writeUInt16LE(64, 52)
  const image = file('program', Buffer.concat([elf, Buffer.from('....needle....')]))

  it('is evaluated by YARA-X where its strings are, others see what it said, and one line tells', async () => {
    const { rules: holding, hints } = await scanRules(image, { patterns: rules(SOURCE) })
    expect(holding).toEqual(['program', 'uses', 'plain'])
    expect(hints).toHaveLength(1)
    expect(hints[0]).toMatch(
      /^program, windows: modules like pe and elf .* evaluated by YARA-X .* no more exact is what refers to them: uses$/,
    )
  })

  it('that YARA-X refuses counts as not holding, and is told', async () => {
    const source = 'import "pe" rule odd { strings: $a = "needle" condition: $a and pe.no_such_field == 3 }'
    const { rules: holding, hints } = await scanRules(image, { patterns: rules(source) })
    expect(holding).toEqual([])
    expect(hints.at(-1)).toMatch(/^odd could not be evaluated: they count as not holding/)
  })
})

describe('YARA-X is asked', () => {
  const MIB = 2 ** 20
  const SOURCE =
    'import "pe" rule odd { strings: $a = "needle" $b = "thread" condition: $a and $b and pe.no_such_field == 3 }'

  it.each([
    ['where enough strings lie in one region', [17 * MIB, 31 * MIB], true],
    ['in no region that lacks one of them', [15 * MIB, 16 * MIB], false],
  ])('%s', async (_, [needle = 0, thread = 0], asked) => {
    const bytes = Buffer.alloc(32 * MIB)
    bytes.write('needle', needle)
    bytes.write('thread', thread)
    const { hints } = await scanRules(file('regions', bytes), { patterns: rules(SOURCE) })
    expect(hints.some(hint => /^odd could not be evaluated/.test(hint))).toBe(asked)
  })

  it('where a file begins, if a string must stand at its beginning', async () => {
    const bytes = Buffer.alloc(48 * MIB)
    bytes.write('MZ', 16 * MIB)
    const source = 'import "pe" rule odd { strings: $a = "MZ" condition: $a at 0 and pe.no_such_field == 3 }'
    const { hints } = await scanRules(file('files', bytes), { patterns: rules(source) })
    expect(hints.at(-1)).toMatch(/^odd could not be evaluated/)
  })
})

describe('what a person should know of rules', () => {
  const image = file('hints', Buffer.from('..needle..needle..'))
  const SOURCE = [
    'import "pe"',
    'rule about_files { strings: $a = "needle" condition: $a and not pe.is_pe }',
    'rule placeless { condition: pe.is_pe or not pe.is_pe }',
    'rule odd { strings: $a = "needle" condition: $a and pe.no_such_field == 3 }',
    'rule plain { strings: $a = "needle" condition: $a }',
  ].join('\n')
  const EXPECTED = [
    /^about_files, odd: modules like pe and elf .* evaluated by YARA-X/,
    /^placeless: .* no string says where one may be: they count as not holding/,
    /^odd could not be evaluated: they count as not holding/,
  ]

  it.each([undefined, 1])('is told, also where no more than %s matches are wanted', async limit => {
    const request = { patterns: rules(SOURCE), ...(limit !== undefined && { limit }) }
    const { hints, matches } = await scanRules(image, request)
    expect(matches).toHaveLength(limit ?? 4)
    expect(hints).toEqual(EXPECTED.map(text => expect.stringMatching(text)))
  })

  it('is the outermost matches only where that is asked for; conditions see them all', async () => {
    const nested = file('nested', Buffer.from('aaab..aa'))
    const source = 'rule o { strings: $a = /a+/ $b = "aaa" condition: #a == 5 and $b }'
    const { matches } = await scanRules(nested, { patterns: rules(source), outermost: true })
    expect(matches).toEqual(['o $a 0x0 3', 'o $a 0x6 2', 'o $b 0x0 3'])
  })

  it('is told of metadata, whatever its name, exactly, and each of several entries of one name', async () => {
    const source =
      'rule about { meta: __proto__ = "a" constructor = "b" big = 9007199254740993 least = -9223372036854775807 small = -3 ref = "one" ref = 2 ref = "one" condition: true }'
    using target = await openTarget(image, { format: 'raw' })
    const events: ScanEvent[] = []
    for await (const event of scanIterable(target, { patterns: rules(source) })) events.push(event)
    const meta = events.find(event => event.type === 'rule')?.meta ?? {}
    expect(Object.entries(meta)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
      ['big', '9007199254740993'],
      ['least', '-9223372036854775807'],
      ['small', -3],
      ['ref', ['one', 2, 'one']],
    ])
  })
})

describe('offsets of an image', () => {
  const FIRST = 0x10_0000
  const GAP = 0x3000
  const page = (text: string) => {
    const bytes = Buffer.alloc(0x1000, '.')
    bytes.write(text, 0)
    bytes.write('tail', 0xffc)
    return bytes
  }
  const image = file(
    'holes.lime',
    writeLime([
      { gpa: FIRST, bytes: page('head') },
      { gpa: FIRST + GAP, bytes: page('second') },
    ]),
  )

  async function holding(path: string, conditions: readonly string[], base?: number) {
    const source = conditions.map(
      (condition, i) =>
        `import "math" rule r${i} { strings: $a = "head" $b = "second" $c = "tail" condition: #a + #b + #c >= 0 and (${condition}) }`,
    )
    using target = await openTarget(path, base === undefined ? {} : { format: 'raw', base })
    const events: ScanEvent[] = []
    const patterns = rules(source.join('\n'))
    for await (const event of scanIterable(target, { patterns, tuning: { blockBytes: 100 } }))
      events.push(event)
    const held = events.filter(event => event.type === 'rule').map(({ rule }) => rule)
    return { wrong: conditions.filter((_, i) => !held.includes(`r${i}`)), ...outcomeOf(events) }
  }

  it('count from its lowest address; holes match nothing and hold no integers', async () => {
    const { wrong, matches } = await holding(image, [
      'filesize == 0x4000',
      '$a at 0',
      '$b at 0x3000',
      '$b in (0x2fff..0x3001)',
      '@c[1] == 0xffc and @c[2] == 0x3ffc and #c == 2',
      'uint8(0) == 0x68',
      'uint8(0x3000) == 0x73',
      'not defined uint8(0x1000)',
      'not defined uint8(0x2fff)',
      'not defined uint16(0xfff)',
      'not defined uint8(0x4000)',
      'uint32be(0xffc) == 0x7461696c',
      'math.mean(0, 2) > 0.0',
      'not defined math.mean(0x1800, 2)',
    ])
    expect(wrong).toEqual([])
    expect([...new Set(matches.map(({ gpa }) => gpa))].sort((a, b) => a - b)).toEqual([
      FIRST,
      FIRST + 0xffc,
      FIRST + GAP,
      FIRST + GAP + 0xffc,
    ])
  })

  it('are those of a raw file, whatever its base', async () => {
    const raw = file('raw', page('head'))
    const { wrong, matches } = await holding(
      raw,
      ['filesize == 0x1000', '$a at 0', '@c == 0xffc'],
      0x4000_0000,
    )
    expect(wrong).toEqual([])
    expect(matches.map(({ gpa }) => gpa).sort((a, b) => a - b)[0]).toBe(0x4000_0000)
  })
})

describe('an expression that is made to take for ever', () => {
  it.each([
    ['counts that multiply', '/a((a{1,20}){1,20}){1,20}b/'],
    ['more ways at once than libyara follows', '/a(a{1,9}b?){1,40}(a{1,9}b?){1,40}c/'],
  ])('is given up and named: %s', async (_, expression) => {
    const image = file('hostile', Buffer.alloc(20_000, 'a'))
    const source = `rule slow { strings: $a = ${expression} condition: $a } rule plain { strings: $a = "aaaa" private condition: $a }`
    const ours = await scanRules(image, { patterns: rules(source) })
    expect(ours.rules).toEqual(['plain'])
    expect(ours.limited).toEqual(['slow:$a'])
  })
})
