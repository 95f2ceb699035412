import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { limeImage, memoryWith, TestFolder } from './images.js'
import { parseLines, runCli, runShell, startCli } from './run-cli.js'

const folder = new TestFolder()
afterAll(() => folder[Symbol.dispose]())

const BYTES = memoryWith(256 * 1024, {
  100: 'needle',
  8190: 'needle',
  12288: 'NEEDLE',
  16384: Buffer.from('needle', 'utf16le'),
  20480: 'user@example.org',
  24576: '\x1b]0;pwned\x07needle',
})
const IMAGE = folder.file('image.raw', BYTES)
const MANY = folder.file('many.raw', Buffer.alloc(1 << 20, 'a'))

async function scanJson(...words: string[]) {
  const result = await runCli('scan', ...words, '--json')
  const lines = parseLines(result.stdout)
  const matches = lines.filter(line => line.type === 'match')
  return { ...result, lines, matches, summary: lines.at(-1) ?? {} }
}

const places = (matches: readonly Record<string, unknown>[]) => matches.map(match => match.pa)

describe('scan --json', () => {
  it('prints each match with the fields of the contract, and the summary last', async () => {
    const { code, stderr, matches, summary } = await scanJson(IMAGE, '--text', 'needle', '--sort')
    expect(matches[0]).toEqual({
      type: 'match',
      scanner: 'text',
      rule: 'needle',
      pa: '0x64',
      length: 6,
      data: '6e6565646c65',
    })
    expect(places(matches)).toEqual(['0x64', '0x1ffe', '0x600a'])
    expect(summary).toMatchObject({
      type: 'summary',
      target: IMAGE,
      bytesTotal: BYTES.length,
      bytesScanned: BYTES.length,
      bytesUnread: 0,
      bytesFailed: 0,
      matches: 3,
      rules: 0,
      complete: true,
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      startTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      matcher: expect.stringMatching(/^(vectorscan|embedded)/),
    })
    expect(summary.seconds).toBeTypeOf('number')
    expect(summary.jobs).toBeTypeOf('number')
    expect(summary).not.toHaveProperty('sha256')
    expect(stderr).not.toMatch(/\n\s+at /)
    expect(code).toBe(0)
  })

  it('applies --utf16 and --ignore-case to all text patterns', async () => {
    const { matches } = await scanJson(IMAGE, '--text', 'needle', '--utf16', '--ignore-case', '--sort')
    expect(places(matches)).toEqual(['0x64', '0x1ffe', '0x3000', '0x4000', '0x600a'])
    expect(matches[3]).toMatchObject({ length: 12, rule: 'needle' })
  })

  it('mixes kinds of patterns in one pass', async () => {
    const list = folder.file('list.txt', 'example\r\n\r\nNEEDLE\n')
    const { matches, summary } = await scanJson(
      IMAGE,
      ...['--bytes', '6e 65 ?5 64 6c 6?', '--regex', '[a-z]+@[a-z]+\\.org', '--patterns', list],
    )
    const kinds = new Set(matches.map(match => `${match.scanner} ${match.rule}`))
    expect([...kinds].sort()).toEqual([
      'bytes 6e 65 ?5 64 6c 6?',
      'regex [a-z]+@[a-z]+\\.org',
      'text NEEDLE',
      'text example',
    ])
    expect(summary.matches).toBe(matches.length)
  })

  it('keeps to --range', async () => {
    const { matches, summary } = await scanJson(IMAGE, '--text', 'needle', '--range', '4K-0x3000')
    expect(places(matches)).toEqual(['0x1ffe'])
    expect(summary.bytesTotal).toBe(0x2000)
  })

  it('gives the bytes around a match with --context', async () => {
    const { matches } = await scanJson(IMAGE, '--text', 'needle', '--range', '0-4K', '--context', '8')
    expect(matches[0]?.context).toBe(BYTES.subarray(0x64 - 8, 0x64 + 14).toString('hex'))
  })

  it('stops after --limit matches with exit code 0', async () => {
    const { code, matches, summary } = await scanJson(MANY, '--text', 'a', '--limit', '10')
    expect(matches).toHaveLength(10)
    expect(summary).toMatchObject({ matches: 10, complete: false })
    expect(code).toBe(0)
  })

  it('exits with 1 when nothing was found', async () => {
    const { code, lines } = await scanJson(IMAGE, '--text', 'absent')
    expect(lines).toHaveLength(1)
    expect(code).toBe(1)
  })

  it("gives the image's SHA-256 with --hash", async () => {
    const { summary } = await scanJson(IMAGE, '--text', 'needle', '--hash')
    expect(summary.sha256).toBe(createHash('sha256').update(BYTES).digest('hex'))
  })

  it('streams a million matches', async () => {
    const { stdout, code } = await runShell('"$@" | wc -l', 'scan', MANY, '--text', 'a', '--json')
    expect(Number(stdout)).toBe((1 << 20) + 1)
    expect(code).toBe(0)
  })

  it('prints YARA matches and the rules that hold', async () => {
    mkdirSync(folder.at('rules/sub'), { recursive: true })
    folder.file('rules/sub/one.yar', 'rule found : tag { meta: n = 1 strings: $a = "needle" condition: $a }')
    folder.file('rules/two.yara', 'rule absent { strings: $a = "nowhere" condition: $a }')
    const { code, lines, matches, summary } = await scanJson(IMAGE, '--yara', folder.at('rules'), '--sort')
    expect(matches[0]).toEqual({
      type: 'match',
      scanner: 'yara',
      namespace: 'sub/one',
      rule: 'found',
      pattern: '$a',
      pa: '0x64',
      length: 6,
      data: '6e6565646c65',
    })
    const rules = lines.filter(line => line.type === 'rule')
    expect(rules).toEqual([
      { type: 'rule', rule: 'found', namespace: 'sub/one', tags: ['tag'], meta: { n: 1 } },
    ])
    expect(summary).toMatchObject({ matches: 3, rules: 1 })
    expect(summary).not.toHaveProperty('limitedStrings')
    expect(code).toBe(0)
  })

  it('finds the rules of every folder, behind links too, each file in a namespace of its own', async () => {
    const rule = 'rule same { strings: $a = "needle" condition: $a }'
    for (const name of ['one/sub', 'two/sub', 'elsewhere', 'one/folder.yar'])
      mkdirSync(folder.at(`sets/${name}`), { recursive: true })
    for (const name of ['one/sub/a.yar', 'one/sub/a.yara', 'two/sub/a.yar', 'elsewhere/b.yar'])
      folder.file(`sets/${name}`, rule)
    symlinkSync('../../elsewhere', folder.at('sets/one/sub/link'))
    symlinkSync('..', folder.at('sets/one/sub/loop'))
    const { code, lines } = await scanJson(
      IMAGE,
      '--yara',
      folder.at('sets/one'),
      '--yara',
      folder.at('sets/two'),
    )
    expect(lines.filter(line => line.type === 'rule').map(line => line.namespace)).toEqual([
      'sub/a',
      'sub/a~2',
      'sub/link/b',
      'sub/a~3',
    ])
    expect(code).toBe(0)
  })

  it('names strings of which not every match was kept, in the summary of either kind', async () => {
    const slow = folder.file(
      'slow.yar',
      'rule slow { strings: $a = /a((a{1,20}){1,20}){1,20}b/ $b = "aab" condition: any of them }',
    )
    const image = folder.file('slow.raw', Buffer.alloc(20_000, 'a'))
    expect((await scanJson(image, '--yara', slow)).summary).toMatchObject({ limitedStrings: ['slow:$a'] })
    const { stdout } = await runCli('scan', image, '--yara', slow)
    expect(stdout).toContain('Not every match was kept of slow:$a: their rules may be judged wrongly.\n')
  })
})

