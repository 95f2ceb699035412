import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseLines, runCli, startCli } from './run-cli.js'

describe('vmsift rules check', () => {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'vmsift-rules-'))
    const good = 'rule good { strings: $a = "needle" $b = { 00 00 } condition: $a and $b and hour == 12 }'
    writeFileSync(join(folder, 'good.yar'), good)
    writeFileSync(
      join(folder, 'bad.yar'),
      'rule bad {\n  condition: "\x1b[31m" == 3\n}\nrule worse { condition: x }',
    )
    writeFileSync(join(folder, 'file.yar'), 'import "pe" rule file { condition: pe.is_pe }')
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('shows each error with its line and a caret, and ends with 2', async () => {
    const path = join(folder, 'bad.yar')
    const { code, stdout, stderr } = await runCli('rules', 'check', path)
    expect(stderr).toBe('')
    expect(stdout).toBe(
      [
        `${path}:2:14: type mismatch: text == integer`,
        '  2 |   condition: "\ufffd[31m" == 3',
        '    |              ^^^^^^^^^^^^',
        `${path}:4:25: undefined identifier "x"`,
        '  4 | rule worse { condition: x }',
        '    |                         ^',
        '0 rules, 0 strings, 2 errors',
        '',
      ].join('\n'),
    )
    expect(code).toBe(2)
  })

  it('tells slow strings and what is left to YARA-X, one object a line, and ends with 0', async () => {
    const files = [join(folder, 'good.yar'), join(folder, 'file.yar')]
    const { code, stdout } = await runCli('rules', 'check', ...files, '--define', 'hour=12', '--json')
    const lines = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(lines).toEqual([
      expect.objectContaining({ type: 'foreign', rule: 'file', path: files[1], line: 1, column: 18 }),
      expect.objectContaining({
        type: 'slow',
        rule: 'good',
        string: '$b',
        path: files[0],
        line: 1,
        column: 36,
      }),
      { type: 'summary', rules: 2, strings: 2, errors: 0, warnings: 0, slow: 1, foreign: 1 },
    ])
    expect(code).toBe(0)
  })

  it('names every rule that is no more exact than one that it refers to, and those that can hold nowhere', async () => {
    const path = join(folder, 'chain.yar')
    writeFileSync(
      path,
      'import "pe" rule p { strings: $a = "needle" condition: $a and pe.is_pe } rule q { condition: p }\nrule r { condition: not q } rule s { condition: pe.is_pe } rule t { condition: true }',
    )
    const { code, stdout } = await runCli('rules', 'check', path)
    expect(stdout.split('\n')).toEqual([
      `${path}:1:18: p is left to YARA-X: module pe`,
      `${path}:2:34: s counts as not holding: it needs module pe, and has no string that says where a file may be`,
      `${path}:1:79: q is no more exact than p, which it refers to`,
      `${path}:2:6: r is no more exact than q, which it refers to`,
      '5 rules, 1 string, 0 errors',
      '',
    ])
    expect(code).toBe(0)
  })

  it('refuses what it does not know, in one line', async () => {
    const { code, stderr } = await runCli('rules', 'chek', folder)
    expect(stderr).toMatch(/^vmsift: unknown action "chek"; write: vmsift rules check .*\n$/)
    expect(code).toBe(2)
    const wrong = await runCli('rules', 'check', folder, '--define', '3=4')
    expect(wrong.stderr).toMatch(/^vmsift: --define 3=4: give a name and a value.*\n$/)
    expect(wrong.code).toBe(2)
  })
})

