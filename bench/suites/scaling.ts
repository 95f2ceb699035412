/** Suite 2: the public API with one worker and with two. */
import { MIB, realImage } from '../data.js'
import { alternate } from '../measure.js'
import { literalSets, type PatternSet, regexSets } from '../patterns.js'
import { ratioOf, throughput } from '../report.js'
import type { Bench } from '../suite.js'

const SUITE = 'scaling: scan() of the built library, 2 workers against 1, GB/s'
const GOAL = 1.05
const LIBRARY = new URL('../../dist/src/index.js', import.meta.url)

type Library = typeof import('../../src/index.js')

/** Every pattern set, whole scans with the pool's start in them. */
export async function scaling(bench: Bench): Promise<void> {
  const library = (await import(LIBRARY.href)) as Library
  const image = realImage(bench.megabytes)
  for (const set of [...literalSets(), ...regexSets()]) {
    const found: number[] = []
    const side = (jobs: number) => ({
      name: `${jobs} worker${jobs > 1 ? 's' : ''}`,
      run: async () => {
        found[jobs] = await matchesOf(library, image, set, jobs)
      },
    })
    const samples = await alternate([side(2), side(1)], bench.rounds)
    if (found[1] !== found[2]) throw new Error(`${set.name}: 1 worker finds ${found[1]}, 2 find ${found[2]}`)
    const measures = samples.map(({ name, seconds }) => throughput(name, bench.megabytes * MIB, seconds))
    const slower = 1 / ratioOf(measures[0]!, measures[1]!)
    const goal = { text: `time ≤ ${GOAL} × 1 worker's`, met: slower <= GOAL }
    bench.report.add({ suite: SUITE, name: set.name, measures, ratio: 1 / slower, goal })
  }
}

async function matchesOf(library: Library, image: string, set: PatternSet, jobs: number): Promise<number> {
  using target = await library.openTarget(image)
  let matches = 0
  for await (const event of library.scanIterable(target, { patterns: set.specs, jobs }))
    if (event.type === 'summary') matches = event.matches
  return matches
}
