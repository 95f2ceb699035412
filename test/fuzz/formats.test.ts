/**
 * Mutated images: every parser, and the readers behind it, only ever throw a VmsiftError, and each case is bounded in
 * time. `FUZZ_CASES` (default 100 000 for each parser) and `FUZZ_SEED` are taken from the environment; a failure names
 * the case's seed, which alone reproduces it.
 */

import { deflateSync } from 'node:zlib'
import { compressSync } from 'snappy'
import { describe, expect, it } from 'vitest'
import { VmsiftError } from '../../src/core/errors.js'
import type { PhysicalMemory } from '../../src/core/memory.js'
import { type Codec, lzoInto, snappyInto, zlibInto, zstdInto } from '../../src/formats/codecs.js'
import { writeAvml } from '../images/avml.js'
import { CAPTURED_LZO1X_999, CAPTURED_ZSTD } from '../images/captured.js'
import { lzoCompress, zstdCompress } from '../images/compress.js'
import { type CrashOptions, writeCrashDump, writeTriageDump } from '../images/crashdump.js'
import { writeElf } from '../images/elf.js'
import { writeFlattened } from '../images/flattened.js'
import { writeKdump } from '../images/kdump.js'
import { writeLime } from '../images/lime.js'
import { prstatusX86, qemuState, vmcoreinfo } from '../images/notes.js'
import { openImage } from '../images/open.js'
import { type ImageRun, numberedBytes, seeded } from '../images/runs.js'
import { type HotSpot, mutate } from './mutate.js'

const CASES = Number(process.env['FUZZ_CASES'] ?? 100_000)
const SEED = Number(process.env['FUZZ_SEED'] ?? 1)
// most cases end in an error, and nobody looks at where it came from
Error.stackTraceLimit = 0

/** A case that takes longer is tried again, since the machine is shared; twice is a finding. */
const CASE_MS = 250
const PAGE = 4096

const RUNS: readonly ImageRun[] = [
  { gpa: 0, bytes: numberedBytes(3 * PAGE, 1) },
  { gpa: 5 * PAGE, bytes: numberedBytes(2 * PAGE, 2) },
]
const NOTES = Buffer.concat([
  prstatusX86([1n, 2n]),
  qemuState({ cr: [1n, 0n, 2n, 3n, 4n] }),
  vmcoreinfo('A=1\n'),
])

interface Seed {
  readonly image: Buffer
  readonly hot: readonly HotSpot[]
}

const kdumpHot = (image: Buffer, shift = 0): HotSpot[] => [
  [shift + 404, 56],
  [shift + 8, 4],
  [shift + PAGE, 104],
  [shift + 2 * PAGE, 4],
  [shift + 3 * PAGE, 4],
  [shift + 4 * PAGE, Math.min(200, image.length - shift - 4 * PAGE)],
]

function elfSeed(options: Parameters<typeof writeElf>[1]): Seed {
  const image = writeElf(RUNS, { notes: NOTES, ...options })
  return {
    image,
    hot: [
      [0, Math.min(1200, image.length)],
      [16, 48],
    ],
  }
}

function kdumpSeed(options: Parameters<typeof writeKdump>[1]): Seed {
  const image = writeKdump(RUNS, { notes: NOTES, ...options })
  return { image, hot: [...kdumpHot(image), [PAGE + 104, NOTES.length]] }
}

function flatSeed(
  inner: Buffer,
  hot: readonly HotSpot[],
  options: Parameters<typeof writeFlattened>[1],
): Seed {
  const image = writeFlattened(inner, options)
  return { image, hot: [...hot, [PAGE, 16], [PAGE + 16, 16], [image.length - 16, 16]] }
}

function rangeSeed(image: Buffer, second: number): Seed {
  return {
    image,
    hot: [
      [0, 32],
      [second, 32],
      [32, 40],
    ],
  }
}

