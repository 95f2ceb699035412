import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCli } from './run-cli.js'

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

  it('refuses what it does not know, in one line', async () => {
    const { code, stderr } = await runCli('rules', 'chek', folder)
    expect(stderr).toMatch(/^vmsift: unknown action "chek"; write: vmsift rules check .*\n$/)
    expect(code).toBe(2)
    const wrong = await runCli('rules', 'check', folder, '--define', '3=4')
    expect(wrong.stderr).toMatch(/^vmsift: --define 3=4: give a name and a value.*\n$/)
    expect(wrong.code).toBe(2)
  })
})
