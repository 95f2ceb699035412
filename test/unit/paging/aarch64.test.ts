import { describe, expect, it } from 'vitest'
import { openAddressSpace } from '../../../src/paging/address-space.js'
import { pageSizes } from '../../../src/paging/mode.js'
import { aarch64Mode, PAGING_MODES, pagingMode } from '../../../src/paging/modes.js'
import { tableBase } from '../../../src/paging/table-base.js'
import { SparseMemory } from '../../images/page-tables-memory.js'

/** 256 MiB from 0x4000_0000 (the `virt` board), and a little at 2^50. */
function memoryOf(words: readonly (readonly [number, bigint])[]): SparseMemory {
  const memory = new SparseMemory([
    { gpa: 0x4000_0000, length: 256 << 20 },
    { gpa: 2 ** 50, length: 1 << 20 },
  ])
  for (const [at, entry] of words) memory.page(at).writeBigUInt64LE(entry, at % 4096)
  return memory
}

describe('aarch64, 4 KiB granule, 48 bits', () => {
  const mode = pagingMode('aarch64')
  // the upper half's table at 0x4000_1000, the lower's at 0x4000_a000
  const at = openAddressSpace(
    memoryOf([
      // 0xffff_8000_1040_3abc: 0x100, 0, 0x82, 3
      [0x4000_1000 + 0x100 * 8, 0x4000_2003n],
      [0x4000_2000, 0x4000_3003n],
      [0x4000_3000 + 0x82 * 8, 0x4000_4003n],
      // AF, read-only, PXN clear, UXN
      [0x4000_4000 + 3 * 8, 0x0040_0000_4005_0783n],
      // a 2 MiB block, contiguous, PXN and UXN, DBM
      [0x4000_3000 + 0x83 * 8, 0x0078_0000_4060_0781n],
      // a 1 GiB block
      [0x4000_2000 + 8, 0x0060_0000_4000_0701n],
      [0x4000_a000, 0x1000_0000_4000_b003n],
      [0x4000_b000, 0x4000_c003n],
      [0x4000_c000, 0x4000_d003n],
      [0x4000_d000 + 8, 0x4005_1743n],
      [0x4000_d000 + 16, 0x4005_1741n],
    ]),
    { mode, dtb: 0x0007_0000_4000_a001n, kernelDtb: 0x4000_1000 },
  )

  it('takes the upper half from TTBR1 and strips the ASID from TTBR0', () => {
    expect(at.dtb).toBe(0x4000_a000)
    expect(at.walk(0xffff_8000_1040_3abcn)).toEqual({
      levels: [
        { name: 'l0e', gpa: 0x4000_1800, entry: 0x4000_2003n },
        { name: 'l1e', gpa: 0x4000_2000, entry: 0x4000_3003n },
        { name: 'l2e', gpa: 0x4000_3410, entry: 0x4000_4003n },
        { name: 'l3e', gpa: 0x4000_4018, entry: 0x0040_0000_4005_0783n },
      ],
      translation: {
        kind: 'mapped',
        gpa: 0x4005_0abc,
        pageBytes: 4096,
        writable: false,
        user: false,
        executable: true,
      },
    })
  })

  it('finds blocks, and reports the contiguous hint', () => {
    expect(at.translate(0xffff_8000_1061_2345n)).toEqual({
      kind: 'mapped',
      gpa: 0x4061_2345,
      pageBytes: 2 ** 21,
      writable: true,
      user: false,
      executable: false,
      contiguous: true,
    })
    expect(at.translate(0xffff_8000_4012_3456n)).toMatchObject({ gpa: 0x4012_3456, pageBytes: 2 ** 30 })
  })

  it('lets a table forbid what lies below it', () => {
    // UXNTable in the l0e
    expect(at.translate(0x1010n)).toMatchObject({
      gpa: 0x4005_1010,
      user: true,
      executable: false,
      writable: true,
    })
  })

  it('refuses a last entry that has the form of a block, and addresses between the halves', () => {
    expect(at.translate(0x2000n)).toMatchObject({ reason: 'not-present', level: 0, name: 'l3e' })
    expect(at.translate(0x1_0000_0000_0000n)).toMatchObject({ reason: 'non-canonical' })
  })
})

