import { describe, expect, it } from 'vitest'
import { openAddressSpace, type SpaceOptions } from '../../../src/paging/address-space.js'
import type { PagingMode } from '../../../src/paging/mode.js'
import { pagingMode, pagingModeNamed } from '../../../src/paging/modes.js'
import { SparseMemory } from '../../images/page-tables-memory.js'

/** 16 MiB from 0, and 16 MiB from 8 GiB. */
function memoryOf(words: readonly (readonly [number, bigint])[], bytes: 4 | 8): SparseMemory {
  const memory = new SparseMemory([
    { gpa: 0, length: 16 << 20 },
    { gpa: 2 ** 33, length: 16 << 20 },
  ])
  for (const [at, entry] of words) {
    if (bytes === 4) memory.page(at).writeUInt32LE(Number(entry), at % 4096)
    else memory.page(at).writeBigUInt64LE(entry, at % 4096)
  }
  return memory
}

function space(
  mode: PagingMode,
  words: readonly (readonly [number, bigint])[],
  options: Partial<SpaceOptions> = {},
) {
  return openAddressSpace(memoryOf(words, mode.entryBytes), { mode, dtb: 0x1000, ...options })
}

describe('4-level paging', () => {
  // 0xffff_8880_0040_3123: indices 0x111, 0, 2, 3
  const words = [
    [0x1000 + 0x111 * 8, 0x2000n | 0x63n],
    [0x2000, 0x3000n | 0x63n],
    [0x3000 + 2 * 8, 0x4000n | 0x63n],
    [0x4000 + 3 * 8, 0x8000_0000_0000_0000n | 0x2_0000_5000n | 0x161n],
    [0x3000 + 4 * 8, 0xa0_0000n | 0x1e3n],
    [0x2000 + 8, 0x2_0000_0000n | 0xe7n],
  ] as const
  const mode = pagingMode('x86_64')

  it('finds a 4 KiB page and combines permissions over all levels', () => {
    expect(space(mode, words).translate(0xffff_8880_0040_3123n)).toEqual({
      kind: 'mapped',
      gpa: 0x2_0000_5123,
      pageBytes: 4096,
      writable: false,
      user: false,
      executable: false,
    })
  })

  it('finds a 2 MiB page and a 1 GiB page', () => {
    const at = space(mode, words)
    expect(at.translate(0xffff_8880_0091_2345n)).toMatchObject({
      gpa: 0xb1_2345,
      pageBytes: 2 ** 21,
      writable: true,
      executable: true,
    })
    expect(at.translate(0xffff_8880_40ab_cdefn)).toMatchObject({
      gpa: 0x2_00ab_cdef,
      pageBytes: 2 ** 30,
      user: false,
    })
  })

  it('shows each level', () => {
    expect(space(mode, words).walk(0xffff_8880_0040_3123n).levels).toEqual([
      { name: 'pml4e', gpa: 0x1888, entry: 0x2063n },
      { name: 'pdpte', gpa: 0x2000, entry: 0x3063n },
      { name: 'pde', gpa: 0x3010, entry: 0x4063n },
      { name: 'pte', gpa: 0x4018, entry: 0x8000_0002_0000_5161n },
    ])
  })

  it('strips PCID and flags from CR3', () => {
    const at = space(mode, words, { dtb: 0x8000_0000_0000_1abcn })
    expect(at.dtb).toBe(0x1000)
    expect(at.translate(0xffff_8880_0040_3123n).kind).toBe('mapped')
  })

  it('tells why there is nothing, and at which level', () => {
    const at = space(mode, words)
    expect(at.translate(0xffff_8880_0040_4000n)).toEqual({
      kind: 'absent',
      reason: 'not-present',
      level: 0,
      name: 'pte',
      entry: 0n,
    })
    expect(at.translate(0x1234n)).toMatchObject({ reason: 'not-present', level: 3, name: 'pml4e' })
    expect(at.translate(0x8000_0000_0000n)).toMatchObject({ reason: 'non-canonical' })
    expect(at.translate(1n << 64n)).toMatchObject({ reason: 'non-canonical' })
    expect(at.translate(-1n)).toMatchObject({ reason: 'non-canonical' })
  })

  it('tells a frame and a table that are no memory apart', () => {
    const at = space(mode, [
      [0x1000, 0x2000n | 7n],
      [0x2000, 0x3000n | 7n],
      [0x3000, 0x4000n | 7n],
      [0x4000, 0xf_ffff_f000n | 7n],
      [0x3008, 0xf_ffff_f000n | 7n],
    ])
    expect(at.translate(0x123n)).toEqual({
      kind: 'absent',
      reason: 'out-of-memory',
      level: 0,
      name: 'pte',
      entry: 0xf_ffff_f007n,
      gpa: 0xf_ffff_f123,
    })
    expect(at.translate(0x20_0000n)).toEqual({
      kind: 'absent',
      reason: 'table-out-of-memory',
      level: 0,
      name: 'pte',
    })
  })

  it('ends at a table that points at itself', () => {
    const at = space(mode, [[0x1000, 0x1000n | 7n]])
    expect(at.translate(0x123n)).toMatchObject({ kind: 'mapped', gpa: 0x1123, pageBytes: 4096 })
    expect(at.walk(0x123n).levels).toHaveLength(4)
  })

  it('takes a page size bit in a pml4e for what it is: reserved', () => {
    expect(space(mode, [[0x1000, 0x87n]]).translate(0n)).toMatchObject({ reason: 'not-present', level: 3 })
  })

  it('tells a table that can not be read', () => {
    const memory = memoryOf([[0x1000, 0x2007n]], 8)
    memory.breakPage(0x2000)
    const at = openAddressSpace(memory, { mode, dtb: 0x1000 })
    expect(at.translate(0n)).toEqual({
      kind: 'absent',
      reason: 'unreadable',
      level: 2,
      name: 'pdpte',
      gap: 'unreadable',
    })
  })

  it('sees what changed after a flush', () => {
    const memory = memoryOf(words, 8)
    const at = openAddressSpace(memory, { mode, dtb: 0x1000 })
    expect(at.translate(0xffff_8880_0040_3000n)).toMatchObject({ gpa: 0x2_0000_5000 })
    memory.page(0x4000).writeBigUInt64LE(0x6063n, 0x18)
    at.flush()
    expect(at.translate(0xffff_8880_0040_3000n)).toMatchObject({ gpa: 0x6000 })
  })
})

