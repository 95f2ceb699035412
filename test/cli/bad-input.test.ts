import { chmodSync, linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import { limeImage, memoryWith, TestFolder } from './images.js'
import { runCli } from './run-cli.js'

const folder = new TestFolder()
afterAll(() => folder[Symbol.dispose]())

const IMAGE = folder.file('image.raw', memoryWith(64 * 1024, { 100: 'needle' }))

/** One line on stderr that says `what`, nothing on stdout, exit code 2. */
async function refused(what: RegExp, ...words: string[]): Promise<void> {
  const { code, stdout, stderr } = await runCli(...words)
  expect(stderr).toMatch(/^vmsift: [^\n]+\n$/)
  expect(stderr).toMatch(what)
  expect(stderr).not.toMatch(/internal error|\n\s+at /)
  expect(stdout).toBe('')
  expect(code).toBe(2)
}

const scan = (path: string) => ['scan', path, '--text', 'needle']

describe('targets that are wrong', () => {
  it('names a missing file', () => refused(/no such file/, ...scan(folder.at('none'))))
  it('names an empty file', () => refused(/empty/, ...scan(folder.file('empty.raw'))))
  it('names a directory', () => refused(/directory/, ...scan(folder.path)))
  it('refuses an empty name', () => refused(/target is empty/, ...scan('')))
  it.skipIf(process.getuid?.() === 0)(
    'names a file that may not be read (skipped as root: may read all)',
    async () => {
      const path = folder.file('secret.raw', 'x')
      chmodSync(path, 0)
      await refused(/not allowed|permission/, ...scan(path))
    },
  )
  it('says how to unpack a compressed file', () =>
    refused(/gunzip|gzip|unpack/, ...scan(folder.file('image.raw.gz', gzipSync(memoryWith(4096))))))
  it.each(['qemu:no-such-guest', 'qemu:4000000', 'qemu:/nonexistent/qmp', 'qemu:', 'xen:3'])(
    'finds no running guest %s',
    target => refused(/no QEMU|no QMP socket|names no guest|not supported yet/, ...scan(target)),
  )
  it('refuses a format that is none', () =>
    refused(/raw, lime|"raw"/, ...scan(IMAGE), '--input-format', 'vhd'))
  it('names a LiME header that is cut short', () => {
    const lime = limeImage({ gpa: 0x1000, bytes: memoryWith(4096) })
    return refused(/.+/, ...scan(folder.file('short.lime', lime.subarray(0, 20))))
  })
  it('names LiME ranges that run backwards', () => {
    const lime = limeImage({ gpa: 0x1000, bytes: memoryWith(4096) })
    lime.writeBigUInt64LE(0x800n, 16)
    return refused(/.+/, ...scan(folder.file('backwards.lime', lime)))
  })
  it('names LiME ranges that overlap', () => {
    const range = { gpa: 0x1000, bytes: memoryWith(4096) }
    return refused(/overlap/, ...scan(folder.file('overlap.lime', limeImage(range, range))))
  })
})

describe('command lines that are wrong', () => {
  it('wants a command', async () => {
    const { code, stdout, stderr } = await runCli()
    expect(code).toBe(2)
    expect(stdout).toMatch(/Usage: vmsift/)
    expect(stderr).toMatch(/^vmsift: no command given[^\n]*\n$/)
  })
  it('suggests the command that was meant', () => refused(/unknown command 'scn'.*scan/, 'scn', IMAGE))
  it('suggests the option that was meant', () => refused(/--regxe.*--regex/, 'scan', IMAGE, '--regxe', 'a'))
  it('wants a target', () => refused(/missing required argument 'target'/, 'scan'))
  it('wants one target', () => refused(/too many arguments/, 'info', IMAGE, IMAGE))
  it('wants a pattern', () => refused(/nothing to look for/, 'scan', IMAGE))
  it.each(['--text', '--bytes', '--regex'])('refuses an empty %s', option =>
    refused(/empty/, 'scan', IMAGE, option, ''),
  )
  it.each(['0', '-1', 'two', '1.5', '100000'])('refuses --jobs %s', jobs =>
    refused(/--jobs/, ...scan(IMAGE), '--jobs', jobs),
  )
  it.each(['0', 'x'])('refuses --limit %s', limit => refused(/--limit/, ...scan(IMAGE), '--limit', limit))
  it('refuses a huge --context', () => refused(/--context/, ...scan(IMAGE), '--context', '1G'))
  it('refuses a range outside memory', () => refused(/memory/, ...scan(IMAGE), '--range', '1G-2G'))
  it('refuses a range backwards', () => refused(/--range/, ...scan(IMAGE), '--range', '2K-1K'))
  it('refuses a range with an open end', () => refused(/--range/, ...scan(IMAGE), '--range', '2K-'))
  it('names the column of a wrong digit', () => refused(/column 2/, 'scan', IMAGE, '--bytes', '4g'))
  it('names a regular expression that is wrong', () =>
    refused(/column|offset|position/, 'scan', IMAGE, '--regex', 'a(b'))
  it('names the line and column of a YARA error', () =>
    refused(
      /line|:\d+:\d+/,
      'scan',
      IMAGE,
      '--yara',
      folder.file('bad.yar', 'rule a {\n condition: nothing }'),
    ))
  it('names a rule file that is not there', () =>
    refused(/no such file/, 'scan', IMAGE, '--yara', folder.at('none')))
  it('names a folder without rules', () => {
    mkdirSync(folder.at('no-rules'))
    return refused(/no \.yar/, 'scan', IMAGE, '--yara', folder.at('no-rules'))
  })
  it('names a pattern file that is empty', () =>
    refused(/no pattern/, 'scan', IMAGE, '--patterns', folder.file('blank.txt', '\n\r\n')))
  it('names a pattern file that is not text', () =>
    refused(/UTF-8/, 'scan', IMAGE, '--patterns', folder.file('binary.txt', Buffer.from([0xff, 0xfe, 0x41]))))
  it('says that --pause is for running guests', () =>
    refused(/a snapshot stands still/, ...scan(IMAGE), '--pause'))

  it('writes to no snapshot', () =>
    refused(/never written to/, 'write', IMAGE, '0x1000', '--hex', '00', '--allow-write'))
  it.each([
    ['--space', 'kernel'],
    ['--space', '1'],
    ['--space', 'processes'],
  ])('says that there is no guest for %s %s', (...words) =>
    refused(/no .*recognised|no guest/, ...scan(IMAGE), ...words),
  )
  it('names a space that is none', () => refused(/--space is physical/, ...scan(IMAGE), '--space', 'user'))
  it('refuses --range with a virtual space', () =>
    refused(/range is guest physical/, ...scan(IMAGE), '--space', 'kernel', '--range', '0-4K'))
})

describe('outputs that are wrong', () => {
  it('keeps what an output file held when a pattern is wrong, and empties it when none is', async () => {
    const path = folder.at('kept.ndjson')
    writeFileSync(path, 'results of the run before\n')
    await refused(/bad|regular expression/, 'scan', IMAGE, '--regex', '(', '--output', path)
    expect(readFileSync(path, 'utf8')).toBe('results of the run before\n')
    await runCli(...scan(IMAGE), '--json', '--output', path)
    expect(readFileSync(path, 'utf8')).toMatch(/^\{"type":[\s\S]*"summary"/)
  })

  it('names an output file that cannot be written', () =>
    refused(/cannot write/, ...scan(IMAGE), '--output', folder.at('no/such/folder')))
  it('refuses a full disk', async () => {
    const { code, stderr } = await runCli(...scan(IMAGE), '--json', '--output', '/dev/full')
    expect(stderr).toMatch(/^vmsift: cannot write to \/dev\/full: the disk is full[^\n]*\n$/)
    expect(code).toBe(2)
  })
  it('refuses to write over the target, through a link too', async () => {
    await refused(/input/, ...scan(IMAGE), '--output', IMAGE)
    symlinkSync(IMAGE, folder.at('link'))
    await refused(/input/, ...scan(IMAGE), '--output', folder.at('link'))
    linkSync(IMAGE, folder.at('hard.raw'))
    await refused(/input/, 'dump', IMAGE, '-o', folder.at('hard.raw'), '--force')
  })
})

describe('reads that are wrong', () => {
  it('refuses an address in a hole and tells where memory goes on', () => {
    const page = memoryWith(4096)
    const path = folder.file(
      'hole.lime',
      limeImage({ gpa: 0x1000, bytes: page }, { gpa: 0x4000, bytes: page }),
    )
    return refused(/no memory at 0x2000.*0x4000/, 'read', path, '0x2000')
  })
  it('refuses an address behind memory', () => refused(/memory ends at 0xffff/, 'read', IMAGE, '1G'))
  it('refuses a length of 0', () => refused(/--length/, 'read', IMAGE, '0', '--length', '0'))
  it('refuses an address that is none', () => refused(/not a number/, 'read', IMAGE, '0x12z'))
  it.each([['--pid', '1'], ['--kernel'], ['--dtb', '0x1000']])(
    'says that there is no guest for %s',
    (...words) => refused(/no system was recognised/, 'read', IMAGE, '0', ...words),
  )
  it('says that there is no guest for a symbol', () =>
    refused(/no system was recognised/, 'read', IMAGE, 'init_task'))
})
