/**
 * Suite `yara`: where the time of YARA rules goes (strings searched, confirmed, the whole process), beside `yara` and YARA-X. Rules of two
 * kinds: such that seldom match, as real ones, and such that often do. With VMSIFT_RULES (a folder) real ones too.
 */
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { PairFinder } from '../../scanners/pair-finder.js'
import { RuleStringScanner } from '../../scanners/rule-strings.js'
import { WordFinder } from '../../scanners/word-finder.js'
import { openDatabase } from '../../src/ffi/vectorscan.js'
import { openTarget } from '../../src/index.js'
import { compileStrings } from '../../src/patterns/compile-strings.js'
import { loadYara } from '../../src/patterns/yara-runtime.js'
import { checkRules, compileRules } from '../../src/rules/compile.js'
import type { StringTables } from '../../src/rules/search/tables.js'
import { execute, vmsift } from '../command.js'
import { benchDirectory, MIB, realImage, warm } from '../data.js'
import { versionOf } from '../machine.js'
import { alternate } from '../measure.js'
import { type Measure, ratioOf, throughput } from '../report.js'
import { realisticRules } from '../rule-sets.js'
import { median } from '../stats.js'
import type { Bench } from '../suite.js'

const SUITE = 'yara rules'
const BLOCK_BYTES = 4 * MIB
/** What one worker searches in a round: enough to be steady. */
const MOST_SEARCHED = 256 * MIB
const COUNTS = [10, 100, 1000, 10_000]
const STRINGS_A_RULE = 3.5

export async function yara(bench: Bench): Promise<void> {
  const image = realImage(bench.megabytes)
  const bytes = bench.megabytes * MIB
  warm(image)
  for (const count of COUNTS) await searched(bench, image, bytes, count)
  await overBlocks(bench, image, bytes)
  for (const count of [100, 3000])
    for (const often of [false, true])
      await wholeProcess(
        bench,
        image,
        `${count} rules that ${often ? 'often' : 'seldom'} match`,
        [{ path: realisticRules(image, bytes, count, often) }],
        [],
      )
  const given = process.env.VMSIFT_RULES
  if (given === undefined) bench.report.skip(SUITE, 'real rules', 'VMSIFT_RULES names no folder of rules')
  else await wholeProcess(bench, image, `rules of ${given}`, publicFiles(given), DEFINED)
}

/** One worker, GB/s by number of strings: what is looked for alone, and with each hit confirmed. */
async function searched(bench: Bench, image: string, bytes: number, count: number): Promise<void> {
  const path = realisticRules(image, bytes, Math.ceil(count / STRINGS_A_RULE), false)
  const { rules } = compileRules([{ source: readFileSync(path), path }])
  const tables = compileStrings(rules.flatMap(({ strings }) => strings).slice(0, count), 'vectorscan')
  const length = Math.min(bytes, MOST_SEARCHED)
  using target = await openTarget(image, { format: 'raw' })
  using scanner = new RuleStringScanner(tables)
  const databases = tables.groups.map(({ database, longest }) => openDatabase(database, longest))
  const ignored = (): void => undefined
  const finders = [
    new WordFinder(tables.words, ignored),
    ...tables.pairs.map(table => new PairFinder(table, ignored)),
  ]
  const { memory } = target
  let matches = 0
  const samples = await alternate(
    [
      {
        name: 'searched',
        run: () => {
          for (let at = 0; at < length; at += BLOCK_BYTES) {
            const window = memory.window(at, Math.min(BLOCK_BYTES, length - at)).bytes
            for (const database of databases) database.scan(window, Number.POSITIVE_INFINITY)
            for (const finder of finders) finder.scan(window, 0, window.length)
          }
        },
      },
      {
        name: 'confirmed',
        run: () => {
          matches = scanAll(tables, length, (at, size) => memory.window(at, size).bytes, scanner)
        },
      },
    ],
    bench.rounds,
  )
  for (const database of databases) database[Symbol.dispose]()
  const measures = samples.map(({ name, seconds }) => throughput(name, length, seconds))
  bench.report.add({
    suite: SUITE,
    name: `${count} strings, ${tables.groups.length} databases, ${matches} matches`,
    measures,
    ratio: ratioOf(measures[1]!, measures[0]!),
  })
}

/** As a worker does, block by block; the number of matches. */
function scanAll(
  { aheadBytes, behindBytes }: Pick<StringTables, 'aheadBytes' | 'behindBytes'>,
  length: number,
  read: (at: number, size: number) => Uint8Array,
  scanner: RuleStringScanner,
): number {
  let matches = 0
  const sink = {
    match: () => undefined,
    stringMatch: () => {
      matches++
    },
  }
  for (let at = 0; at < length; at += BLOCK_BYTES) {
    const from = Math.max(0, at - behindBytes)
    const end = Math.min(length, at + BLOCK_BYTES)
    const to = Math.min(length, end + aheadBytes)
    const owned = { ownedStart: at - from, ownedEnd: end - from }
    const ends = { beginsStretch: from === 0, endsStretch: to === length }
    scanner.scan({ bytes: read(from, to - from), gpa: from, ...owned, ...ends }, sink)
  }
  return matches
}