describe('5-level paging', () => {
  it('has a level more, and addresses of 57 bits', () => {
    // 0xff12_3456_789a_bcde: indices 0x112, 0x68, 0x159, 0x1c4, 0x1ab
    const at = space(pagingMode('x86_64-la57'), [
      [0x1000 + 0x112 * 8, 0x2063n],
      [0x2000 + 0x68 * 8, 0x3063n],
      [0x3000 + 0x159 * 8, 0x4063n],
      [0x4000 + 0x1c4 * 8, 0x5063n],
      [0x5000 + 0x1ab * 8, 0x6063n],
    ])
    const { translation, levels } = at.walk(0xff12_3456_789a_bcden)
    expect(translation).toMatchObject({ kind: 'mapped', gpa: 0x6cde })
    expect(levels.map(level => level.name)).toEqual(['pml5e', 'pml4e', 'pdpte', 'pde', 'pte'])
    expect(at.translate(0x100_0000_0000_0000n)).toMatchObject({ reason: 'non-canonical' })
  })
})

describe('PAE', () => {
  const mode = pagingMode('i386-pae')

  it('starts at four entries, aligned to 32 bytes, which carry no permissions', () => {
    // 0xc060_3456: 3, 3, 3
    const at = space(
      mode,
      [
        [0x1a20 + 3 * 8, 0x2001n],
        [0x2000 + 3 * 8, 0x3067n],
        [0x3000 + 3 * 8, 0x2_0000_4067n],
        [0x2000 + 4 * 8, 0x8000_0000_0060_00e3n],
      ],
      { dtb: 0x1a20n },
    )
    expect(at.walk(0xc060_3456n)).toMatchObject({
      levels: [{ name: 'pdpte', gpa: 0x1a38 }, { name: 'pde' }, { name: 'pte' }],
      translation: { gpa: 0x2_0000_4456, writable: true, user: true, executable: true },
    })
    expect(at.translate(0xc080_0010n)).toMatchObject({
      gpa: 0x60_0010,
      pageBytes: 2 ** 21,
      executable: false,
    })
    expect(at.translate(0x1_0000_0000n)).toMatchObject({ reason: 'non-canonical' })
    expect(at.pointerBytes).toBe(4)
  })
})

