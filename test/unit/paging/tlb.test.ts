import { describe, expect, it } from 'vitest'
import { CachedWalker } from '../../../src/paging/cached-walker.js'
import { pagingMode } from '../../../src/paging/modes.js'
import { FRAME_OUTSIDE, MAPPED, NON_CANONICAL, NOT_PRESENT } from '../../../src/paging/outcome.js'
import { TableCache } from '../../../src/paging/table-cache.js'
import { Tlb } from '../../../src/paging/tlb.js'
import { Walker } from '../../../src/paging/walker.js'
import { PageTables } from '../../images/page-tables.js'
import { SparseMemory } from '../../images/page-tables-memory.js'

const mode = pagingMode('x86_64')

function setUp(options = {}) {
  const memory = new SparseMemory([{ gpa: 0, length: 64 << 20 }])
  const first = new PageTables(mode, memory, 0x10_0000)
  const second = new PageTables(mode, memory, 0x20_0000)
  const cached = new CachedWalker(new Walker(new TableCache(memory), mode), new Tlb(mode, options))
  return { memory, first, second, cached }
}

describe('a walker behind a TLB', () => {
  it('counts a miss, then hits', () => {
    const { first, cached } = setUp()
    first.map(0x40_0000n, 0x5000, { writable: false })
    cached.use(first.root)
    for (let i = 0; i < 3; i++) {
      expect(cached.find(0x400)).toBe(MAPPED)
      expect([cached.gpa, cached.flags, cached.level]).toEqual([0x5000, 6, 0])
    }
    expect([cached.tlb.hits, cached.tlb.absentHits, cached.tlb.misses]).toEqual([2, 0, 1])
  })

  it('takes one entry for a large page', () => {
    const { first, cached } = setUp()
    first.map(0x40_0000n, 0x80_0000, {}, 2)
    cached.use(first.root)
    for (let page = 0; page < 512; page++) {
      expect(cached.find(0x400 + page)).toBe(MAPPED)
      expect([cached.gpa, cached.level]).toEqual([0x80_0000 + page * 4096, 1])
    }
    expect(cached.tlb.misses).toBe(1)
  })

  it('does not take the whole of a large page for memory that ends inside it', () => {
    const { first, cached } = setUp()
    first.map(0x4000_0000n, 0, {}, 1)
    cached.use(first.root)
    for (let round = 0; round < 2; round++) {
      expect(cached.find(0x4_0000)).toBe(MAPPED)
      expect(cached.find(0x4_0000 + 0x4000)).toBe(FRAME_OUTSIDE)
      expect(cached.gpa).toBe(0x400_0000)
    }
  })

  it('remembers what is absent, as far as the entry reaches', () => {
    const { first, cached } = setUp()
    first.map(0x40_0000n, 0x5000)
    cached.use(first.root)
    expect(cached.find(0x600)).toBe(NOT_PRESENT)
    expect(cached.find(0x7ff)).toBe(NOT_PRESENT)
    expect(cached.find(0x401)).toBe(NOT_PRESENT)
    expect(cached.find(0x400)).toBe(MAPPED)
    expect([cached.tlb.absentHits, cached.tlb.misses]).toEqual([1, 3])
    expect(cached.find(2 ** 40)).toBe(NON_CANONICAL)
  })

  it('keeps the pages of two tables apart', () => {
    const { first, second, cached } = setUp({ entries: 16 })
    first.map(0x40_0000n, 0x5000)
    second.map(0x40_0000n, 0x6000)
    for (let round = 0; round < 2; round++)
      for (const [tables, gpa] of [
        [first, 0x5000],
        [second, 0x6000],
      ] as const) {
        cached.use(tables.root)
        expect(cached.find(0x400)).toBe(MAPPED)
        expect(cached.gpa).toBe(gpa)
      }
  })

  it('sees what changed after a flush, and keeps what belongs to other tables', () => {
    const { first, second, cached } = setUp()
    first.map(0x40_0000n, 0x5000)
    second.map(0x50_0000n, 0x6000)
    cached.use(second.root)
    cached.find(0x500)
    cached.use(first.root)
    cached.find(0x400)
    first.map(0x40_0000n, 0x7000)
    expect([cached.find(0x400), cached.gpa]).toEqual([MAPPED, 0x5000])
    cached.flush()
    expect([cached.find(0x400), cached.gpa]).toEqual([MAPPED, 0x7000])
    cached.use(second.root)
    const { misses } = cached.tlb
    cached.find(0x500)
    expect(cached.tlb.misses).toBe(misses)
  })
})

describe('copies of tables', () => {
  it('are bounded, and found anew when they had to go', () => {
    const memory = new SparseMemory([{ gpa: 0, length: 64 << 20 }])
    const tables = new PageTables(mode, memory, 0x10_0000)
    // 200 tables, one page in each
    for (let i = 0; i < 200; i++) tables.map(BigInt(i) << 21n, 0x5000 + i * 4096)
    const cache = new TableCache(memory, 32)
    const walker = new Walker(cache, mode)
    walker.use(tables.root)
    for (let round = 0; round < 3; round++)
      for (let i = 0; i < 200; i++) {
        expect(walker.walk(i * 512)).toBe(MAPPED)
        expect(walker.gpa).toBe(0x5000 + i * 4096)
      }
    expect(cache.words.byteLength).toBe(32 * 4096)
    expect(cache.generation).toBeGreaterThan(10)
  })

  it('are read once', () => {
    const memory = new SparseMemory([{ gpa: 0, length: 64 << 20 }])
    const tables = new PageTables(mode, memory, 0x10_0000)
    for (let i = 0; i < 512; i++) tables.map(BigInt(i) << 12n, 0x5000)
    const walker = new Walker(new TableCache(memory), mode)
    walker.use(tables.root)
    for (let i = 0; i < 512; i++) walker.walk(i)
    expect(memory.windows).toBe(4)
  })
})