describe('scan for a person', () => {
  it('prints a table, never a raw control character of the guest', async () => {
    const { code, stdout } = await runCli(
      'scan',
      IMAGE,
      '--regex',
      '\\x1b\\]0;[a-z]+\\x07needle',
      '--context',
      '4',
    )
    expect(stdout).toMatch(/^ADDRESS +LENGTH +PATTERN +DATA\n0x00006000 +16 .*\\x1b\]0;pwned\\x07needle\n/)
    expect(stdout).toMatch(/1 match\n/)
    expect(stdout).not.toMatch(/[^\n\x20-\x7e\u2500-\u257f…]/)
    expect(code).toBe(0)
  })

  it('writes results to --output and only a line to stderr', async () => {
    const path = folder.at('found.ndjson')
    const { code, stdout } = await runCli('scan', IMAGE, '--text', 'needle', '--json', '--output', path)
    expect(stdout).toBe('')
    expect(parseLines(readFileSync(path, 'utf8')).at(-1)).toMatchObject({ type: 'summary', matches: 3 })
    expect(code).toBe(0)
  })

  it('prints nothing on stderr with --quiet', async () => {
    const { stderr } = await runCli('scan', IMAGE, '--text', 'needle', '--quiet', '--progress')
    expect(stderr).toBe('')
  })
})

