/** Every way in which memory can be written, for suites that run over all of them. */
import type { ImageFormat } from '../../src/formats/image.js'
import { writeAvml } from './avml.js'
import { type CrashOptions, writeCrashDump } from './crashdump.js'
import { type ElfOptions, writeElf } from './elf.js'
import { writeFlattened } from './flattened.js'
import { type KdumpCodec, type KdumpOptions, writeKdump } from './kdump.js'
import { writeLime, writePadded } from './lime.js'
import type { ImageRun } from './runs.js'

/** One way of writing runs of memory. `write` takes runs that are whole pages, ascending, and don't touch. */
export interface FormatCase {
  readonly name: string
  readonly format: ImageFormat
  readonly write: (runs: readonly ImageRun[]) => Buffer
  /** Holes are in the file as zeros: there is one run from address 0. */
  readonly padded?: boolean
  /** Whether the page at an address of `write`'s runs is left out of the file. */
  readonly excluded?: (gpa: number) => boolean
}

const everyThird = (gpa: number): boolean => (gpa / 4096) % 3 === 1

function elf(name: string, options: ElfOptions): FormatCase {
  return { name: `elf ${name}`, format: 'elf', write: runs => writeElf(runs, options) }
}

function kdump(name: string, options: KdumpOptions): FormatCase {
  const { excluded } = options
  const write = (runs: readonly ImageRun[]): Buffer => writeKdump(runs, options)
  return { name: `kdump ${name}`, format: 'kdump', write, ...(excluded === undefined ? {} : { excluded }) }
}

function crashdump(name: string, options: CrashOptions): FormatCase {
  const { excluded } = options
  const write = (runs: readonly ImageRun[]): Buffer => writeCrashDump(runs, options)
  return {
    name: `crashdump ${name}`,
    format: 'crashdump',
    write,
    ...(excluded === undefined ? {} : { excluded }),
  }
}

const CODECS: readonly KdumpCodec[] = ['stored', 'zlib', 'lzo', 'snappy', 'zstd']

/** QEMU's paging=on: segments before the real ones that show parts of the same memory again. */
const ALIASES: ElfOptions = {
  extra: offsetOf =>
    Array.from({ length: 300 }, (_, i) => ({
      paddr: BigInt(4096 * (i % 7)),
      vaddr: 0xffff_8000_0000_0000n + BigInt(i) * 4096n,
      offset: offsetOf(4096 * (i % 7)),
      fileBytes: 4096n,
      memoryBytes: 4096n,
    })),
}

export const FORMATS: readonly FormatCase[] = [
  { name: 'raw', format: 'raw', write: writePadded, padded: true },
  { name: 'lime', format: 'lime', write: writeLime },
  { name: 'lime out of order', format: 'lime', write: runs => writeLime([...runs].reverse()) },
  { name: 'avml', format: 'avml', write: runs => writeAvml(runs) },
  { name: 'avml stored', format: 'avml', write: runs => writeAvml(runs, { stored: true, oddChunks: true }) },
  { name: 'avml small chunks', format: 'avml', write: runs => writeAvml(runs, { chunkBytes: 1000 }) },
  { name: 'avml out of order', format: 'avml', write: runs => writeAvml([...runs].reverse()) },
  elf('64 bits', {}),
  elf('32 bits', { bits: 32, machine: 3 }),
  elf('as QEMU 7.2', { headerSize: 8, skew: 0x6b8 }),
  elf('a segment a page', { segmentBytes: 4096, extendedNumbering: true }),
  elf('with aliases', ALIASES),
  ...CODECS.map(codec => kdump(codec, { codec })),
  ...CODECS.map(codec => kdump(`${codec} with pages left out`, { codec, excluded: everyThird })),
  kdump('32 bits', { bits: 32, machine: 'i686' }),
  kdump('version 1', { version: 1 }),
  kdump('shared zero page', { shareZeros: true }),
  kdump('one bitmap', { oneBitmap: true }),
  crashdump('full', {}),
  crashdump('full, 32 bits, PAE', { bits: 32, pae: true }),
  crashdump('bitmap', { memory: 'bitmap' }),
  crashdump('bitmap with pages left out', { memory: 'bitmap', excluded: everyThird }),
  crashdump('bitmap, no runs in the header', { memory: 'bitmap', withoutRuns: true }),
  crashdump('bitmap, 32 bits', { memory: 'bitmap', bits: 32 }),
  crashdump('old bitmap', { memory: 'old bitmap', excluded: everyThird }),
  crashdump('old bitmap, 32 bits', { memory: 'old bitmap', bits: 32 }),
  crashdump('ranges with pages left out', { memory: 'ranges', excluded: everyThird }),
  { name: 'kdump flattened', format: 'kdump', write: runs => writeFlattened(writeKdump(runs)) },
  {
    name: 'kdump flattened, records out of order',
    format: 'kdump',
    write: runs =>
      writeFlattened(writeKdump(runs, { codec: 'snappy' }), { recordBytes: 5000, shuffled: true }),
  },
  {
    name: 'elf flattened',
    format: 'elf',
    write: runs => writeFlattened(writeElf(runs), { recordBytes: 5000, shuffled: true }),
  },
]
