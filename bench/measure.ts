/** Benchmark.js behind one call: cases take turns, A B A B, so that what drifts on the machine hits all of them alike. */
import Benchmark from 'benchmark'

// the cases close over what they need, which a decompiled function can't see
const { support } = Benchmark as unknown as { support: { decompilation: boolean } }
support.decompilation = false

export interface Case {
  readonly name: string
  /** One whole run of what is measured. */
  readonly run: () => unknown
}

export interface Samples {
  readonly name: string
  /** Seconds of each round. */
  readonly seconds: readonly number[]
}

/** Runs every case once to warm up, then `rounds` times in turns. @throws what a case throws. */
export async function alternate(cases: readonly Case[], rounds: number): Promise<Samples[]> {
  const samples = cases.map(({ name }) => ({ name, seconds: [] as number[] }))
  for (const one of cases) await one.run()
  for (let round = 0; round < rounds; round++)
    for (const [index, one] of cases.entries()) samples[index]!.seconds.push(await clock(one))
  return samples
}

/**
 * The same in processor time of this process, all its threads and the kernel's work for it: on a machine that others keep busy, what a run
 * takes and not what it waits. A run that returns a number has measured itself.
 */
export async function alternateProcessor(cases: readonly Case[], rounds: number): Promise<Samples[]> {
  const samples = cases.map(({ name }) => ({ name, seconds: [] as number[] }))
  for (const one of cases) await one.run()
  for (let round = 0; round < rounds; round++)
    for (const [index, one] of cases.entries()) {
      const before = process.cpuUsage()
      const own = await one.run()
      const { user, system } = process.cpuUsage(before)
      samples[index]!.seconds.push(typeof own === 'number' ? own : (user + system) / 1e6)
    }
  return samples
}

/** Seconds of one run by Benchmark.js. */
function clock(one: Case): Promise<number> {
  return new Promise((resolve, reject) => {
    let failure: unknown
    const fail = (error: unknown): void => {
      failure = error ?? new Error(`${one.name} failed`)
    }
    const benchmark = new Benchmark(
      one.name,
      (deferred: { resolve(): void }) => {
        new Promise(done => done(one.run())).catch(fail).finally(() => deferred.resolve())
      },
      { defer: true, initCount: 1, minSamples: 1, minTime: 1e-6, maxTime: 1e-6, delay: 0.001 },
    )
    benchmark.on('complete', () => {
      const error = failure ?? (benchmark as { error?: unknown }).error
      if (error !== undefined) reject(error)
      else resolve(benchmark.stats.mean)
    })
    benchmark.run({ async: true })
  })
}