function crashSeed(options: CrashOptions): Seed {
  const image = writeCrashDump(RUNS, options)
  const narrow = options.bits === 32
  const [runs, rest, behind] = narrow ? [96, 0xf80, PAGE] : [0x80, 0xf90, 2 * PAGE]
  return {
    image,
    hot: [
      [8, 64],
      [runs, 60],
      [narrow ? 0x320 : 0x348, 0x100],
      [rest, 0x60],
      [behind, 80],
      [behind, 80],
    ],
  }
}

function triageSeed(bits: 32 | 64): Seed {
  const bytes = numberedBytes(PAGE, 4)
  const top = bits === 64 ? 0xffff_8000_0000_0000n : 0x8000_0000n
  const image = writeTriageDump({
    bits,
    blocks: [0n, 4000n, 0x10000n, 0x7ff000n].map(at => ({ va: top + at, bytes })),
    prcb: bytes,
    process: bytes.subarray(0, 800),
    thread: bytes.subarray(0, 600),
    debuggerData: bytes.subarray(0, 0x380),
    stack: { va: top + 0x20000n, bytes },
    drivers: ['ntoskrnl.exe', 'hal.dll'].map((name, i) => ({
      name,
      base: top + BigInt(i << 20),
      size: 0x8000,
    })),
    unloaded: [{ name: 'dam.sys', start: top, end: top + 0x8000n }],
  })
  const behind = bits === 64 ? 2 * PAGE : PAGE
  return {
    image,
    hot: [
      [behind, 0x80],
      [behind, 0x80],
      [behind + 0xc0, 80],
      [image.length - 300, 300],
    ],
  }
}

const avml = writeAvml(RUNS)
const smallChunks = writeAvml(RUNS, { chunkBytes: 500, oddChunks: true })
const kdump = writeKdump(RUNS)
const SEEDS: Readonly<Record<string, readonly Seed[]>> = {
  lime: [rangeSeed(writeLime(RUNS), 32 + 3 * PAGE)],
  avml: [
    rangeSeed(avml, avml.lastIndexOf('AVML')),
    {
      image: smallChunks,
      hot: [
        [0, 120],
        [smallChunks.length - 200, 200],
      ],
    },
    rangeSeed(writeAvml(RUNS, { stored: true }), 64 + 3 * PAGE),
  ],
  elf: [
    elfSeed({}),
    elfSeed({ bits: 32, machine: 3 }),
    elfSeed({ segmentBytes: 1024, extendedNumbering: true, leftOut: () => PAGE }),
    elfSeed({
      type: 4,
      extra: at => [{ paddr: 100n, offset: at(100), fileBytes: 5000n, memoryBytes: 9000n }],
    }),
  ],
  kdump: [
    kdumpSeed({ codec: 'zlib' }),
    kdumpSeed({ codec: 'lzo', excluded: gpa => gpa === PAGE }),
    kdumpSeed({ codec: 'snappy', shareZeros: true }),
    kdumpSeed({ codec: 'zstd', version: 3 }),
    kdumpSeed({ codec: 'stored', bits: 32, incompleteFrom: 4 }),
  ],
  crashdump: [
    crashSeed({}),
    crashSeed({ bits: 32, pae: true }),
    crashSeed({ memory: 'bitmap', excluded: gpa => gpa === PAGE }),
    crashSeed({ memory: 'old bitmap', bits: 32 }),
    crashSeed({ memory: 'ranges' }),
    triageSeed(64),
    triageSeed(32),
  ],
  flattened: [
    flatSeed(kdump, kdumpHot(kdump, PAGE + 16), { recordBytes: 1 << 20 }),
    flatSeed(kdump, [], { recordBytes: 3000, shuffled: true }),
    flatSeed(writeElf(RUNS), [[PAGE + 16, 256]], { recordBytes: 3000 }),
  ],
}

