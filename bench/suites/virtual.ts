/** Suite: every process's memory against the physical scan of the same image, and how long a reverse map takes. */

import { MIB } from '../data.js'
import { guestImage } from '../guest-image.js'
import { alternate } from '../measure.js'
import { literalSets, type PatternSet, regexSets } from '../patterns.js'
import { ratioOf, throughput } from '../report.js'
import type { Bench } from '../suite.js'

const SUITE = 'virtual: --space processes against the physical scan, one worker, GB/s of the image'
const MAP_SUITE = 'virtual: reverse map'
const LIBRARY = new URL('../../dist/src/index.js', import.meta.url)
const PROCESSES = 200
/** Pages that are contiguous in memory and in a process: about what real guests have, and the worst there is. */
const RUNS = [4, 1]
const MAP_SECONDS = 2

type Library = typeof import('../../src/index.js')

/** Detection is left out: it is cached, and the start-up suite has it. */
export async function virtual(bench: Bench): Promise<void> {
  const library = (await import(LIBRARY.href)) as Library
  for (const runPages of RUNS) {
    const { path, spaces } = guestImage(bench.megabytes, PROCESSES, runPages)
    for (const set of [...literalSets(), ...regexSets()]) {
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

function goalOf({ name }: PatternSet): number | undefined {
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
