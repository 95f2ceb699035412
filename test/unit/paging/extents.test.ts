import { describe, expect, it } from 'vitest'
import { openAddressSpace } from '../../../src/paging/address-space.js'
import { pagingMode } from '../../../src/paging/modes.js'
import { PageTables } from '../../images/page-tables.js'
import { SparseMemory } from '../../images/page-tables-memory.js'

const mode = pagingMode('x86_64')
const plain = { writable: true, user: true, executable: true }

describe('extents', () => {
  it('joins neighbours with the same permissions, whatever the size of their pages', () => {
    const memory = new SparseMemory([{ gpa: 0, length: 64 << 20 }])
    const tables = new PageTables(mode, memory, 0x10_0000)
    for (let i = 0n; i < 512n; i++) tables.map(0x40_0000n + (i << 12n), 0x80_0000 + Number(i) * 4096)
    tables.map(0x60_0000n, 0xa0_0000, {}, 2)
    tables.map(0x80_0000n, 0xc0_0000, { writable: false }, 2)
    tables.map(0xffff_ffff_ffff_f000n, 0x5000, { user: false })
    const space = openAddressSpace(memory, { mode, dtb: tables.root })
    const list = space.extents()
    expect([...list]).toEqual([
      { va: 0x40_0000n, gpa: 0x80_0000, length: 0x40_0000, flags: plain },
      { va: 0x80_0000n, gpa: 0xc0_0000, length: 0x20_0000, flags: { ...plain, writable: false } },
      { va: 0xffff_ffff_ffff_f000n, gpa: 0x5000, length: 4096, flags: { ...plain, user: false } },
    ])
    expect(list.truncated).toBe(false)
    expect([...space.extents(0x50_0100n, 0x60_0010n)]).toEqual([
      { va: 0x50_0100n, gpa: 0x90_0100, length: 0xf_ff10, flags: plain },
    ])
    expect([...list.columns.byGpa()]).toEqual([2, 0, 1])
  })

  it('leaves out frames that are no memory', () => {
    const memory = new SparseMemory([
      { gpa: 0, length: 8 << 20 },
      { gpa: 9 << 20, length: 1 << 20 },
    ])
    const tables = new PageTables(mode, memory, 0x10_0000)
    // 1 GiB, of which 0 to 8 MiB and 9 to 10 MiB are memory
    tables.map(0n, 0, {}, 1)
    tables.map(0x4000_0000n, 0xfe00_0000, {}, 2)
    expect([...openAddressSpace(memory, { mode, dtb: tables.root }).extents()]).toEqual([
      { va: 0n, gpa: 0, length: 8 << 20, flags: plain },
      { va: 9n << 20n, gpa: 9 << 20, length: 1 << 20, flags: plain },
    ])
  })

  it('ends on a table that stands in all of its own slots, and says so', () => {
    const memory = new SparseMemory([{ gpa: 0, length: 16 << 20 }])
    for (let i = 0; i < 512; i++) memory.page(0x1000).writeBigUInt64LE(0x1007n, i * 8)
    const space = openAddressSpace(memory, { mode, dtb: 0x1000 })
    const start = performance.now()
    const list = space.extents()
    expect(list.truncated).toBe(true)
    expect(list.size).toBeLessThan(70_000)
    expect(performance.now() - start).toBeLessThan(5000)
    expect(space.extents(0n, mode.userEnd, { maxTables: 10 }).truncated).toBe(true)
    expect(space.extents(0n, mode.userEnd, { maxExtents: 10 }).size).toBe(10)
  })

  it('visits a bounded number of tables that map nothing', () => {
    const memory = new SparseMemory([{ gpa: 0, length: 16 << 20 }])
    const entry = [0x2007n, 0x3007n, 0x4007n]
    for (const [level, value] of entry.entries())
      for (let i = 0; i < 512; i++) memory.page(0x1000 * (level + 1)).writeBigUInt64LE(value, i * 8)
    const start = performance.now()
    const list = openAddressSpace(memory, { mode, dtb: 0x1000 }).extents()
    expect([list.size, list.truncated]).toEqual([0, true])
    expect(performance.now() - start).toBeLessThan(5000)
  })
})

describe('reads', () => {
  const memory = new SparseMemory([{ gpa: 0, length: 16 << 20 }])
  const tables = new PageTables(mode, memory, 0x10_0000)
  tables.map(0x1000n, 0x5000)
  tables.map(0x2000n, 0x9000)
  tables.map(0x4000n, 0xff_0000)
  memory.write(0x5ffe, Buffer.from('ab'))
  memory.write(0x9000, Buffer.from('cd'))
  memory.write(0xff_0000, Buffer.from('ef'))
  memory.breakPage(0x6000)
  tables.map(0x5000n, 0x6000)
  const space = openAddressSpace(memory, { mode, dtb: tables.root })

  it('cross pages whose frames are apart', () => {
    expect(Buffer.from(space.read(0x1ffen, 4).bytes).toString()).toBe('abcd')
  })

  it('tell exactly what was absent, and why', () => {
    const { bytes, absent } = space.read(0x2ffen, 0x3004)
    expect(Buffer.from(bytes.subarray(0x1002, 0x1004)).toString()).toBe('ef')
    expect(absent).toEqual([
      { va: 0x3000n, length: 0x1000, reason: 'not-present' },
      { va: 0x5000n, length: 0x1000, reason: 'unreadable', gap: 'unreadable' },
      { va: 0x6000n, length: 2, reason: 'not-present' },
    ])
  })

  it('end at the last address', () => {
    expect(space.read((1n << 64n) - 2n, 5)).toMatchObject({
      absent: [
        { va: (1n << 64n) - 2n, length: 2, reason: 'not-present' },
        { va: 1n << 64n, length: 3, reason: 'non-canonical' },
      ],
    })
    expect(space.read(1n << 70n, 5).absent).toEqual([{ va: 1n << 70n, length: 5, reason: 'non-canonical' }])
  })

  it('refuse a length that is none', () => {
    for (const length of [-1, 1.5, 2 ** 27, Number.NaN])
      expect(() => space.read(0n, length)).toThrow("can't read")
    expect(space.read(0n, 0)).toEqual({ bytes: new Uint8Array(0), absent: [] })
  })
})
