/** Suite: every process's memory against the physical scan of the same image, and how long a reverse map takes. */

import { readFileSync } from 'node:fs'
import type { PatternSpec } from '../../src/scan/pattern-spec.js'
import { MIB } from '../data.js'
import { guestImage } from '../guest-image.js'
import { alternate } from '../measure.js'
import { literalSets, regexSets } from '../patterns.js'
import { ratioOf, throughput } from '../report.js'
import { realisticRules } from '../rule-sets.js'
import type { Bench } from '../suite.js'

const SUITE = 'virtual: --space processes against the physical scan, one worker, GB/s of the image'
const MAP_SUITE = 'virtual: reverse map'
const LIBRARY = new URL('../../dist/src/index.js', import.meta.url)
const PROCESSES = 200
/** Pages that are contiguous in memory and in a process: about what real guests have, and the worst there is. */
const RUNS = [4, 1]
const MAP_SECONDS = 2
/** Rules in a set, before those that match often are left out. */
const RULES = [100, 1000]
const SELDOM = 200
const RULES_MOST = 1.5

type Library = typeof import('../../src/index.js')

/** Detection is left out: it is cached, and the start-up suite has it. */
export async function virtual(bench: Bench): Promise<void> {
  const library = (await import(LIBRARY.href)) as Library
  for (const runPages of RUNS) {
    const { path, spaces } = guestImage(bench.megabytes, PROCESSES, runPages)
    const rules: RuleSetSpec[] = []
    for (const count of RULES) rules.push(await seldomRules(library, path, bench.megabytes, count))
    for (const set of [...literalSets(), ...regexSets(), ...rules]) {
      const side = (space: 'processes' | 'physical') => ({
        name: space,
        run: () => matchesOf(library, path, { patterns: set.specs, space, jobs: 1, tuning: { spaces } }),
      })
      const samples = await alternate([side('processes'), side('physical')], bench.rounds)
      const measures = samples.map(({ name, seconds }) => throughput(name, bench.megabytes * MIB, seconds))
      const slower = 1 / ratioOf(measures[0]!, measures[1]!)
      const most = goalOf(set)
      const goal =
        most === undefined ? {} : { goal: { text: `time ≤ ${most} × physical`, met: slower <= most } }
      bench.report.add({
        suite: SUITE,
        name: `${set.name}, runs of ${runPages}`,
        measures,
        ratio: slower,
        ...goal,
      })
    }
  }
  const { path, spaces } = guestImage(bench.largeMegabytes, PROCESSES, RUNS[0]!, true)
  const patterns = literalSets()[0]!.specs
  // a range of a page: what is left is enumerating, and the map
  const range = { start: 0, end: 4096 }
  const one = {
    name: 'owners',
    run: () => matchesOf(library, path, { patterns, range, owners: true, jobs: 1, tuning: { spaces } }),
  }
  const [samples] = await alternate([one], bench.rounds)
  const measure = { name: 'whole scan of a page', unit: 's', values: samples!.seconds } as const
  const met = Math.max(...samples!.seconds) <= MAP_SECONDS
  bench.report.add({
    suite: MAP_SUITE,
    name: `${bench.largeMegabytes} MiB, ${PROCESSES} processes`,
    measures: [measure],
    goal: { text: `≤ ${MAP_SECONDS} s`, met },
  })
}

/** Rules as a pattern set. */
interface RuleSetSpec {
  readonly name: string
  readonly specs: readonly PatternSpec[]
  /** The time of the physical scan that it may take, at most. */
  readonly most?: number
}

/**
 * Rules that match as seldom as real ones do: without those of which a string is found more than a few hundred times. What is told of the others
 * would be most of what is measured, and it is told for every process.
 */
async function seldomRules(
  library: Library,
  image: string,
  megabytes: number,
  count: number,
): Promise<RuleSetSpec> {
  const all = readFileSync(realisticRules(image, megabytes * MIB, count), 'utf8')
  const anyString = all.replace(/condition:\n.*\n/g, 'condition:\n any of them\n')
  const often = new Map<string, number>()
  using target = await library.openTarget(image)
  const patterns = [{ kind: 'yara', source: anyString }] as const
  for await (const event of library.scanIterable(target, { patterns, jobs: 1 }))
    if (event.type === 'match') often.set(event.rule, (often.get(event.rule) ?? 0) + 1)
  const left = all
    .split(/^(?=rule )/m)
    .filter(rule => (often.get(/^rule (\w+)/.exec(rule)?.[1] ?? '') ?? 0) <= SELDOM)
  const specs = [{ kind: 'yara', source: left.join('') }] as const
  return { name: `${left.length} of ${count} rules`, specs, most: RULES_MOST }
}

function goalOf({ name, most }: Pick<RuleSetSpec, 'name' | 'most'>): number | undefined {
  if (most !== undefined) return most
  return name === '1 literal' ? 4 : name === '1000 literals' ? 1.5 : undefined
}

async function matchesOf(
  library: Library,
  image: string,
  request: Parameters<Library['scanIterable']>[1],
): Promise<number> {
  using target = await library.openTarget(image)
  let matches = 0
  for await (const event of library.scanIterable(target, request))
    if (event.type === 'summary') matches = event.matches
  return matches
}
