import { describe, expect, it } from 'vitest'
import { bytesReader } from '../../../src/symbols/byte-reader.js'
import { parseKallsyms } from '../../../src/symbols/kallsyms.js'
import { findKallsyms, KALLSYMS_NEEDLE, kallsymsHits } from '../../../src/symbols/kallsyms-search.js'
import { writeKallsyms } from '../../images/kallsyms.js'
import { writeLime } from '../../images/lime.js'
import { openImage } from '../../images/open.js'

const SYMBOLS = Array.from({ length: 2000 }, (_, i) => ({
  name: `function_${i}_of_kernel`,
  type: 'T',
  address: 0xffffffff81000000n + BigInt(i - (i % 2)) * 16n,
}))
const { bytes, at } = writeKallsyms(SYMBOLS, {
  pointerBytes: 8,
  addressing: 'absolute-percpu',
  addressesFirst: true,
})
const place = (label: string) => at[label] as number
const MEBIBYTE = 1 << 20

describe('kallsyms in a hostile memory', () => {
  it('is found behind a thousand copies of its tokens, in bounded time', () => {
    const decoy = bytes.subarray(place('tokenTable'))
    const memory = Buffer.alloc(16 * MEBIBYTE)
    for (let i = 0; i < 1000; i++) decoy.copy(memory, i * 8192)
    // One more needle, where nothing is aligned to it.
    KALLSYMS_NEEDLE.forEach((byte, i) => {
      memory[11 * MEBIBYTE + 3 + i] = byte
    })
    bytes.copy(memory, 12 * MEBIBYTE)
    const start = performance.now()
    const found = findKallsyms(openImage(writeLime([{ gpa: 0, bytes: memory }])).memory)
    expect(found.map(one => one.tables.names)).toEqual([12 * MEBIBYTE + place('names')])
    expect(performance.now() - start).toBeLessThan(15_000)
  })

  it('is not believed when memory is full of near misses, and the search ends', () => {
    // Everything but the last name's end is right.
    const near = Buffer.from(bytes)
    near.writeUInt32LE(SYMBOLS.length - 1, place('numSyms'))
    const memory = Buffer.alloc(16 * MEBIBYTE)
    for (let i = 0; i + near.length < memory.length; i += Math.ceil(near.length / 8) * 8) near.copy(memory, i)
    const start = performance.now()
    expect(findKallsyms(openImage(writeLime([{ gpa: 0, bytes: memory }])).memory)).toEqual([])
    expect(performance.now() - start).toBeLessThan(15_000)
  })

  it('whose names expand without end is refused', () => {
    // Two tokens of 500 bytes in each of a million names: a gigabyte.
    const count = 1_000_000
    const long = 'x'.repeat(500)
    const tokens = Array.from({ length: 256 }, (_, i) =>
      i === 1 ? long : String.fromCharCode(i === 0 ? 0x74 : 0x61),
    )
    const table = Buffer.from(`${tokens.join('\0')}\0`, 'latin1')
    const index = Buffer.alloc(512)
    for (let i = 0, offset = 0; i < 256; i++) {
      index.writeUInt16LE(offset, i * 2)
      offset += (tokens[i] as string).length + 1
    }
    const names = Buffer.alloc(count * 4)
    for (let i = 0; i < count; i++) names.writeUInt32LE(0x01010003, i * 4)
    const head = Buffer.alloc(8)
    head.writeUInt32LE(count, 0)
    const offsets = Buffer.alloc(count * 4)
    for (let i = 0; i < count; i++) offsets.writeUInt32LE(i, i * 4)
    const base = Buffer.alloc(8)
    base.writeBigUInt64LE(0xffffffff81000000n)
    const parts = [head, names, table, Buffer.alloc(8 - (table.length % 8)), index, offsets, base]
    const starts = parts.map((_, i) => parts.slice(0, i).reduce((sum, part) => sum + part.length, 0)) as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ]
    const [numSyms, namesAt, tokenTable, , tokenIndex, offsetsAt, relativeBase] = starts
    const tables = { numSyms, names: namesAt, tokenTable, tokenIndex, offsets: offsetsAt, relativeBase }
    expect(parseKallsyms(bytesReader(Buffer.concat(parts)), tables, 8)).toBeUndefined()
  })

  it('has its needle found wherever it starts', () => {
    const needle = Buffer.from([...'abcdefghijklmnopqrstuvwxyz'].join('\0'), 'latin1')
    for (let start = 0; start < 200; start++) {
      const memory = Buffer.alloc(300)
      needle.copy(memory, start)
      expect(kallsymsHits(memory)).toEqual([start])
    }
  })
})
