/** Compiled rules on disk: they save time, and never change an answer. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ScanRequest } from '../../../src/coordinator/request.js'
import { startCli } from '../../cli/run-cli.js'
import { scanRules } from '../../helpers/rule-scan.js'

const folder = mkdtempSync(join(tmpdir(), 'vmsift-rule-cache-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const image = join(folder, 'image')
writeFileSync(image, Buffer.from('..needle.....thread.....needle'))

const SOURCE = 'rule a { strings: $a = "needle" condition: #a == 2 and number == 1 }'
let cache = ''
let count = 0
const before = process.env['VMSIFT_CACHE']
beforeEach(() => {
  cache = join(folder, `cache-${count++}`)
  process.env['VMSIFT_CACHE'] = cache
})
afterEach(() => {
  process.env['VMSIFT_CACHE'] = before
})

function scanned(source: string | Uint8Array = SOURCE, more: Partial<ScanRequest> & { path?: string } = {}) {
  const { path, ...request } = more
  const patterns = [{ kind: 'yara' as const, source, ...(path !== undefined && { path }) }]
  return scanRules(image, { externals: { number: 1n }, jobs: 1, ...request, patterns })
}

/** Its files, and when each was written: a file that is written anew is another one. */
const files = (): Map<string, number> =>
  new Map(readdirSync(cache).map(name => [name, statSync(join(cache, name)).ino]))

const FOUND = ['a $a 0x18 6', 'a $a 0x2 6']

describe('compiled rules on disk', () => {
  it('are used again', async () => {
    expect((await scanned()).matches).toEqual(FOUND)
    const first = files()
    expect(first.size).toBeGreaterThan(0)
    expect((await scanned()).matches).toEqual(FOUND)
    expect(files()).toEqual(first)
  })

  it('are told apart by text, namespace, variables and matcher', async () => {
    await scanned()
    const first = files().size
    const other = await scanned(`${SOURCE} `)
    expect(other.matches).toEqual(FOUND)
    expect(files().size).toBeGreaterThan(first)
    expect((await scanned(SOURCE, { externals: { number: 2n } })).rules).toEqual([])
    expect((await scanned(SOURCE, { externals: { number: 1 } })).matches).toEqual(FOUND)
    expect((await scanned(SOURCE, { matcher: 'embedded' })).matches).toEqual(FOUND)
    await expect(scanned(SOURCE, { externals: { number: '1n' } })).rejects.toThrow('type mismatch')
    const patterns = [{ kind: 'yara' as const, source: SOURCE, namespace: 'own' }]
    const named = await scanRules(image, { externals: { number: 1n }, patterns })
    expect(named.rules).toEqual(['own:a'])
  })

  it('are compiled anew when a file that they include has changed', async () => {
    const included = join(folder, 'included.yar')
    const path = join(folder, 'outer.yar')
    const text = (word: string) => `rule inner { strings: $a = "${word}" condition: $a }`
    const source = 'include "included.yar"\nrule outer { condition: inner }'
    writeFileSync(included, text('needle'))
    expect((await scanned(source, { path })).matches).toEqual(['inner $a 0x18 6', 'inner $a 0x2 6'])
    writeFileSync(included, text('thread'))
    expect((await scanned(source, { path })).matches).toEqual(['inner $a 0xd 6'])
    writeFileSync(included, text('nowhere'))
    expect((await scanned(source, { path })).rules).toEqual([])
    rmSync(included)
    await expect(scanned(source, { path })).rejects.toThrow(/include "included.yar" can't be read: ENOENT/)
  })

  it.each([
    ['cut to nothing', (path: string) => truncateSync(path, 0)],
    ['cut to its first bytes', (path: string) => truncateSync(path, 10)],
    ['cut in half', (path: string) => truncateSync(path, statSync(path).size >> 1)],
    ['changed in its middle', (path: string) => change(path, bytes => bytes.length >> 1)],
    ['changed in its head', (path: string) => change(path, () => 34)],
    ['changed at its end', (path: string) => change(path, bytes => bytes.length - 1)],
    [
      'a folder',
      (path: string) => {
        rmSync(path)
        mkdirSync(path)
      },
    ],
  ])('do no harm when each file is %s', async (_, damage) => {
    await scanned()
    for (const name of files().keys()) damage(join(cache, name))
    expect((await scanned()).matches).toEqual(FOUND)
    expect((await scanned()).matches).toEqual(FOUND)
  })

  it('are not needed: where nothing can be written, rules are compiled', async () => {
    writeFileSync(join(folder, 'file'), '')
    for (const nowhere of [join(folder, 'file', 'below'), '/proc/none', '/proc/none/below/it']) {
      process.env['VMSIFT_CACHE'] = nowhere
      expect((await scanned()).matches).toEqual(FOUND)
    }
  })

  it('may be made by two processes at once', async () => {
    const rules = join(folder, 'rules.yar')
    writeFileSync(rules, SOURCE)
    const words = ['scan', image, '--input-format', 'raw', '--yara', rules, '--define', 'number=1', '--json']
    const run = () => startCli(words, { VMSIFT_CACHE: cache }).result
    const both = await Promise.all([run(), run()])
    for (const { code, stdout, stderr } of [...both, await run()]) {
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout.match(/"type":"match"/g)).toHaveLength(2)
    }
    expect([...files().keys()].filter(name => name.endsWith('.tmp'))).toEqual([])
  })
})

function change(path: string, where: (bytes: Buffer) => number): void {
  const bytes = readFileSync(path)
  const at = where(bytes)
  bytes[at] = (bytes[at] ?? 0) ^ 0x5a
  writeFileSync(path, bytes)
}