/** The same worker with the same rules as YARA-X over blocks. */
async function overBlocks(bench: Bench, image: string, bytes: number): Promise<void> {
  const path = realisticRules(image, bytes, 3000, false)
  const source = readFileSync(path)
  const { rules } = compileRules([{ source, path }])
  const tables = compileStrings(
    rules.flatMap(({ strings }) => strings),
    'auto',
  )
  const length = Math.min(bytes, MOST_SEARCHED / 4)
  using target = await openTarget(image, { format: 'raw' })
  using scanner = new RuleStringScanner(tables)
  const { Compiler } = loadYara()
  const compiler = new Compiler()
  compiler.addSource(source.toString())
  const compiled = compiler.build()
  const engine = compiled.scanner()
  const read = (at: number, size: number): Uint8Array => target.memory.window(at, size).bytes
  try {
    const samples = await alternate(
      [
        { name: 'vmsift', run: () => scanAll(tables, length, read, scanner) },
        {
          name: 'YARA-X',
          run: () => {
            for (let at = 0; at < length; at += BLOCK_BYTES)
              engine.scan(read(at, Math.min(BLOCK_BYTES, length - at)))
          },
        },
      ],
      Math.min(3, bench.rounds),
    )
    const measures = samples.map(({ name, seconds }) => throughput(name, length, seconds))
    const ratio = ratioOf(measures[0]!, measures[1]!)
    const goal = { text: '≥ 5 × YARA-X', met: ratio >= 5 }
    bench.report.add({ suite: SUITE, name: '3000 rules over blocks', measures, ratio, goal })
  } finally {
    engine.free()
    compiled.free()
    compiler.free()
  }
}

interface RuleFile {
  readonly path: string
  readonly namespace?: string
}

/** Start to exit: compiled rules out of the cache, compiled anew, and `yara`. */
async function wholeProcess(
  bench: Bench,
  image: string,
  name: string,
  files: readonly RuleFile[],
  defined: readonly string[],
): Promise<void> {
  const defines = defined.flatMap(each => ['--define', each])
  const words = files.flatMap(({ path }) => ['--yara', path])
  const ours = vmsift('scan', image, '--input-format', 'raw', ...words, ...defines, '--json')
  const cache = join(benchDirectory(), 'rule-cache')
  rmSync(cache, { recursive: true, force: true })
  const env = (value: string) => ['env', `VMSIFT_CACHE=${value}`]
  const cases = [
    { name: 'cached', run: () => execute([...env(cache), ...ours]) },
    { name: 'cold', run: () => execute([...env('off'), ...ours]) },
  ]
  const present = bench.peers && versionOf('yara') !== undefined
  if (!present) bench.report.skip(SUITE, `${name}: yara`, bench.peers ? 'not installed' : 'run with --peers')
  const theirs = files.map(({ path, namespace }) => (namespace === undefined ? path : `${namespace}:${path}`))
  const given = defined.flatMap(each => ['-d', each])
  const peer = { name: 'yara', run: () => execute(['yara', '-w', '-s', ...given, ...theirs, image]) }
  const samples = await alternate(present ? [...cases, peer] : cases, Math.min(3, bench.rounds))
  const measures = samples.map(
    ({ name: side, seconds }): Measure => ({ name: side, unit: 's', values: seconds }),
  )
  const [cached, cold, other] = measures.map(({ values }) => median(values))
  bench.report.add({
    suite: SUITE,
    name,
    measures,
    ...(other !== undefined && {
      ratio: cached! / other,
      goal: {
        text: `yara ≥ 4 × cached, 3 × cold; is ${(other / cached!).toFixed(1)}, ${(other / cold!).toFixed(1)}`,
        met: other >= 4 * cached! && other >= 3 * cold!,
      },
    }),
  })
}

const NAMES = ['filename', 'filepath', 'fullpath', 'extension', 'filetype', 'owner', 'mime']
const DEFINED = NAMES.map(name => `${name}=x`)

/** The files of a folder that can be compiled by themselves. */
function publicFiles(folder: string): RuleFile[] {
  const externals = Object.fromEntries(NAMES.map(name => [name, 'x']))
  const paths = statSync(folder).isDirectory()
    ? readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter(name => /\.yara?$/.test(name) && !/index/.test(name))
        .sort()
        .map(name => join(folder, name))
    : [folder]
  return paths
    .filter(path => checkRules([{ source: readFileSync(path), path }], { externals }).problems.length === 0)
    .map((path, i) => ({ path, namespace: `file${i}` }))
}
