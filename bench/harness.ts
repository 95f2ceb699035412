/** What a worker does with its partitions, in this thread: the real driver, scanners and block loop, no pool. */
import { closeSync, fstatSync, openSync } from 'node:fs'
import { createScanners } from '../scanners/index.js'
import type { PhysicalMemory } from '../src/core/memory.js'
import { DirectMemory } from '../src/drivers/direct-memory.js'
import { FileHoles } from '../src/drivers/file-holes.js'
import { FileMap, leaseOn } from '../src/drivers/file-map.js'
import { PageCache } from '../src/drivers/page-cache.js'
import { type Libc, tryLibc } from '../src/ffi/libc.js'
import { compileScan } from '../src/patterns/compile.js'
import type { CompiledScan } from '../src/scan/compiled-scan.js'
import { ControlBlock } from '../src/scan/control.js'
import { partitionSize, planPartitions } from '../src/scan/plan.js'
import type { Scanner } from '../src/scan/scanner.js'
import { type PartitionScanner, scanPartition } from '../workers/partition-scan.js'
import type { PatternSet } from './patterns.js'

const BLOCK_BYTES = 4 * 2 ** 20

/** How the bytes are had. */
export interface Access {
  /** Bytes mapped at a time: the driver's own choice, or the whole file, which then stays mapped between passes. */
  readonly window: 'driver' | 'whole'
  readonly lease?: boolean
  readonly populate?: boolean
  /** False: pread. */
  readonly map?: boolean
}

/** A raw file's memory with the pieces that `openMemory` puts together, some of them left out on purpose. */
export function openFor(path: string, access: Access): PhysicalMemory {
  const fd = openSync(path, 'r')
  const { size } = fstatSync(fd)
  const libc = tryLibc()
  if (libc === undefined) throw new Error('no koffi or no Linux here: nothing to map with')
  const extents = { gpa: Float64Array.of(0), length: Float64Array.of(size), offset: Float64Array.of(0) }
  const window = access.window === 'whole' ? { windowBytes: size } : {}
  const memory = new DirectMemory([{ gpa: 0, length: size }], extents, fd, () => fstatSync(fd).size, {
    holes: new FileHoles(libc, fd),
    cache: new PageCache(libc, fd, size),
    ...(access.map !== false && {
      map: new FileMap(without(libc, access), fd, leaseOn(libc, fd), window),
    }),
  })
  const dispose = memory[Symbol.dispose].bind(memory)
  memory[Symbol.dispose] = () => {
    dispose()
    closeSync(fd)
  }
  return memory
}

function without(libc: Libc, { lease = true, populate = true }: Access): Libc {
  return {
    ...libc,
    ...(!lease && { takeLease: () => true, holdsLease: () => true }),
    ...(!populate && withoutPopulate(libc)),
  }
}

/** The calls that return mappings, returning mappings whose `populate` does nothing. */
function withoutPopulate(libc: Libc): Partial<Libc> {
  const calls = Object.entries(libc) as [string, (...words: number[]) => unknown][]
  return Object.fromEntries(
    calls.map(([name, call]) => [
      name,
      (...words: number[]) => {
        const made = call(...words)
        return typeof made === 'object' && made !== null && 'populate' in made
          ? { ...made, populate: () => true }
          : made
      },
    ]),
  )
}

/** A compiled set of patterns over one memory, ready for pass after pass. */
export class Harness implements Disposable {
  matches = 0
  readonly compiled: CompiledScan
  readonly #memory: PhysicalMemory
  readonly #scanners: readonly Scanner[]
  readonly #scan: PartitionScanner
  readonly #control = ControlBlock.create(1)

  constructor(compiled: CompiledScan, memory: PhysicalMemory) {
    this.compiled = compiled
    this.#memory = memory
    this.#scanners = createScanners(compiled)
    this.#scan = {
      memory,
      scanners: this.#scanners,
      runs: memory.runs,
      control: this.#control,
      blockBytes: BLOCK_BYTES,
      lookBehindBytes: compiled.lookBehindBytes,
      lookAheadBytes: compiled.lookAheadBytes,
      contextBytes: 0,
      sort: false,
      skipZeros: true,
      post: batch => {
        this.matches += batch.columns.count
        this.#control.release(0)
      },
    }
  }

  static async open(set: PatternSet, path: string, access: Access): Promise<Harness> {
    return new Harness(await compileScan(set.specs), openFor(path, access))
  }

  /** Scans everything once; `matches` is then that pass's. */
  pass(): void {
    this.matches = 0
    const { runs } = this.#memory
    const bytes = runs.reduce((sum, run) => sum + run.length, 0)
    const size = partitionSize(bytes, 1, BLOCK_BYTES)
    const task = {
      kind: 'scan',
      context: { json: new SharedArrayBuffer(0), binaries: [] },
      attempt: 0,
      slot: 0,
      skip: 0,
    } as const
    for (const { index, start, end } of planPartitions(runs, size, BLOCK_BYTES)) {
      this.#control.startSlot(0, 0)
      scanPartition(this.#scan, { ...task, partition: index, start, end })
    }
  }

  [Symbol.dispose](): void {
    for (const scanner of this.#scanners) scanner[Symbol.dispose]()
    this.#memory[Symbol.dispose]()
  }
}