describe('scans that end early', () => {
  it('ends silently with 0 when the reader closes stdout', async () => {
    const { stdout, stderr } = await runShell(
      '"$@" | head -1; echo $PIPESTATUS',
      'scan',
      MANY,
      '--text',
      'a',
      '--json',
    )
    expect(stdout).toMatch(/^\{"type":"match".*\}\n0\n$/)
    expect(stderr).not.toMatch(/EPIPE|Error/)
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('prints what was found and the summary on %s, exit code %i', async (signal, expected) => {
    const { child, result } = startCli(['scan', MANY, '--text', 'a', '--json'])
    // Unread, the scan waits: it can't be over before the signal comes.
    await new Promise<void>(resolve => {
      child.stdout?.once('data', () => {
        child.stdout?.pause()
        resolve()
      })
    })
    child.kill(signal)
    setTimeout(() => child.stdout?.resume(), 200)
    const { code, stdout } = await result
    const lines = parseLines(stdout)
    expect(lines.at(-1)).toMatchObject({ type: 'summary', complete: false })
    expect(lines.filter(line => line.type === 'match')).toHaveLength(lines.at(-1)?.matches as number)
    expect(code).toBe(expected)
  })

  it('tells progress in plain lines where stderr is no terminal', async () => {
    const long = folder.file('long.raw', Buffer.alloc(64 << 20, 'a'))
    const words = ['scan', long, '--text', 'a', '--progress', '--output', '/dev/null']
    const { child, result } = startCli(words)
    await new Promise(resolve => child.stderr?.once('data', resolve))
    child.kill('SIGINT')
    expect((await result).stderr).toMatch(/^vmsift: \d+% [\d.]+ \w+ of 64\.0 MiB, [\d.]+ .B\/s/)
  })
})

describe('info', () => {
  it('prints one object with the fields of the contract', async () => {
    const page = memoryWith(4096)
    const path = folder.file(
      'two.lime',
      limeImage({ gpa: 0x1000, bytes: page }, { gpa: 0x4000, bytes: page }),
    )
    const { code, stdout } = await runCli('info', path, '--json')
    expect(JSON.parse(stdout)).toEqual({
      target: path,
      format: 'lime',
      live: false,
      writable: false,
      architecture: null,
      bytes: 8192,
      maxAddress: '0x4fff',
      runs: [
        { pa: '0x1000', length: 4096 },
        { pa: '0x4000', length: 4096 },
      ],
      vcpus: null,
      os: null,
      matcher: expect.stringMatching(/^(vectorscan|embedded)/),
    })
    expect(code).toBe(0)
  })

  it('places a raw file at --base', async () => {
    const { stdout } = await runCli('info', IMAGE, '--base', '0x40000000', '--json')
    expect(JSON.parse(stdout).runs).toEqual([{ pa: '0x40000000', length: BYTES.length }])
  })

  it('prints a table for a person', async () => {
    const { stdout } = await runCli('info', IMAGE)
    expect(stdout).toMatch(/format +│ raw/)
    expect(stdout).toMatch(/0x0 - 0x40000 +256 KiB/)
  })
})

describe('help', () => {
  it.each(['info', 'scan', 'read', 'dump'])('explains %s with examples', async name => {
    const { code, stdout, stderr } = await runCli(name, '--help')
    expect(stdout).toMatch(new RegExp(`Usage: vmsift ${name}`))
    expect(stdout).toMatch(new RegExp(`Examples:\\n {2}vmsift ${name} `))
    expect(stderr).toBe('')
    expect(code).toBe(0)
  })

  it('tells targets, exit codes and the version', async () => {
    const { stdout } = await runCli('--help')
    expect(stdout).toMatch(/Targets:.*Exit codes:.*130/s)
    expect((await runCli('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
    expect((await runCli('help', 'read')).stdout).toMatch(/--length/)
  })
})
