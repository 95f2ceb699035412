import { describe, expect, it } from 'vitest'
import { bufferSource } from '../../../src/core/bytes.js'
import { buildRanks, findBit, rank } from '../../../src/formats/bitmap.js'
import { flattenedSource, indexFlattened } from '../../../src/formats/flattened.js'
import { resolveOverlaps } from '../../../src/formats/overlaps.js'
import { writeFlattened } from '../../images/flattened.js'
import { type KdumpOptions, writeKdump } from '../../images/kdump.js'
import { prstatusI386, prstatusX86, qemuState } from '../../images/notes.js'
import { openImage } from '../../images/open.js'
import { memoryBytes, numberedBytes, seeded } from '../../images/runs.js'

const PAGE = 4096
const RUNS = [
  { gpa: PAGE, bytes: numberedBytes(6 * PAGE, 1) },
  { gpa: 16 * PAGE, bytes: numberedBytes(4 * PAGE, 2) },
]
const write = (options: KdumpOptions = {}): Buffer => writeKdump(RUNS, options)
/** Offset of the first descriptor in `write()`'s file: header, sub header, two bitmaps of a block. */
const DESCRIPTORS = 4 * PAGE

describe('kdump', () => {
  it.each([0, 1, 2, 3, 4, 5, 6])('reads header version %i, 32 and 64 bits', version => {
    for (const bits of [32, 64] as const) {
      const { image, memory } = openImage(
        write({ version, bits, notes: prstatusX86([9n]), vmcoreinfo: 'A=1\n' }),
      )
      expect(image.runs).toEqual(RUNS.map(({ gpa, bytes }) => ({ gpa, length: bytes.length })))
      expect(image.notes.vmcoreinfo).toBe(version >= 3 ? 'A=1\n' : undefined)
      expect(image.notes.cpus).toHaveLength(version >= 4 ? 1 : 0)
      expect(
        Buffer.from(memory.window(PAGE, PAGE).bytes).equals(
          RUNS[0]?.bytes.subarray(0, PAGE) ?? Buffer.alloc(0),
        ),
      ).toBe(true)
    }
  })

  it('reads pages of 64 KiB', () => {
    const runs = [{ gpa: 1 << 20, bytes: memoryBytes(1 << 18, 4) }]
    const { memory } = openImage(writeKdump(runs, { blockBytes: 65536, codec: 'lzo' }))
    expect(Buffer.from(memory.window(1 << 20, 1 << 18).bytes).equals(memoryBytes(1 << 18, 4))).toBe(true)
  })

  it('believes the layout of QEMU’s notes before a machine name that QEMU always writes', () => {
    const notes = Buffer.concat([prstatusI386([1]), qemuState({ cr: [0n, 0n, 0n, 0n, 0x20n] })])
    expect(openImage(write({ machine: 'x86_64', notes })).image.architecture).toBe('i386-pae')
    expect(openImage(write({ machine: 'x86_64' })).image.architecture).toBe('x86_64')
  })

  it('coalesces pages left out', () => {
    const { memory } = openImage(write({ excluded: gpa => gpa >= 2 * PAGE && gpa < 5 * PAGE }))
    expect(memory.spanAt(2 * PAGE + 5, 100 * PAGE)).toEqual({
      kind: 'gap',
      length: 3 * PAGE - 5,
      reason: 'excluded',
    })
    expect(memory.window(PAGE, 6 * PAGE).stop).toEqual({ reason: 'excluded', length: 3 * PAGE })
  })

  it('knows zero pages without reading them once it met the one they share', () => {
    const runs = [{ gpa: 0, bytes: Buffer.concat([numberedBytes(PAGE, 1), Buffer.alloc(5 * PAGE)]) }]
    const { memory } = openImage(writeKdump(runs, { shareZeros: true }))
    expect(memory.spanAt(0, 6 * PAGE)).toEqual({ kind: 'data', length: 6 * PAGE })
    memory.window(0, 6 * PAGE)
    expect(memory.spanAt(0, 6 * PAGE)).toEqual({ kind: 'data', length: PAGE })
    expect(memory.spanAt(PAGE + 1, 6 * PAGE)).toEqual({ kind: 'zero', length: 5 * PAGE - 1 })
  })

  it('tells the pages of an unfinished dump as truncated', () => {
    const { image, memory } = openImage(write({ incompleteFrom: 3 }))
    expect(image.warnings).toHaveLength(1)
    expect(memory.window(PAGE, 6 * PAGE).stop).toEqual({ reason: 'truncated', length: PAGE })
  })

  it('tells pages past the end of a cut file as truncated', () => {
    const { memory } = openImage(write().subarray(0, -100))
    expect(memory.window(19 * PAGE, PAGE).stop).toEqual({ reason: 'truncated', length: PAGE })
  })

  it.each([
    ['size 0', 8, 0],
    ['a size beyond a page', 8, PAGE + 1],
    ['an unknown codec', 12, 0x10 | 3],
    ['another codec', 12, 4],
    ['an offset inside the headers', 0, 100],
  ])('makes a page whose descriptor lies unreadable: %s', (_name, field, value) => {
    const bytes = write()
    bytes.writeUInt32LE(value, DESCRIPTORS + field)
    const { memory } = openImage(bytes)
    expect(memory.window(PAGE, 2 * PAGE).stop).toEqual({ reason: 'unreadable', length: PAGE })
    expect(memory.window(2 * PAGE, PAGE).stop).toBeUndefined()
  })

  it.each([
    ['a block size that is no power of two', 428, 5000],
    ['bitmaps that the file does not hold', 436, 0x7fff_ffff],
    ['no bitmaps', 436, 0],
  ])('refuses %s', (_name, at, value) => {
    const bytes = write()
    bytes.writeUInt32LE(value, at)
    expect(() => openImage(bytes)).toThrow(expect.objectContaining({ code: 'image-corrupt' }))
  })

  it('refuses more pages than the bitmaps have bits for', () => {
    const bytes = write()
    bytes.writeBigUInt64LE(1n << 20n, PAGE + 96)
    expect(() => openImage(bytes)).toThrow(/too small/)
  })

  it('refuses a bitmap of alternating bits instead of holding a million runs', () => {
    const pages = 2 ** 22
    const head = write().subarray(0, 2 * PAGE)
    head.writeUInt32LE((pages / 8 / PAGE) * 2, 436)
    head.writeBigUInt64LE(BigInt(pages), PAGE + 96)
    expect(() => openImage(Buffer.concat([head, Buffer.alloc((pages / 8) * 2, 0x55)]))).toThrow(
      /too fragmented/,
    )
  })
})

