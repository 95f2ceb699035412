import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { bufferSource } from '../../../src/core/bytes.js'
import { VmsiftError } from '../../../src/core/errors.js'
import { foldAddress, unfoldAddress } from '../../../src/core/folded-address.js'
import { parseImage } from '../../../src/formats/detect.js'
import { windowsData } from '../../helpers/windows-data.js'
import {
  type CrashOptions,
  type TriageOptions,
  writeCrashDump,
  writeTriageDump,
} from '../../images/crashdump.js'
import { openImage } from '../../images/open.js'
import { type ImageRun, numberedBytes } from '../../images/runs.js'

const PAGE = 4096
const RUNS: readonly ImageRun[] = [
  { gpa: PAGE, bytes: numberedBytes(3 * PAGE, 1) },
  { gpa: 64 * PAGE, bytes: numberedBytes(2 * PAGE, 2) },
]
const TOP = 0xffff_8000_0000_0000n

const parse = (bytes: Uint8Array) => parseImage(bufferSource(bytes), {})
const facts = (bytes: Uint8Array) => parse(bytes).notes.windows

/** A dump whose header was changed behind the writer's back. */
function changed(options: CrashOptions, change: (bytes: Buffer) => void): Buffer {
  const bytes = writeCrashDump(RUNS, options)
  change(bytes)
  return bytes
}

describe('the header of a crash dump', () => {
  it('tells the machine, the kernel, and why it stopped', () => {
    const header = { comment: 'by hand', processors: 4, bugCheckCode: 0x7e }
    expect(facts(writeCrashDump(RUNS, { header }))).toMatchObject({
      kind: 'full',
      bits: 64,
      build: 19041,
      directoryTableBase: 0x1ad000n,
      loadedModuleList: 0xf000_2000n,
      activeProcessHead: 0xf000_1000n,
      debuggerDataBlock: 0xf000_0000n,
      processors: 4,
      bugCheck: { code: 0x7e, parameters: [1n, 2n, 3n, 4n] },
      systemTime: 132_583_451_029_877_657n,
      upTime: 37_470_697n,
      comment: 'by hand',
    })
  })

  it.each([
    [{}, 'x86_64'],
    [{ machine: 0xaa64 }, 'aarch64'],
    [{ bits: 32 }, 'i386'],
    [{ bits: 32, pae: true }, 'i386-pae'],
    [{ machine: 0x1c4 }, undefined],
  ] as const)('tells the architecture: %j is %s', (options, architecture) => {
    expect(parse(writeCrashDump(RUNS, options)).architecture).toBe(architecture)
  })

  it('leaves out what its writer did not fill in', () => {
    const bytes = changed({ bits: 32 }, header => {
      header.write('PAGE', 0x60, 'latin1')
      header.write('PAGEPAGE', 0xfc0, 'latin1')
      header.write('PAGE', 0x5c, 'latin1')
    })
    expect(facts(bytes)).not.toHaveProperty('debuggerDataBlock')
    expect(facts(bytes)).not.toHaveProperty('systemTime')
    expect(facts(bytes)).not.toHaveProperty('context')
    expect(parse(bytes).architecture).toBeUndefined()
  })

  it('gives the registers of its context record, and those of the only processor', () => {
    const context = Buffer.alloc(0x100)
    context.writeUInt32LE(0x10_0007, 0x30)
    context.writeUInt16LE(0x10, 0x38)
    context.writeBigUInt64LE(0xfffff804_12345678n, 0xf8)
    const { notes } = parse(writeCrashDump(RUNS, { header: { context } }))
    expect(notes.windows?.context).toMatchObject({ cs: 0x10n, rip: 0xfffff804_12345678n, rax: 0n })
    expect(notes.cpus).toEqual([{ vcpu: 0, registers: notes.windows?.context }])
    expect(parse(writeCrashDump(RUNS, { header: { context, processors: 2 } })).notes.cpus).toEqual([])
  })

  it('refuses types that it does not know, by number', () => {
    const bytes = changed({}, header => header.writeUInt32LE(99, 0xf98))
    expect(() => parse(bytes)).toThrow(/unknown type 99/)
  })

  it('is refused when it is cut', () => {
    const bytes = writeCrashDump(RUNS)
    for (const size of [8, 100, 8191])
      expect(() => parse(bytes.subarray(0, size))).toThrow(expect.objectContaining({ code: 'image-corrupt' }))
  })
})