describe('32-bit paging', () => {
  const words = [
    [0x1000 + 0x300 * 4, 0x2067n],
    [0x2000 + 4, 0x3025n],
    [0x1000 + 0x301 * 4, 0x0080_00e3n],
    [0x1000 + 0x302 * 4, 0x0040_40e3n],
  ] as const

  it('finds pages of 4 KiB and 4 MiB, the latter beyond 4 GiB with PSE-36', () => {
    const at = space(pagingMode('i386'), words)
    expect(at.translate(0xc000_1234n)).toMatchObject({
      gpa: 0x3234,
      pageBytes: 4096,
      writable: false,
      user: true,
    })
    expect(at.translate(0xc041_2345n)).toMatchObject({ gpa: 0x81_2345, pageBytes: 2 ** 22, user: false })
    // bit 14 of the entry is address bit 33
    expect(at.translate(0xc080_0001n)).toMatchObject({ gpa: 0x2_0040_0001, pageBytes: 2 ** 22 })
  })

  it('ignores the page size bit without PSE', () => {
    const plain = pagingModeNamed('ia32')!
    const at = space(plain, [
      [0x1000 + 0x301 * 4, 0x0000_20e3n],
      [0x2000, 0x3063n],
    ])
    expect(at.translate(0xc040_0010n)).toMatchObject({ gpa: 0x3010, pageBytes: 4096 })
  })
})

describe('entries that are not present, as Linux writes them', () => {
  const mode = pagingMode('x86_64')
  const path = [
    [0x1000, 0x2007n],
    [0x2000, 0x3007n],
    [0x3000, 0x4007n],
  ] as const
  const inverted = (frame: bigint): bigint => ~frame & 0xf_ffff_ffff_f000n

  it('finds PROT_NONE pages, whose frames are inverted', () => {
    const at = space(
      mode,
      [...path, [0x4000, inverted(0x5000n) | 0x120n], [0x3008, inverted(0x60_0000n) | 0x1a0n]],
      { absent: 'linux-x86-64' },
    )
    expect(at.translate(0x10n)).toEqual({
      kind: 'mapped',
      gpa: 0x5010,
      pageBytes: 4096,
      writable: false,
      user: true,
      executable: false,
      protNone: true,
    })
    expect(at.translate(0x20_0010n)).toMatchObject({ gpa: 0x60_0010, pageBytes: 2 ** 21, protNone: true })
    expect(space(mode, [...path, [0x4000, inverted(0x5000n) | 0x120n]]).translate(0n)).toMatchObject({
      reason: 'not-present',
    })
  })

  it('tells the slot of a swapped page', () => {
    // type 2 in bits 59-63, offset 0x1234 inverted in bits 9-58
    const entry = (2n << 59n) | ((~0x1234n & 0x3_ffff_ffff_ffffn) << 9n)
    const at = space(mode, [...path, [0x4000, entry]], { absent: 'linux-x86-64' })
    expect(at.translate(0n)).toMatchObject({ reason: 'swapped', swap: { type: 2, offset: 0x1234 } })
  })

  it('takes special swap types for absent', () => {
    const at = space(mode, [...path, [0x4000, 31n << 59n]], { absent: 'linux-x86-64' })
    expect(at.translate(0n)).toMatchObject({ reason: 'not-present' })
  })

  it('reads them plain on i386', () => {
    const words = [
      [0x1000, 0x2007n],
      [0x2000, 0x3120n],
      [0x2004, (3n << 1n) | (0x77n << 9n)],
    ] as const
    const at = space(pagingMode('i386'), words, { absent: 'linux-i386' })
    expect(at.translate(5n)).toMatchObject({ gpa: 0x3005, protNone: true })
    expect(at.translate(0x1000n)).toMatchObject({ reason: 'swapped', swap: { type: 3, offset: 0x77 } })
  })
})