describe('flattened dumps', () => {
  it('read as their rearranged form at any place', () => {
    const plain = memoryBytes(100_000, 3).fill(0, 40_000, 60_000)
    for (const options of [{}, { recordBytes: 777, shuffled: true }]) {
      const flat = bufferSource(writeFlattened(plain, options))
      const source = flattenedSource(indexFlattened(flat), flat)
      expect(source.size).toBe(plain.length)
      const next = seeded(5)
      for (let i = 0; i < 300; i++) {
        const at = next() % plain.length
        const target = Buffer.alloc(1 + (next() % 5000))
        const got = source.read(at, target)
        expect(target.subarray(0, got).equals(plain.subarray(at, at + target.length))).toBe(true)
      }
    }
  })

  it('warn when there is no end mark, and tell lost pages as truncated', () => {
    const { image, memory } = openImage(
      writeFlattened(write({ codec: 'stored' }), { noEnd: true }).subarray(0, -PAGE - 5),
    )
    expect(image.warnings.join()).toContain('no end mark')
    expect(memory.window(19 * PAGE, PAGE).stop?.reason).toBe('truncated')
  })

  it('refuse records out of bounds', () => {
    const bytes = writeFlattened(write())
    bytes.writeBigInt64BE(-8n, PAGE)
    expect(() => openImage(bytes)).toThrow(/out of bounds/)
  })

  it('refuse what is neither kdump nor ELF inside', () => {
    expect(() => openImage(writeFlattened(Buffer.alloc(5000, 1)))).toThrow(/neither/)
  })
})

describe('bitmap', () => {
  it('ranks as counting bit by bit does', () => {
    const bitmap = memoryBytes(4096, 6)
    const ranks = buildRanks(bitmap)
    let count = 0
    for (let i = 0; i < bitmap.length * 8; i++) {
      if (i % 97 === 0) expect(rank(bitmap, ranks, i)).toBe(count)
      count += ((bitmap[Math.floor(i / 8)] as number) >> (i % 8)) & 1
    }
  })

  it('finds bits across whole bytes', () => {
    const bitmap = Buffer.from([0, 0, 0x10, 0xff, 0xff, 0x7f])
    expect(findBit(bitmap, true, 0, 48)).toBe(20)
    expect(findBit(bitmap, false, 24, 48)).toBe(47)
    expect(findBit(bitmap, true, 47, 48)).toBe(48)
  })
})

describe('overlaps', () => {
  it.each(['first', 'last'] as const)('resolves as painting byte by byte does: the %s wins', winner => {
    const next = seeded(11)
    for (let round = 0; round < 300; round++) {
      const count = 1 + (next() % 12)
      const starts = Float64Array.from({ length: count }, () => next() % 60)
      const lengths = Float64Array.from({ length: count }, () => next() % 20)
      const painted = new Array<number>(100).fill(-1)
      for (let i = 0; i < count; i++) {
        const index = winner === 'first' ? count - 1 - i : i
        painted.fill(index, starts[index] as number, (starts[index] as number) + (lengths[index] as number))
      }
      const got = new Array<number>(100).fill(-1)
      let last = 0
      resolveOverlaps(starts, lengths, winner, (index, start, length) => {
        expect(start).toBeGreaterThanOrEqual(last)
        last = start + length
        got.fill(index, start, last)
      })
      expect(got).toEqual(painted)
    }
  })
})