describe('runs of a full crash dump', () => {
  it('are counted against what the header says', () => {
    const bytes = changed({}, header => header.writeBigUInt64LE(7n, 0x90))
    expect(parse(bytes).warnings).toEqual([expect.stringContaining('counts 7 pages, its runs have 5')])
  })

  it('that overlap speak once for each page, the first first', () => {
    const bytes = changed({}, header => header.writeBigUInt64LE(3n, 0x88 + 16 + 16))
    const { image, memory } = openImage(bytes)
    expect(image.runs).toEqual([{ gpa: PAGE, length: 4 * PAGE }])
    expect(image.warnings).toEqual([expect.stringContaining('overlap: 1 pages')])
    expect(Buffer.from(memory.window(3 * PAGE, PAGE).bytes)).toEqual(
      Buffer.from((RUNS[0] as ImageRun).bytes.subarray(2 * PAGE)),
    )
  })

  it.each([2n ** 64n - 1n, 2n ** 52n, 2n ** 40n])('are refused where no memory can be: page %s', page => {
    const bytes = changed({}, header => header.writeBigUInt64LE(page, 0x88 + 16))
    expect(() => parse(bytes)).toThrow(/past 2\^52/)
  })

  it('are refused when the header was not filled in, or claims more than fit', () => {
    expect(() => parse(changed({}, header => header.write('PAGE', 0x88, 'latin1')))).toThrow(
      /tells no memory runs/,
    )
    expect(() => parse(changed({}, header => header.writeUInt32LE(43, 0x88)))).toThrow(/room for 42/)
  })
})

describe('the bitmap of a crash dump', () => {
  it('tells memory that was left out from what is none', () => {
    const { image, memory } = openImage(
      writeCrashDump(RUNS, { memory: 'bitmap', excluded: gpa => gpa === 2 * PAGE }),
    )
    expect(image.runs).toEqual(RUNS.map(({ gpa, bytes }) => ({ gpa, length: bytes.length })))
    expect(memory.spanAt(2 * PAGE, PAGE)).toEqual({ kind: 'gap', length: PAGE, reason: 'excluded' })
    const bare = parse(
      writeCrashDump(RUNS, { memory: 'bitmap', withoutRuns: true, excluded: gpa => gpa === 2 * PAGE }),
    )
    expect(bare.runs.map(({ gpa }) => gpa)).toEqual([PAGE, 3 * PAGE, 64 * PAGE])
  })

  it('is read in the layout of its type, or the other where only that can be', () => {
    const bytes = changed({ memory: 'old bitmap' }, header => header.writeUInt32LE(5, 0xf98))
    expect(facts(bytes)?.kind).toBe('bitmap')
    expect(parse(bytes).runs).toEqual(RUNS.map(({ gpa, bytes }) => ({ gpa, length: bytes.length })))
  })

  it.each([
    ['longer than the file', (header: Buffer) => header.writeBigUInt64LE(2n ** 30n, 0x2030)],
    [
      'of more pages than any machine has',
      (header: Buffer) => header.writeBigUInt64LE(2n ** 64n - 1n, 0x2030),
    ],
    ['behind the pages', (header: Buffer) => header.writeBigUInt64LE(0x2010n, 0x2020)],
    ['missing', (header: Buffer) => header.write('ABCD', 0x2000, 'latin1')],
  ])('is refused when it is %s', (_, change) => {
    expect(() => parse(changed({ memory: 'bitmap' }, change))).toThrow(
      expect.objectContaining({ code: 'image-corrupt' }),
    )
  })
})

