/** Suite 6: the same content in every format, through one worker's path. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openMemory } from '../../src/drivers/open.js'
import { openTarget } from '../../src/index.js'
import { compileScan } from '../../src/patterns/compile.js'
import { FORMATS } from '../../test/images/formats.js'
import { benchDirectory, MIB, realImage } from '../data.js'
import { Harness } from '../harness.js'
import { alternate } from '../measure.js'
import { literalSets } from '../patterns.js'
import { ratioOf, throughput } from '../report.js'
import type { Bench } from '../suite.js'

const SUITE = 'formats: one literal, one thread, GB/s of memory; each against raw'
const MEGABYTES = 256
const NAMES = ['raw', 'lime', 'elf 64 bits', 'kdump zlib', 'kdump snappy', 'kdump lzo', 'kdump zstd', 'avml']

/** Writes each image once, then scans them in turns. */
export async function formats(bench: Bench): Promise<void> {
  const megabytes = Math.min(MEGABYTES, bench.megabytes)
  const [set] = literalSets()
  const compiled = await compileScan(set!.specs)
  const sides: { name: string; harness: Harness; close: () => void }[] = []
  for (const name of NAMES) {
    const path = imageOf(name, megabytes)
    if (path === undefined) {
      bench.report.skip(SUITE, name, 'test/images does not write it')
      continue
    }
    const target = await openTarget(path)
    const harness = new Harness(compiled, openMemory(target.driver))
    sides.push({ name, harness, close: () => target[Symbol.dispose]() })
  }
  const samples = await alternate(
    sides.map(({ name, harness }) => ({ name, run: () => harness.pass() })),
    Math.min(5, bench.rounds),
  )
  for (const { name, harness, close } of sides) {
    if (harness.matches !== sides[0]!.harness.matches) throw new Error(`${name}: ${harness.matches} matches`)
    harness[Symbol.dispose]()
    close()
  }
  const measures = samples.map(({ name, seconds }) => throughput(name, megabytes * MIB, seconds))
  for (const measure of measures)
    bench.report.add({
      suite: SUITE,
      name: measure.name,
      measures: [measure],
      ratio: ratioOf(measure, measures[0]!),
    })
}

function imageOf(name: string, megabytes: number): string | undefined {
  const format = FORMATS.find(one => one.name === name)
  if (format === undefined) return undefined
  const raw = realImage(megabytes)
  if (name === 'raw') return raw
  const path = join(benchDirectory(), `${name.replaceAll(' ', '-')}-${megabytes}m-v2.img`)
  if (!existsSync(path)) {
    process.stderr.write(`making ${path}\n`)
    writeFileSync(path, format.write([{ gpa: 0, bytes: readFileSync(raw) }]))
  }
  return path
}