/** Reads a few windows and spans wherever there is memory. */
function look(memory: PhysicalMemory, next: () => number): void {
  for (const run of memory.runs.slice(0, 3).concat(memory.runs.slice(-1))) {
    const places = [0, run.length - 1, Math.floor((next() / 2 ** 32) * run.length)]
    for (const place of places) {
      const left = run.length - place
      const span = memory.spanAt(run.gpa + place, left)
      if (!(span.length >= 1 && span.length <= left)) throw new Error(`span of ${span.length} within ${left}`)
      const length = Math.min(left, 1 + (next() % 10000))
      const { bytes, stop } = memory.window(run.gpa + place, length)
      if (
        stop === undefined ? bytes.length !== length : bytes.length + stop.length > length || stop.length < 1
      )
        throw new Error(`window of ${bytes.length}+${stop?.length} where ${length} were asked`)
    }
  }
}

/** Runs one case; what it throws, if that is no VmsiftError, is thrown on with the seed. Returns its time. */
function runCase({ image, hot }: Seed, seed: number): { parsed: boolean; ms: number } {
  const { bytes, undo } = mutate(image, hot, seed)
  const start = performance.now()
  let parsed = false
  try {
    const { memory } = openImage(bytes)
    parsed = true
    look(memory, seeded(seed))
  } catch (error) {
    if (!(error instanceof VmsiftError)) throw new Error(`case ${seed}: ${String(error)}`, { cause: error })
  } finally {
    undo()
  }
  return { parsed, ms: performance.now() - start }
}

describe('mutated images end in memory or in a VmsiftError', () => {
  for (const [parser, seeds] of Object.entries(SEEDS))
    it(`${parser}: ${CASES} cases`, () => {
      const before = process.memoryUsage().rss
      let parsed = 0
      for (let i = 0; i < CASES; i++) {
        const seed = SEED * 1_000_003 + i
        const image = seeds[i % seeds.length] as Seed
        const result = runCase(image, seed)
        if (result.parsed) parsed++
        if (result.ms > CASE_MS) expect(runCase(image, seed).ms, `case ${seed} is slow`).toBeLessThan(CASE_MS)
      }
      // Mutations that never get past the first check would prove nothing.
      expect(parsed / CASES).toBeGreaterThan(0.1)
      expect(process.memoryUsage().rss - before).toBeLessThan(700e6)
    }, 300_000)
})

describe('mutated blocks end in bytes or in a VmsiftError', () => {
  const page = numberedBytes(PAGE, 9).fill('text that repeats ', 100, 3000).fill(7, 3500)
  const codecs: Readonly<Record<string, readonly [Codec, Buffer]>> = {
    snappy: [snappyInto, compressSync(page)],
    zlib: [zlibInto, deflateSync(page)],
    lzo: [lzoInto, lzoCompress(page)],
    'lzo of liblzo2': [lzoInto, Buffer.from(CAPTURED_LZO1X_999, 'base64')],
    zstd: [zstdInto, zstdCompress(page)],
    'zstd of libzstd': [zstdInto, Buffer.from(CAPTURED_ZSTD, 'base64')],
  }
  for (const [name, [codec, packed]] of Object.entries(codecs))
    it(`${name}: ${CASES / 5} cases`, () => {
      const target = new Uint8Array(PAGE)
      /** Decodes one mutated block; returns its time. */
      const run = (seed: number): number => {
        const { bytes, undo } = mutate(packed, [[0, Math.min(300, packed.length)]], seed)
        const start = performance.now()
        try {
          codec(bytes, target)
        } catch (error) {
          if (!(error instanceof VmsiftError))
            throw new Error(`case ${seed}: ${String(error)}`, { cause: error })
        } finally {
          undo()
        }
        return performance.now() - start
      }
      for (let i = 0; i < CASES / 5; i++) {
        const seed = SEED * 1_000_003 + i
        // a busy machine can hold up any case, but hardly the same one twice
        if (run(seed) > CASE_MS) expect(run(seed), `case ${seed} is slow`).toBeLessThan(CASE_MS)
      }
    }, 120_000)
})