describe('a triage dump', () => {
  const bytes = numberedBytes(PAGE, 3)
  const prcb = Buffer.from(bytes)
  prcb.writeBigUInt64LE(TOP + 0xc000n, 8)
  const options: TriageOptions = {
    blocks: [
      { va: TOP + 0x5001n, bytes },
      { va: TOP + 0x1000n, bytes: bytes.subarray(0, 100) },
      { va: TOP + 0x1040n, bytes: bytes.subarray(0, 100) },
    ],
    prcb,
    process: bytes.subarray(0, 800),
    thread: bytes.subarray(0, 600),
    debuggerData: bytes.subarray(0, 0x380),
    stack: { va: TOP + 0x9000n, bytes },
    drivers: [{ name: 'ntoskrnl.exe', base: TOP, size: 0x800000 }],
    unloaded: [{ name: 'dam.sys', start: TOP, end: TOP + 0x1000n }],
    header: { debuggerDataBlock: TOP + 0xb000n },
  }

  it('is virtual memory: blocks, stack, debugger data and thread at their addresses', () => {
    const { image, memory } = openImage(writeTriageDump(options))
    expect(image.space).toBe('virtual')
    const runs = image.runs.map(({ gpa, length }) => [unfoldAddress(gpa), length])
    expect(runs).toEqual([
      [TOP + 0x1000n, 0x40 + 100],
      [TOP + 0x5001n, PAGE],
      [TOP + 0x9000n, PAGE],
      [TOP + 0xb000n, 0x380],
      [TOP + 0xc000n, 600],
    ])
    const at = foldAddress(TOP + 0x5001n) as number
    expect(Buffer.from(memory.window(at, PAGE).bytes).equals(bytes)).toBe(true)
  })

  it('keeps the kernel structures, drivers and unloaded drivers beside it', () => {
    const triage = facts(writeTriageDump(options))?.triage
    expect(triage?.prcb).toHaveLength(PAGE)
    expect(triage?.process).toHaveLength(800)
    expect(triage?.thread).toHaveLength(600)
    expect(triage?.debuggerData).toHaveLength(0x380)
    expect(triage?.topOfStack).toBe(TOP + 0x9000n)
    expect(triage?.drivers).toEqual([
      { name: 'ntoskrnl.exe', base: TOP, size: 0x800000, timestamp: 0, checksum: 0 },
    ])
    expect(triage?.unloadedDrivers).toEqual([{ name: 'dam.sys', start: TOP, end: TOP + 0x1000n }])
  })

  it('of 32 bits is read likewise', () => {
    const low = 0x8000_0000n
    const { image } = openImage(
      writeTriageDump({
        bits: 32,
        blocks: [{ va: low, bytes }],
        drivers: [{ name: 'hal.dll', base: low, size: 4096 }],
        unloaded: [{ name: 'splitter.sys', start: low, end: low + 1n }],
      }),
    )
    expect(image.runs).toEqual([{ gpa: 0x8000_0000, length: PAGE }])
    expect(image.notes.windows?.triage).toMatchObject({
      drivers: [{ name: 'hal.dll', base: low, size: 4096 }],
      unloadedDrivers: [{ name: 'splitter.sys', start: low, end: low + 1n }],
    })
  })

  it('warns when it was cut short, wherever that was, or is refused', () => {
    const whole = writeTriageDump(options)
    expect(parse(whole).warnings).toEqual([])
    for (let size = 0x2000; size < whole.length; size += 61) {
      try {
        const { image, memory } = openImage(whole.subarray(0, size))
        expect(image.warnings.length).toBeGreaterThan(0)
        for (const run of image.runs) memory.window(run.gpa, run.length)
      } catch (error) {
        expect(error).toMatchObject({ code: 'image-corrupt' })
        expect(error).toBeInstanceOf(VmsiftError)
      }
    }
  })

  it('leaves out blocks without an address, and refuses to hold a million', () => {
    const odd = writeTriageDump({ blocks: [...options.blocks, { va: 0x8123_0000_0000_0000n, bytes }] })
    expect(parse(odd).warnings).toEqual([expect.stringContaining('1 data blocks')])
    const many = writeTriageDump(options)
    many.writeUInt32LE(0xffff_ffff, 0x2000 + 0x7c)
    expect(() => parse(many)).toThrow(/4294967295 data blocks/)
  })
})

