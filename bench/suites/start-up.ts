/**
 * Suite 4: from the start of the process to the first block. Measured from outside, as upper bounds: the first line
 * of output is a match in the first block, and the whole process on a small image has little else in it.
 */
import { execute, vmsift } from '../command.js'
import { realImage, warm } from '../data.js'
import { alternate } from '../measure.js'
import { FIRST_TEXT } from '../patterns.js'
import { median } from '../stats.js'
import type { Bench } from '../suite.js'

const SUITE = 'start-up, milliseconds'
/** Enough blocks for two workers. */
const SMALL_MEGABYTES = 32
const GOALS = [
  { jobs: 1, milliseconds: 250 },
  { jobs: 2, milliseconds: 300 },
]

/** First match out, with one worker and with two; then the process's end, and node's own start beside it. */
export async function startUp(bench: Bench): Promise<void> {
  const image = realImage(SMALL_MEGABYTES)
  warm(image)
  for (const { jobs, milliseconds } of GOALS) {
    const first: number[] = []
    const words = vmsift('scan', image, '--text', FIRST_TEXT, '--json', '--jobs', String(jobs))
    const ours = {
      name: 'whole process',
      run: async () => {
        const { firstOutputSeconds } = await execute(words)
        first.push((firstOutputSeconds ?? Number.NaN) * 1000)
      },
    }
    const bare = { name: 'node -e 0', run: () => execute([process.execPath, '-e', '0']) }
    const samples = await alternate([ours, bare], Math.max(9, bench.rounds))
    const values = first.slice(1)
    const measures = samples.map(({ name, seconds }) => ({
      name,
      unit: 'ms' as const,
      values: seconds.map(value => value * 1000),
    }))
    bench.report.add({
      suite: SUITE,
      name: `--jobs ${jobs}`,
      measures: [{ name: 'first match out', unit: 'ms', values }, ...measures],
      goal: {
        text: `first block < ${milliseconds}, aim ${milliseconds / 2}`,
        met: median(values) < milliseconds,
      },
    })
  }
}
