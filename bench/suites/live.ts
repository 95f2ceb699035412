/** Suite 10: running guests, each way to read one beside what it is measured by. The figures for docs/DECISIONS.md. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { copyFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { openTarget } from '../../src/coordinator/target.js'
import type { PhysicalMemory } from '../../src/core/memory.js'
import { openMemory } from '../../src/drivers/open.js'
import type { DriverSpec } from '../../src/drivers/spec.js'
import { compileScan } from '../../src/patterns/compile.js'
import { findProgram } from '../../test/lab/command.js'
import { allowHugePages } from '../../test/lab/huge-pages.js'
import { benchDirectory, MIB, realImage, warm } from '../data.js'
import { Harness } from '../harness.js'
import { type BenchGuest, FIRST_BYTE, startGuest } from '../live-guest.js'
import { alternateProcessor } from '../measure.js'
import { literalSets } from '../patterns.js'
import { type Measure, ratioOf, throughput } from '../report.js'
import type { Bench } from '../suite.js'

const SCANS = 'live: one literal, one thread, GB/s of processor time'
const COPIES = 'live: copying, one thread, GB/s of processor time'
const PIECE_BYTES = 4 * MIB
/** Pages of 4 KiB a second that LibVMI's driver for KVM without patches reads through the monitor (measured, the better figure). */
const LIBVMI_PAGES = 642
const SOURCE = fileURLToPath(new URL('../native/process-read.c', import.meta.url))

/** Guests of a quarter of the image: three of them, and the image, lie in memory at the same time. */
export async function live(bench: Bench): Promise<void> {
  if (findProgram('qemu-system-x86_64') === undefined)
    return bench.report.skip(SCANS, 'all', 'qemu-system-x86_64 not found')
  const megabytes = Math.max(64, bench.megabytes / 4)
  const image = realImage(megabytes)
  warm(image)
  await using memfd = await startGuest('memfd', megabytes, image)
  await using anonymous = await startGuest('anonymous', megabytes, image)
  await using file = await startGuest('file', megabytes, image)
  const pages = allowHugePages(megabytes * MIB)
  try {
    await using huge = 'missing' in pages ? undefined : await startGuest('huge', megabytes, image)
    if ('missing' in pages) bench.report.skip(SCANS, 'memfd of huge pages', pages.missing)
    await scans(bench, megabytes, image, { memfd, anonymous, file, ...(huge && { huge }) })
  } finally {
    if (!('missing' in pages)) pages[Symbol.dispose]()
  }
  await copies(bench, megabytes, { anonymous, file })
}

interface Guests {
  readonly memfd: BenchGuest
  readonly anonymous: BenchGuest
  readonly file: BenchGuest
  readonly huge?: BenchGuest
}

/**
 * The block loop with a real scanner over each kind of memory. The peers: the image on a disk, in the page cache; a copy of it on tmpfs, written from
 * start to end; and a guest's file on tmpfs, written through the same code as the memfd, mapped although nothing keeps it from shrinking.
 */