describe('folded addresses', () => {
  it.each([0n, 0x7fff_ffff_f000n, TOP, 2n ** 64n - 1n, 0xff00_0000_0000_0000n << 0n])('give back %s', va => {
    const folded = foldAddress(va)
    if (folded === undefined) expect(va).toBe(0xff00_0000_0000_0000n)
    else expect(unfoldAddress(folded)).toBe(va)
  })
})

const TRIAGE = windowsData('dumps/triage_x64.dmp')
const ARM = windowsData('dumps/triage_arm64.dmp')
const FULL = windowsData('dumps/coredump_win10_64bit_stripped.raw')
const NARROW = windowsData('dumps/coredump_win7_32bit_stripped.raw')

describe('real crash dumps', () => {
  it.skipIf(TRIAGE === undefined)('Windows 10 19041 x64, triage (skipped: no Windows data)', () => {
    const { image, memory } = openImage(readFileSync(TRIAGE as string))
    expect(image.warnings).toEqual([])
    expect(image.notes.windows).toMatchObject({
      kind: 'triage',
      build: 19041,
      processors: 16,
      directoryTableBase: 0x1ad000n,
      activeProcessHead: 0xfffff804_7c61e200n,
      loadedModuleList: 0xfffff804_7c62a390n,
      debuggerDataBlock: 0xfffff804_7c600b20n,
      triage: { dataBlocks: 0x727, topOfStack: 0xffff8504_29890ee8n },
    })
    const { drivers, unloadedDrivers, prcb, process } = image.notes.windows?.triage ?? {}
    expect(drivers).toHaveLength(151)
    expect(drivers?.[0]).toMatchObject({
      name: '\\SystemRoot\\system32\\ntoskrnl.exe',
      base: 0xfffff804_7ba00000n,
    })
    expect(unloadedDrivers?.map(({ name }) => name)).toEqual([
      'dam.sys',
      'WdBoot.sys',
      'hwpolicy.sys',
      'mcupdate.dll',
    ])
    expect(prcb).toHaveLength(0xaf00)
    expect(Buffer.from(process ?? []).toString('latin1', 0x5a8, 0x5ae)).toBe('System')
    const kernel = memory.window(foldAddress(0xfffff804_7ba00000n) as number, 2).bytes
    expect(Buffer.from(kernel).toString('latin1')).toBe('MZ')
  })

  it.skipIf(ARM === undefined)('Windows 11 22000 arm64, triage (skipped: no Windows data)', () => {
    const image = parse(readFileSync(ARM as string))
    expect(image.architecture).toBe('aarch64')
    expect(image.warnings).toEqual([])
    expect(image.notes.windows).toMatchObject({ build: 22000, processors: 8, triage: { dataBlocks: 679 } })
    expect(image.notes.windows?.triage?.drivers).toHaveLength(245)
    expect(image.notes.windows?.context).toMatchObject({ pc: 0xfffff803_f32de014n })
  })

  it.skipIf(FULL === undefined)('the header of a full one, x64 (skipped: no Windows data)', () => {
    const image = parse(readFileSync(FULL as string))
    expect(image.runs.map(({ gpa, length }) => [gpa / PAGE, length / PAGE])).toEqual([
      [1, 0x9f],
      [0x100, 0x7f7ef],
      [0x7fbff, 0x3e1],
      [0x100000, 0x380000],
    ])
    expect(image.notes.windows).toMatchObject({ kind: 'full', comment: 'LiveKD live system view' })
  })

  it.skipIf(NARROW === undefined)('the header of a full one, x86 with PAE (skipped: no Windows data)', () => {
    const image = parse(readFileSync(NARROW as string))
    expect(image.architecture).toBe('i386-pae')
    expect(image.runs.reduce((sum, { length }) => sum + length, 0)).toBe(786301 * PAGE)
    expect(image.notes.windows).toMatchObject({ build: 7601, processors: 2 })
    expect(image.notes.windows).not.toHaveProperty('debuggerDataBlock')
  })
})