describe('rule files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vmsift-rules-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const file = (name: string, content: string | Uint8Array): string => {
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }

  it('are checked together, and each error names its own, of includes too', async () => {
    mkdirSync(join(folder, 'set'))
    const one = file('set/one.yar', 'include "part.inc"\nrule one { condition: true and\n\tunknown }')
    file('set/part.inc', 'rule part { strings: $é = "a" condition: $é }')
    file('set/two.yara', 'rule two { condition: true }\ninclude "three.inc"\n')
    const three = file('set/three.inc', 'rule three { condition: true }\n\n  include "two.yara"')
    const { code, stdout, stderr } = await runCli('rules', 'check', join(folder, 'set'), '--json')
    const lines = parseLines(stdout)
    expect(stderr).toBe('')
    const errors = lines.filter(({ type }) => type === 'error')
    const part = join(folder, 'set/part.inc')
    expect(errors).toEqual([
      {
        type: 'error',
        message: `${part}:1:23: syntax error: unexpected non-ASCII character "é", expected "="`,
        path: part,
        line: 1,
        column: 23,
        excerpt: `1 | rule part { strings: $é = "a" condition: $é }\n  | ${' '.repeat(22)}^`,
      },
      {
        type: 'error',
        message: `${three}:3:3: include "two.yara" includes itself`,
        path: three,
        line: 3,
        column: 3,
        excerpt: `3 |   include "two.yara"\n  |   ${'^'.repeat(18)}`,
      },
      {
        type: 'error',
        message: `${one}:3:2: undefined identifier "unknown"`,
        path: one,
        line: 3,
        column: 2,
        excerpt: `3 |  unknown }\n  |  ${'^'.repeat(7)}`,
      },
    ])
    expect(lines.at(-1)).toEqual({
      type: 'summary',
      rules: 2,
      strings: 0,
      errors: 3,
      warnings: 0,
      slow: 0,
      foreign: 0,
    })
    expect(code).toBe(2)
  })

  it('that are hostile end in an error each, in one run', async () => {
    const paths = [
      file(
        'garbage.yar',
        Uint8Array.from({ length: 100_000 }, (_, i) => (i * 167 + 1) % 256),
      ),
      file('parentheses.yar', `rule a { condition: ${'('.repeat(100_000)}true${')'.repeat(100_000)} }`),
      file('jump.yar', 'rule b { strings: $a = { 61 [2147483648] 62 } condition: $a }'),
      file(
        'many.yar',
        `rule c { strings: ${Array.from({ length: 100_000 }, (_, i) => `$s${i} = "text ${i}"`).join('\n')} condition: any of them }`,
      ),
      file('endless.yar', `rule d { condition: ${'x'.repeat(1_000_000)} }`),
      file('empty.yar', ''),
      file('zeros.yar', new Uint8Array(1000)),
    ]
    const { code, stdout, stderr } = await runCli('rules', 'check', ...paths)
    expect(stderr).toBe('')
    const told = stdout.split('\n').filter(line => line.startsWith(folder))
    expect(told.map(line => line.slice(folder.length + 1, folder.length + 90))).toEqual([
      expect.stringMatching(/^garbage.yar:1:1: syntax error: unexpected byte 1/),
      expect.stringMatching(/^parentheses.yar:1:\d+: parentheses are nested too deep/),
      expect.stringMatching(/^zeros.yar:1:1: syntax error: unexpected byte 0/),
      expect.stringMatching(/^jump.yar:1:30: jump is too long: at most 2147483647/),
      expect.stringMatching(/^many.yar:1:6: rule has too many strings: at most 10000/),
      expect.stringMatching(/^endless.yar:1:21: undefined identifier "xxx/),
    ])
    expect(stdout).toMatch(/\n0 rules, 0 strings, 6 errors\n$/)
    expect(code).toBe(2)
  })

  it.each([
    ['that are not there', 'none.yar', /cannot read the rule file .*none.yar: .*no such file/],
    ['in a folder without any', '.', /holds no .yar or .yara file/],
  ])('%s are an error', async (_, name, message) => {
    const empty = mkdtempSync(join(folder, 'empty-'))
    const { code, stdout, stderr } = await runCli('rules', 'check', join(empty, name))
    expect(stderr).toMatch(/^vmsift: [^\n]+\n$/)
    expect(stderr).toMatch(message)
    expect(stdout).toBe('')
    expect(code).toBe(2)
  })
})