describe('aarch64, other granules and sizes', () => {
  it('knows the page sizes of each', () => {
    const sizes = (name: string) =>
      pageSizes(PAGING_MODES.find(mode => mode.name === name)!).map(size => Math.log2(size))
    expect(sizes('aarch64-4k-39')).toEqual([12, 21, 30])
    expect(sizes('aarch64-4k-52-lpa')).toEqual([12, 21, 30, 39])
    expect(sizes('aarch64-16k-47')).toEqual([14, 25])
    expect(sizes('aarch64-16k-52-lpa')).toEqual([14, 25, 36])
    expect(sizes('aarch64-64k-42')).toEqual([16, 29])
    expect(sizes('aarch64-64k-52-lpa')).toEqual([16, 29, 42])
  })

  it('counts levels from what the bits of an address leave', () => {
    expect(aarch64Mode({ granule: 4096, vaBits: 39 }).indexBits).toEqual([9, 9, 9])
    expect(aarch64Mode({ granule: 4096, vaBits: 42 }).indexBits).toEqual([3, 9, 9, 9])
    expect(aarch64Mode({ granule: 16384, vaBits: 48 }).indexBits).toEqual([1, 11, 11, 11])
    expect(aarch64Mode({ granule: 65536, vaBits: 48 }).indexBits).toEqual([6, 13, 13])
    expect(() => aarch64Mode({ vaBits: 53 })).toThrow('no aarch64 paging with 53')
  })

  it('finds a 16 KiB page with 47 bits', () => {
    // 0xffff_8000_0200_4abc: l1 0, l2 1, l3 1
    const at = openAddressSpace(
      memoryOf([
        [0x4000_4000, 0x4000_8003n],
        [0x4000_8008, 0x4000_c003n],
        [0x4000_c008, 0x0060_0000_4001_0703n],
      ]),
      { mode: aarch64Mode({ granule: 16384, vaBits: 47 }), dtb: 0x4000_4000 },
    )
    expect(at.walk(0xffff_8000_0200_4abcn)).toMatchObject({
      levels: [{ name: 'l1e' }, { name: 'l2e' }, { name: 'l3e', gpa: 0x4000_c008 }],
      translation: { gpa: 0x4001_0abc, pageBytes: 16384 },
    })
  })

  it('finds a 64 KiB page whose address bits 48 to 51 stand low in the entry', () => {
    // 0x0000_0400_2001_1234 with 52 bits: l1 1 (42), l2 1 (29), l3 1 (16)
    const mode = aarch64Mode({ granule: 65536, vaBits: 52 })
    const at = openAddressSpace(
      memoryOf([
        [0x4000_2008, 0x4001_0003n],
        [0x4001_0008, 0x4002_0003n],
        [0x4002_0008, 0x0000_0000_0001_0000n | (4n << 12n) | 0x743n],
      ]),
      { mode, dtb: 0x4000_2000 },
    )
    expect(at.translate(0x0400_2001_1234n)).toMatchObject({ gpa: 2 ** 50 + 0x1_1234, pageBytes: 65536 })
  })

  it('finds a 4 KiB page with five levels and addresses of 52 bits', () => {
    const mode = aarch64Mode({ granule: 4096, vaBits: 52 })
    // bits 8 and 9 of an entry are address bits 50 and 51
    const at = openAddressSpace(
      memoryOf([
        [0x4000_1000 + 15 * 8, 0x4000_2003n],
        [0x4000_2000 + 511 * 8, 0x4000_3003n],
        [0x4000_3000, 0x4000_4003n],
        [0x4000_4000, 0x4000_5003n],
        [0x4000_5000, 0x3000n | 0x100n | 0x403n],
      ]),
      { mode, dtb: 0x4000_1000 },
    )
    expect(at.walk(0xffff_ff80_0000_0010n)).toMatchObject({
      levels: [{ name: 'l-1e' }, { name: 'l0e' }, { name: 'l1e' }, { name: 'l2e' }, { name: 'l3e' }],
      translation: { gpa: 2 ** 50 + 0x3010 },
    })
  })

  it('reads address bits 48 to 51 of a 52-bit TTBR', () => {
    const wide = aarch64Mode({ granule: 65536, vaBits: 52 })
    expect(tableBase(wide, 0x0001_0000_4000_2011n)).toBe(2 ** 50 + 0x4000_2000)
    // eight entries take 64 bytes
    expect(tableBase(aarch64Mode({ vaBits: 42 }), 0x4000_2041n)).toBe(0x4000_2040)
  })
})

describe('invalid entries, as Linux on aarch64 writes them', () => {
  const words = [
    [0x4000_1000, 0x4000_2003n],
    [0x4000_2000, 0x4000_3003n],
    [0x4000_3000, 0x4000_4003n],
    // PROT_NONE until 6.9: bit 58; since 6.11: bit 11
    [0x4000_4000, 0x0460_0000_4005_0f82n],
    [0x4000_4008, 0x0060_0000_4005_1f82n],
    // a block of the direct map that was made invalid: global, so nobody's PROT_NONE
    [0x4000_4010, 0x0060_0000_4005_2702n],
    [0x4000_4018, (5n << 3n) | (0x1234n << 8n)],
    [0x4000_4020, (5n << 6n) | (0x1234n << 12n)],
    [0x4000_3008, 0x0460_0000_4060_0f80n],
    [0x4000_3010, 0x0060_0000_4080_0f80n],
  ] as const
  const open = (absent: 'linux-arm64' | 'linux-arm64-offset8' | 'linux-arm64-offset12') =>
    openAddressSpace(memoryOf(words), { mode: pagingMode('aarch64'), dtb: 0x4000_1000, absent })

  it('finds PROT_NONE pages and blocks of older and newer kernels', () => {
    const at = open('linux-arm64')
    expect(at.translate(0n)).toMatchObject({ gpa: 0x4005_0000, protNone: true, executable: false })
    expect(at.translate(0x1000n)).toMatchObject({ gpa: 0x4005_1000, protNone: true })
    expect(at.translate(0x2000n)).toMatchObject({ reason: 'not-present' })
    expect(at.translate(0x20_0000n)).toMatchObject({ gpa: 0x4060_0000, pageBytes: 2 ** 21, protNone: true })
    expect(at.translate(0x40_0000n)).toMatchObject({ gpa: 0x4080_0000, pageBytes: 2 ** 21, protNone: true })
  })

  it('tells the swap slot where the layout is known', () => {
    expect(open('linux-arm64').translate(0x3000n)).not.toHaveProperty('swap')
    expect(open('linux-arm64-offset8').translate(0x3000n)).toMatchObject({
      reason: 'swapped',
      swap: { type: 5, offset: 0x1234 },
    })
    expect(open('linux-arm64-offset12').translate(0x4000n)).toMatchObject({
      reason: 'swapped',
      swap: { type: 5, offset: 0x1234 },
    })
  })
})
