/** Suite 5: memory outside the mapping, whatever the image's size, and while a million matches go out. */
import { type Execution, execute, vmsift } from '../command.js'
import { denseImage, realImage, sparseImage } from '../data.js'
import { RARE_TEXT } from '../patterns.js'
import type { Measure } from '../report.js'
import { anonymousOf, type Residence, watchResidence } from '../resident.js'
import type { Bench } from '../suite.js'

const SUITE = 'memory outside the mapping, peak, MB'
const GOAL_MB = 200
const MILLION = 1_000_000
const RUNS = 3
/** Times a million matches for the second run, which must not need more than the first but for chance. */
const MANY = 4
const GROWTH = 1.3
/** About what a match is on stdout. */
const LINE_BYTES = 150
const LOOK_BYTES = 2 ** 20

/** Three sizes of image, then a million matches. */
export async function memory(bench: Bench): Promise<void> {
  const images = [
    [`${bench.megabytes / 1024} GiB`, realImage(bench.megabytes)],
    [`${bench.largeMegabytes / 1024} GiB`, realImage(bench.largeMegabytes)],
    ['sparse 1 TiB', sparseImage(1024)],
  ] as const
  for (const [name, image] of images) {
    const runs: (Residence & Execution)[] = []
    for (let run = 0; run < RUNS; run++) runs.push(await residenceOf(image))
    addResidence(bench, name, runs)
  }
  await matches(bench)
}

async function residenceOf(image: string): Promise<Residence & Execution> {
  let watch: ReturnType<typeof watchResidence> | undefined
  const execution = await execute(vmsift('scan', image, '--text', RARE_TEXT, '--json'), pid => {
    watch = watchResidence(pid, image)
  })
  return { ...execution, ...watch!.stop() }
}

function addResidence(bench: Bench, name: string, runs: readonly (Residence & Execution)[]): void {
  const outside = runs.map(run => run.outside)
  bench.report.add({
    suite: SUITE,
    name,
    measures: [
      { name: 'all but the image', unit: 'MB', values: outside },
      { name: 'anonymous', unit: 'MB', values: runs.map(run => run.anonymous) },
      { name: 'took', unit: 's', values: runs.map(run => run.seconds) },
    ],
    goal: { text: `< ${GOAL_MB}`, met: Math.max(...outside) < GOAL_MB },
  })
}

/** NDJSON through a pipe: the peak must not depend on how many matches go out. */
async function matches(bench: Bench): Promise<void> {
  const few = await streaming(MILLION)
  const many = await streaming(MANY * MILLION)
  const values = (pick: (one: Streaming) => number) => [pick(few), pick(many)] as const
  const [fewPeak, manyPeak] = values(one => one.peak)
  const growth = manyPeak / fewPeak
  const side = (name: string, unit: 'MB' | 's', value: number): Measure => ({ name, unit, values: [value] })
  bench.report.add({
    suite: SUITE,
    name: `${MANY} million matches, NDJSON`,
    measures: [
      side(`peak of ${MANY} million`, 'MB', manyPeak),
      side('peak of 1 million', 'MB', fewPeak),
      side('1 million at 25 %', 'MB', few.quarter),
      side('1 million at 100 %', 'MB', few.end),
      side('1 million took', 's', few.seconds),
    ],
    ratio: growth,
    goal: { text: `≤ ${GROWTH} × and < ${GOAL_MB}`, met: growth <= GROWTH && manyPeak < GOAL_MB },
  })
}

interface Streaming {
  readonly quarter: number
  readonly end: number
  readonly peak: number
  readonly seconds: number
}

/** Anonymous memory of the process while `count` matches go out. */
async function streaming(count: number): Promise<Streaming> {
  const image = denseImage(count)
  const outputBytes = count * LINE_BYTES
  let pid = 0
  let quarter = 0
  let end = 0
  let peak = 0
  let looked = 0
  const execution = await execute(
    vmsift('scan', image, '--text', RARE_TEXT, '--json'),
    started => {
      pid = started
    },
    bytes => {
      if (bytes - looked < LOOK_BYTES) return
      looked = bytes
      end = anonymousOf(pid) || end
      peak = Math.max(peak, end)
      if (bytes >= outputBytes / 4) quarter ||= end
    },
  )
  if (!execution.lastLine.includes(`"matches":${count},`))
    throw new Error(`matches are missing: ${execution.lastLine}`)
  return { quarter, end, peak, seconds: execution.seconds }
}