async function scans(bench: Bench, megabytes: number, image: string, guests: Guests): Promise<void> {
  const [set] = literalSets()
  const compiled = await compileScan(set!.specs)
  const tmpfs = `/dev/shm/vmsift-bench-${process.pid}.img`
  copyFileSync(image, tmpfs)
  const sides: { name: string; harness: Harness; close: () => void }[] = []
  const add = async (
    name: string,
    path: string,
    change?: (spec: DriverSpec) => DriverSpec,
  ): Promise<void> => {
    const target = await openTarget(path)
    const memory = openMemory(change?.(target.driver) ?? target.driver)
    sides.push({ name, harness: new Harness(compiled, memory), close: () => target[Symbol.dispose]() })
  }
  try {
    await add('file, page cache', image)
    await add('file, tmpfs', tmpfs)
    await add('sealed memfd, mapped', guests.memfd.target)
    await add('shared file, pread', guests.file.target)
    await add('shared file, mapped at risk', guests.file.target, asSealed)
    if (guests.huge !== undefined) {
      await add('sealed memfd of huge pages, mapped', guests.huge.target)
      await add('the same, pread', guests.huge.target, spec => ({ ...spec, map: false }))
    }
    await add('anonymous, process_vm_readv', guests.anonymous.target)
    const samples = await alternateProcessor(
      sides.map(({ name, harness }) => ({ name, run: () => harness.pass() })),
      bench.rounds,
    )
    const measures = samples.map(({ name, seconds }) => throughput(name, megabytes * MIB, seconds))
    const [disk, shm, mapped, , atRisk] = measures as [Measure, Measure, Measure, Measure, Measure]
    const goal = (ratio: number, least: number) => ({ text: `at least ${least}`, met: ratio >= least })
    for (const [index, measure] of measures.entries()) {
      const peer = index === 2 ? shm : disk
      const ratio = ratioOf(measure, peer)
      const lines = { suite: SCANS, name: measure.name, measures: [measure, peer], ratio }
      bench.report.add(measure === mapped ? { ...lines, goal: goal(ratio, 0.95) } : lines)
    }
    bench.report.add({
      suite: SCANS,
      name: 'sealed memfd, against a file filled in the same way',
      measures: [mapped, atRisk],
      ratio: ratioOf(mapped, atRisk),
      goal: goal(ratioOf(mapped, atRisk), 0.95),
    })
    const libvmi: Measure = { name: 'LibVMI, KVM', unit: 'GB/s', values: [(LIBVMI_PAGES * 4096) / 1e9] }
    const ours = measures.at(-1)!
    const ratio = ratioOf(ours, libvmi)
    bench.report.add({
      suite: SCANS,
      name: 'against LibVMI',
      measures: [ours, libvmi],
      ratio,
      goal: goal(ratio, 100),
    })
  } finally {
    for (const { harness, close } of sides) {
      harness[Symbol.dispose]()
      close()
    }
    rmSync(tmpfs, { force: true })
  }
}

/** What the shared file would give if nothing could shrink it. */
function asSealed(spec: DriverSpec): DriverSpec {
  if (spec.kind !== 'live') return spec
  return {
    ...spec,
    sources: spec.sources.map(source => (source.kind === 'file' ? { ...source, sealed: true } : source)),
  }
}

/** Bytes into a buffer, nothing done with them. */
async function copies(
  bench: Bench,
  megabytes: number,
  guests: Pick<Guests, 'anonymous' | 'file'>,
): Promise<void> {
  const bytes = megabytes * MIB - FIRST_BYTE
  const native = buildReader()
  if (native === undefined) return bench.report.skip(COPIES, 'all', 'gcc not found')
  using loop = new NativeLoop(native, guests.anonymous, bytes)
  using target = await openTarget(guests.anonymous.target)
  using own = openMemory(target.driver)
  using fileTarget = await openTarget(guests.file.target)
  using pread = openMemory(fileTarget.driver)
  const samples = await alternateProcessor(
    [
      { name: 'process_vm_readv', run: () => readAll(own, bytes) },
      { name: 'pread of the shared file', run: () => readAll(pread, bytes) },
      { name: 'C loop', run: () => loop.pass() },
    ],
    bench.rounds,
  )
  const c = throughput('C, process_vm_readv', bytes, samples.at(-1)!.seconds)
  for (const { name, seconds } of samples.slice(0, 2)) {
    const measure = throughput(name, bytes, seconds)
    const ratio = ratioOf(measure, c)
    const lines = { suite: COPIES, name, measures: [measure, c], ratio }
    bench.report.add(
      name === 'process_vm_readv' ? { ...lines, goal: { text: 'at least 0.8', met: ratio >= 0.8 } } : lines,
    )
  }
}

function readAll(memory: PhysicalMemory, bytes: number): void {
  for (let at = 0; at < bytes; at += PIECE_BYTES) {
    const wanted = Math.min(PIECE_BYTES, bytes - at)
    const got = memory.window(FIRST_BYTE + at, wanted).bytes.length
    if (got !== wanted) throw new Error(`${got} of ${wanted} bytes at ${at}`)
  }
}

function buildReader(): string | undefined {
  if (findProgram('gcc') === undefined) return undefined
  const path = join(benchDirectory(), 'process-read')
  execFileSync('gcc', ['-O3', '-o', path, SOURCE])
  return path
}

/** The C program: one pass for each call, its processor time by its own account. */
class NativeLoop implements Disposable {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(path: string, { pid, pointer }: BenchGuest, bytes: number) {
    this.#child = spawn(path, [String(pid), String(pointer), String(bytes)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
  }

  async pass(): Promise<number> {
    this.#child.stdin!.write('go\n')
    const { value, done } = await this.#lines.next()
    if (done === true) throw new Error('process-read has ended')
    return Number(value)
  }

  [Symbol.dispose](): void {
    this.#child.stdin!.end()
  }
}
