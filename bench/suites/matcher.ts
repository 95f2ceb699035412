/** Suite 1: one worker's path through driver, scanner and block loop against a small C program with hs_scan. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { benchDirectory, MIB, realImage } from '../data.js'
import { Harness } from '../harness.js'
import { alternate } from '../measure.js'
import { buildNative, NativeScanner } from '../native.js'
import { expressionLines, literalSets, type PatternSet } from '../patterns.js'
import { ratioOf, throughput } from '../report.js'
import type { Bench } from '../suite.js'

const SUITE = 'matcher: one thread, GB/s'
const GOAL = 0.9

/** Each literal set over freshly mapped and over touched bytes, ours and C in turns; plain bandwidth beside them. */
export async function matcher(bench: Bench): Promise<void> {
  const image = realImage(bench.megabytes)
  const bytes = bench.megabytes * MIB
  const native = buildNative()
  if ('missing' in native) bench.report.skip(SUITE, 'hs-scan (C)', `needs ${native.missing}`)
  for (const set of literalSets())
    for (const mode of ['fresh', 'touched'] as const) {
      const c = 'path' in native ? openNative(native.path, image, set) : undefined
      using harness = await Harness.open(set, image, { window: mode === 'fresh' ? 'driver' : 'whole' })
      const ours = { name: 'vmsift', run: () => harness.pass() }
      if (c === undefined) {
        const [samples] = await alternate([ours], bench.rounds)
        bench.report.add({
          suite: SUITE,
          name: `${set.name}, ${mode}`,
          measures: [throughput('vmsift', bytes, samples!.seconds)],
        })
        continue
      }
      using _ = c
      let found = 0
      const theirs = {
        name: 'C',
        run: async () => {
          found = (await c.pass(mode)).matches
        },
      }
      const read = { name: 'read', run: () => c.pass(`read-${mode}`) }
      const samples = await alternate([ours, theirs, read], bench.rounds)
      if (found !== harness.matches)
        throw new Error(`${set.name}: vmsift finds ${harness.matches}, C finds ${found}`)
      const measures = samples.map(({ name, seconds }) => throughput(name, bytes, seconds))
      const ratio = ratioOf(measures[0]!, measures[1]!)
      bench.report.add({
        suite: SUITE,
        name: `${set.name}, ${mode}`,
        measures,
        ratio,
        goal: { text: `≥ ${GOAL}`, met: ratio >= GOAL },
      })
    }
}

function openNative(path: string, image: string, set: PatternSet): NativeScanner {
  const expressions = join(benchDirectory(), `expressions-${set.texts.length}.txt`)
  writeFileSync(expressions, expressionLines(set.texts))
  const longest = Math.max(...set.texts.map(text => text.length))
  return new NativeScanner(path, image, expressions, longest - 1)
}
