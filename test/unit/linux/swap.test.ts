import { expect, test } from 'vitest'
import type { SwapArea } from '../../../src/os/linux/swap/areas.js'
import { decompressPage } from '../../../src/os/linux/swap/decompress.js'
import { SwapEntries } from '../../../src/os/linux/swap/entries.js'
import { StructReader } from '../../../src/os/struct/reader.js'
import type { PagingMode } from '../../../src/paging/mode.js'
import { PAGING_MODES } from '../../../src/paging/modes.js'
import { KernelMemory, typesOf } from '../../images/kernel-memory.js'

const area = (type: number, slots: number, map?: bigint): SwapArea => ({
  type,
  address: 0n,
  kind: 'partition',
  slots,
  pages: slots - 1,
  priority: 0,
  ...(map === undefined ? {} : { map }),
})
const AREAS = [area(0, 1 << 20), area(3, 1000)]

function mode(format: PagingMode['format']): PagingMode {
  const found = PAGING_MODES.find(candidate => candidate.format === format)
  if (found === undefined) throw new Error(`no mode of ${format}`)
  return found
}

/** arch/x86/include/asm/pgtable_64.h */
const x86 = (type: bigint, offset: bigint): bigint =>
  BigInt.asUintN(64, (type << 59n) | ((BigInt.asUintN(50, ~offset) << 9n) & ((1n << 59n) - 1n)))
const ia32 = (type: bigint, offset: bigint): bigint => (offset << 9n) | (type << 1n)
const armEarly = (type: bigint, offset: bigint): bigint => (offset << 8n) | (type << 3n)
const armLater = (type: bigint, offset: bigint): bigint => (offset << 12n) | (type << 6n)

test.each([
  ['x86-64', 'x86-64', x86],
  ['ia32', 'ia32', ia32],
  ['aarch64 to 6.10', 'aarch64', armEarly],
  ['aarch64 since 6.11', 'aarch64', armLater],
] as const)('an entry of %s names its area and slot', (_name, format, encode) => {
  for (const [type, offset] of [
    [0, 1],
    [0, 0xabcd],
    [3, 999],
    [3, 7],
  ] as const) {
    const place = new SwapEntries(mode(format), AREAS).place(encode(BigInt(type), BigInt(offset)))
    expect([place?.area.type, place?.offset]).toEqual([type, offset])
  }
})

test.each([
  ['an area that is not there', x86(5n, 1n)],
  ['a slot behind the end', x86(3n, 1000n)],
  ['the header of an area', x86(0n, 0n)],
])('an entry that names %s names nothing', (_what, entry) =>
  expect(new SwapEntries(mode('x86-64'), AREAS).place(entry)).toBeUndefined(),
)

test('where aarch64 entries can be read in two ways, the slot that is in use is taken', () => {
  const memory = new KernelMemory()
  const map = 0xffff_8000_1000_0000n
  memory.write(map, new Uint8Array(4096))
  memory.number(map + 0x40n, 1, 1)
  const areas = [area(0, 4096, map)]
  const reader = new StructReader({ memory, types: typesOf({}) })
  const early = armEarly(0n, 0x40n)
  expect(new SwapEntries(mode('aarch64'), areas).place(early)?.offset).toBe(4)
  expect(new SwapEntries(mode('aarch64'), areas, reader).place(early)?.offset).toBe(0x40)
})

test('one entry that can be read in one way only settles the others', () => {
  const early = new SwapEntries(mode('aarch64'), AREAS)
  expect([early.settled, early.place(armEarly(0n, 32n))?.offset]).toEqual([undefined, 2])
  expect(early.place(armEarly(0n, 33n))?.offset).toBe(33)
  expect([early.settled, early.place(armEarly(0n, 32n))?.offset]).toEqual(['linux-arm64-offset8', 32])
  const later = new SwapEntries(mode('aarch64'), AREAS)
  expect([later.place(armLater(0n, 0x2_0000n))?.offset, later.settled]).toEqual([
    0x2_0000,
    'linux-arm64-offset12',
  ])
})

test('compressors that are not known, and broken pages, give nothing', () => {
  expect(decompressPage('842', Uint8Array.of(1, 2, 3), 4096)).toBeUndefined()
  for (const compressor of ['lzo', 'lzo-rle', 'lz4', 'lz4hc', 'zstd'])
    for (let length = 0; length < 40; length++)
      expect(decompressPage(compressor, new Uint8Array(length).fill(length * 7), 4096)).toBeUndefined()
})
