/** Suite: a Windows guest's processes, as a user waits for them, and the search of memory for processes beside the physical scan. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execute, vmsift } from '../command.js'
import { MIB, warm } from '../data.js'
import { alternate, type Case } from '../measure.js'
import { literalSets } from '../patterns.js'
import { ratioOf, throughput } from '../report.js'
import { median } from '../stats.js'
import type { Bench } from '../suite.js'
import { windowsImage } from '../windows-image.js'

const PS_SUITE = 'windows: ps on an unknown image, start to exit, seconds'
const SCAN_SUITE = 'windows: search for processes against the physical scan, one thread, GB/s of the image'
const LIBRARY = new URL('../../dist/src/index.js', import.meta.url)
const GUEST = '10-19041-x64'
const COLD_SECONDS = 2
const CACHED_SECONDS = 0.3
const LEAST_RATIO = 0.5

type Library = typeof import('../../src/index.js')

/** The guest's structures lie scattered over all of its memory, which real ones' don't. */
export async function windows(bench: Bench): Promise<void> {
  const { largeMegabytes, megabytes } = bench
  const images = [
    { name: 'empty', path: windowsImage(GUEST, { megabytes: largeMegabytes }) },
    {
      name: 'empty, no low stub',
      path: windowsImage(GUEST, { megabytes: largeMegabytes, withoutLowStub: true }),
    },
    {
      name: 'full, no low stub',
      path: windowsImage(GUEST, { megabytes: largeMegabytes, full: true, withoutLowStub: true }),
    },
  ]
  for (const { name, path } of images) await ps(bench, `${largeMegabytes} MiB, ${name}`, path)
  await poolScan(bench, windowsImage(GUEST, { megabytes, full: true }))
}

async function ps(bench: Bench, name: string, path: string): Promise<void> {
  warm(path)
  const folder = mkdtempSync(join(tmpdir(), 'vmsift-bench-cache-'))
  const before = process.env.VMSIFT_CACHE
  let count = 0
  const side = (name: string, cache: () => string): Case => ({
    name,
    run: () => {
      process.env.VMSIFT_CACHE = join(folder, cache())
      return execute(vmsift('ps', path, '--json'))
    },
  })
  try {
    // what no program in Node can do without
    const node = { name: 'node alone', run: () => execute([process.execPath, '-e', '0']) }
    const sides = [side('cold', () => `cold-${count++}`), side('cached', () => 'kept'), node]
    const samples = await alternate(sides, bench.rounds)
    const measures = samples.map(({ name, seconds }) => ({ name, unit: 's', values: seconds }) as const)
    const [cold, cached] = measures.map(({ values }) => median(values))
    bench.report.add({
      suite: PS_SUITE,
      name,
      measures,
      goal: {
        text: `cold ≤ ${COLD_SECONDS} s, cached ≤ ${CACHED_SECONDS} s`,
        met: cold! <= COLD_SECONDS && cached! <= CACHED_SECONDS,
      },
    })
  } finally {
    if (before === undefined) delete process.env.VMSIFT_CACHE
    else process.env.VMSIFT_CACHE = before
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The guest is recognised beforehand: what is measured is one pass over memory. */
async function poolScan(bench: Bench, path: string): Promise<void> {
  const library = (await import(LIBRARY.href)) as Library
  const patterns = literalSets()[0]!.specs
  using target = await library.openTarget(path)
  using guest = await library.openWindowsGuest(target)
  const sides: Case[] = [
    { name: 'processes', run: () => guest.checkedProcesses() },
    {
      name: 'physical scan',
      run: async () => {
        for await (const _ of library.scanIterable(target, { patterns, jobs: 1 }));
      },
    },
  ]
  const samples = await alternate(sides, bench.rounds)
  const measures = samples.map(({ name, seconds }) => throughput(name, bench.megabytes * MIB, seconds))
  const ratio = ratioOf(measures[0]!, measures[1]!)
  const goal = { text: `≥ ${LEAST_RATIO} × physical`, met: ratio >= LEAST_RATIO }
  bench.report.add({ suite: SCAN_SUITE, name: `${bench.megabytes} MiB, full`, measures, ratio, goal })
}