describe('vmsift scan with rules', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vmsift-rules-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const image = join(folder, 'image.raw')
  writeFileSync(image, Buffer.alloc(8192, '.').fill('needle', 5000, 5006).fill('xyz!', 100, 104))
  const scan = (text: string | Uint8Array, ...words: string[]) => {
    writeFileSync(join(folder, 'rules.yar'), text)
    const options = ['--input-format', 'raw', '--json', '--sort', '--yara', join(folder, 'rules.yar')]
    return runCli('scan', image, ...options, ...words)
  }

  it('prints matches and rules with the fields of its contract', async () => {
    const rule = `rule found : one two {
      meta: text = "a\\"b" number = -5 flag = true
      strings: $n = "needle" $hidden = "xyz" private $_none = /zz[a-c]+/ $l = /x.{1,3}/
      condition: any of them and v_int == 12 and v_float > 1.2 and v_bool and v_text == "a b" }
      private rule helper { condition: true }
      rule other { strings: $a = "needle" condition: helper and #a == 2 }
      rule plain { condition: found }`
    const externals = ['v_int=12', 'v_float=1.25', 'v_bool=true', 'v_text=a b', 'unused=1']
    const defined = externals.flatMap(one => ['--define', one])
    const { code, stdout, stderr } = await scan(rule, '--base', '0x1000', '--context', '2', ...defined)
    expect(stderr).toBe('')
    const common = { type: 'match', scanner: 'yara', namespace: 'default', rule: 'found' }
    expect(parseLines(stdout)).toEqual([
      {
        type: 'rule',
        rule: 'found',
        namespace: 'default',
        tags: ['one', 'two'],
        meta: { text: 'a"b', number: -5, flag: true },
      },
      { type: 'rule', rule: 'plain', namespace: 'default', tags: [], meta: {} },
      { ...common, pattern: '$l', pa: '0x1064', length: 4, data: '78797a21', context: '2e2e78797a212e2e' },
      {
        ...common,
        pattern: '$n',
        pa: '0x2388',
        length: 6,
        data: Buffer.from('needle').toString('hex'),
        context: Buffer.from('..needle..').toString('hex'),
      },
      expect.objectContaining({ type: 'summary', matches: 2, rules: 2, complete: true }),
    ])
    expect(code).toBe(0)
  })

  it('takes rules in other encodings than UTF-8', async () => {
    const text =
      'rule r { meta: by = "Andr\xe9" strings: $a = "xyz!" $b = "caf\xe9" condition: $a and not $b }'
    const { code, stdout } = await scan(Buffer.from(text, 'latin1'))
    const [rule, match] = parseLines(stdout)
    expect(match).toMatchObject({ pattern: '$a', pa: '0x64' })
    expect(rule).toMatchObject({ type: 'rule', meta: { by: 'Andr\ufffd' } })
    expect(code).toBe(0)
  })

  it('ends at once on Ctrl-C, within a rule that takes long too', async () => {
    const long = join(folder, 'long.yar')
    // each takes some seconds
    const rules = Array.from(
      { length: 8 },
      (_, n) =>
        `rule long${n} { condition: for all i in (${n}..16000000) : ( i >= 0 and not (for any j in (0..i) : ( j < 0 )) ) }`,
    )
    writeFileSync(long, `rule first { condition: true } ${rules.join(' ')}`)
    const { child, result } = startCli(['scan', image, '--input-format', 'raw', '--yara', long, '--json'])
    let killed = 0
    setTimeout(() => {
      killed = Date.now()
      child.kill('SIGINT')
    }, 3000)
    const { code, stdout, stderr } = await result
    expect({ code, stderr }).toEqual({
      code: 130,
      stderr: expect.stringMatching(
        /the scan was ended (while rules were evaluated|before all of it was searched)/,
      ),
    })
    expect(parseLines(stdout).at(-1)).toMatchObject({ type: 'summary', complete: false })
    expect(Date.now() - killed).toBeLessThan(4000)
  })

  it('says that there is no rule, and where a comment has no end', async () => {
    const { code, stderr } = await scan('import "math" // nothing else')
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'vmsift: the rule files hold no rule: nothing was looked for on their behalf\n',
    })
    const open = await scan('rule r {\n strings: $a = { 61 /* 62 }\n condition: $a }')
    expect({ code: open.code, stderr: open.stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/rules.yar:2:21: this comment has no end: write \*\/ behind it\n/),
    })
  })

  it('ends with 1 where no rule holds', async () => {
    const { code, stdout, stderr } = await scan('rule r { strings: $a = "needle" condition: #a > 1 }')
    expect(parseLines(stdout)).toEqual([expect.objectContaining({ type: 'summary', matches: 0, rules: 0 })])
    expect(stderr).toBe('')
    expect(code).toBe(1)
  })

  it.each([
    ['x == 1', ['--define', 'x=abc'], /rules.yar:1:23: type mismatch: text == integer/],
    ['x == 1', [], /rules.yar:1:23: undefined identifier "x"/],
    ['x == 1', ['--define', 'x=1', '--define', 'x=2'], /--define x=2: "x" is defined already/],
  ])('refuses the condition %s with %j, in one line', async (condition, words, message) => {
    const { code, stdout, stderr } = await scan(`rule r { condition:   ${condition} }`, ...words)
    expect(stderr).toMatch(/^vmsift: [^\n]+\n$/)
    expect(stderr).toMatch(message)
    expect(stdout).toBe('')
    expect(code).toBe(2)
  })
})
