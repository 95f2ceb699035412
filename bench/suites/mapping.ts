/** Suite 7: what keeps a mapped file safe, and what each piece of it costs. The figures for docs/DECISIONS.md. */
import { MIB, realImage } from '../data.js'
import { type Access, Harness } from '../harness.js'
import { alternate } from '../measure.js'
import { literalSets } from '../patterns.js'
import { ratioOf, throughput } from '../report.js'
import type { Bench } from '../suite.js'

const SUITE = 'mapping: one literal, one thread, GB/s; each against the bare mapping'

const WAYS: readonly (Access & { readonly name: string })[] = [
  { name: 'bare mapping', window: 'driver', lease: false, populate: false },
  { name: 'lease', window: 'driver', lease: true, populate: false },
  { name: 'populate', window: 'driver', lease: false, populate: true },
  { name: 'lease + populate', window: 'driver', lease: true, populate: true },
  { name: 'pread', window: 'driver', map: false },
]

/** The driver's ways to get at the bytes of a file, side by side. */
export async function mapping(bench: Bench): Promise<void> {
  const image = realImage(bench.megabytes)
  const [set] = literalSets()
  const harnesses: Harness[] = []
  for (const way of WAYS) harnesses.push(await Harness.open(set!, image, way))
  const samples = await alternate(
    WAYS.map(({ name }, index) => ({ name, run: () => harnesses[index]!.pass() })),
    bench.rounds,
  )
  for (const harness of harnesses) harness[Symbol.dispose]()
  const measures = samples.map(({ name, seconds }) => throughput(name, bench.megabytes * MIB, seconds))
  const bare = measures[0]!
  for (const measure of measures)
    bench.report.add({
      suite: SUITE,
      name: measure.name,
      measures: [measure, bare],
      ratio: ratioOf(measure, bare),
    })
}
