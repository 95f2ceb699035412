/**
 * Rules as people have them, against the `yara` program: of a folder that VMSIFT_RULES names, for none may be kept here. All its files that
 * the program takes, over an image in which their strings stand, and over programs of this machine.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { type Random, seeded } from '../../bench/random.js'
import { checkRules } from '../../src/rules/compile.js'
import type { RuleText } from '../../src/rules/load.js'
import { scanRules } from '../helpers/rule-scan.js'
import { type YaraAnswer, YaraProgram, yaraVersionHere } from '../helpers/yara-program.js'
import { sampleOf } from '../reference/yara/sample-bytes.js'
import { stringsOnly } from '../reference/yara/strings-only.js'

const given = process.env['VMSIFT_RULES']
const version = yaraVersionHere()
const why =
  given === undefined
    ? ' (skipped: VMSIFT_RULES names no folder of rules)'
    : version?.startsWith('4.2.')
      ? ''
      : ` (skipped: yara 4.2 is not here, but ${version ?? 'none'})`

/** External variables that public rules refer to. */
const NAMES = ['filename', 'filepath', 'fullpath', 'extension', 'filetype', 'owner', 'mime']
const EXTERNALS = Object.fromEntries(NAMES.map(name => [name, 'x']))
const DEFINED = NAMES.map(name => `${name}=x`)
const TUNING = { blockBytes: 100_003, partitionBytes: 1 << 20 }
const PROGRAMS = ['/usr/bin', '/usr/lib/x86_64-linux-gnu']
const MOST_PROGRAMS = 24 << 20
const MOST_SAMPLES = 16 << 20

describe.skipIf(why !== '')(`public rules${why}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'vmsift-public-'))
  const yara = new YaraProgram()
  afterAll(() => {
    yara[Symbol.dispose]()
    rmSync(folder, { recursive: true, force: true })
  })
  const image = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(folder, name), bytes)
    return join(folder, name)
  }
  const texts: (RuleText & {
    readonly source: Uint8Array
    readonly path: string
    readonly namespace: string
  })[] = ruleFilesOf(given ?? '').map((path, i) => ({
    source: readFileSync(path),
    path,
    namespace: `file${i}`,
  }))

  it('are taken and refused as by yara', () => {
    const nothing = image('nothing', new Uint8Array(0))
    const different = texts.filter(text => {
      const { error } = yara.scanFiles([text], nothing, DEFINED)
      const { problems } = checkRules([text], { externals: EXTERNALS })
      // modules that YARA-X does not have, and no memory either
      if (problems.some(({ message }) => /unknown module/.test(message))) return false
      return (error !== undefined) !== problems.length > 0
    })
    expect(different.map(({ path }) => path)).toEqual([])
  }, 900_000)

  it('have strings that match as with yara, at the same offsets with the same lengths', async () => {
    const source = stringsOnly(right(texts))
    const { ruleSet } = checkRules([{ source }])
    const random = seeded(7)
    const pieces: Uint8Array[] = []
    let bytes = 0
    for (const { strings } of ruleSet.rules)
      for (const { pattern } of strings) {
        if (bytes > MOST_SAMPLES) break
        const some = Buffer.concat([noise(random), sampleOf(pattern, random)])
        pieces.push(some)
        bytes += some.length
      }
    const path = image('samples', Buffer.concat(pieces))
    writeFileSync(join(folder, 'strings.yar'), source)
    const theirs = yara.scanFiles([{ path: join(folder, 'strings.yar') }], path)
    const ours = await scanRules(path, { patterns: [{ kind: 'yara', source }], tuning: TUNING })
    expect(theirs.error).toBeUndefined()
    expect(theirs.matches.length).toBeGreaterThan(0)
    expect(differences(theirs, ours, new Set())).toEqual([])
  }, 900_000)

  it('hold in the same places as with yara', async () => {
    const rules = right(texts)
    const { ruleSet } = checkRules(rules, { externals: EXTERNALS })
    // evaluated by YARA-X where their strings are: that is told, and may differ
    const foreign = new Set(
      ruleSet.rules
        .filter(({ needsYaraX }) => needsYaraX.length > 0)
        .map(({ namespace, name }) => `${namespace}:${name}`),
    )
    const path = image('programs', programs())
    const theirs = yara.scanFiles(rules, path, DEFINED)
    const ours = await scanRules(path, {
      patterns: rules.map(text => ({ kind: 'yara' as const, ...text })),
      externals: EXTERNALS,
      tuning: TUNING,
    })
    expect(theirs.error).toBeUndefined()
    expect(differences(theirs, ours, foreign)).toEqual([])
    expect(ours.hints.some(line => line.includes('YARA-X'))).toBe(foreign.size > 0)
  }, 900_000)

  /** Those that both take. */
  function right<Text extends RuleText>(all: readonly Text[]): Text[] {
    return all.filter(text => checkRules([text], { externals: EXTERNALS }).problems.length === 0)
  }
})

function ruleFilesOf(path: string): string[] {
  if (path === '') return []
  if (!statSync(path).isDirectory()) return [path]
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter(name => /\.yara?$/.test(name) && !/index/.test(name))
    .sort()
    .map(name => join(path, name))
}

/** Some bytes that stand between samples. */
function noise(random: Random): Uint8Array {
  return Uint8Array.from({ length: random.below(40) }, () => random.pick([0, 0x20, 0x61, random.below(256)]))
}

function programs(): Buffer {
  const files: Buffer[] = []
  let bytes = 0
  for (const folder of PROGRAMS)
    for (const name of readdirSync(folder).sort()) {
      const stat = statSync(join(folder, name), { throwIfNoEntry: false })
      if (stat?.isFile() !== true || stat.size > 4 << 20 || bytes + stat.size > MOST_PROGRAMS) continue
      files.push(readFileSync(join(folder, name)))
      bytes += stat.size
    }
  return Buffer.concat(files)
}

/** What only one of both tells; some of it, for a whole set would fill the screen. */
function differences(
  theirs: Pick<YaraAnswer, 'rules' | 'matches'>,
  ours: Pick<YaraAnswer, 'rules' | 'matches'>,
  foreign: ReadonlySet<string>,
): string[] {
  const isOurs = (line: string): boolean => !foreign.has(line.split(' ')[0] ?? '')
  const only = (one: readonly string[], other: readonly string[], who: string): string[] => {
    const known = new Set(other)
    return one.filter(line => isOurs(line) && !known.has(line)).map(line => `only ${who}: ${line}`)
  }
  return [
    ...only(theirs.rules, ours.rules, 'yara'),
    ...only(ours.rules, theirs.rules, 'vmsift'),
    ...only(theirs.matches, ours.matches, 'yara'),
    ...only(ours.matches, theirs.matches, 'vmsift'),
  ].slice(0, 50)
}
