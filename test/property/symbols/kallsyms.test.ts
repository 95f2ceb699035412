/** Random symbols, written in every layout that kernels have had, are read back the same: at known addresses, and by search. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PhysicalMemory } from '../../../src/core/memory.js'
import { bytesReader } from '../../../src/symbols/byte-reader.js'
import { parseKallsyms } from '../../../src/symbols/kallsyms.js'
import { findKallsyms } from '../../../src/symbols/kallsyms-search.js'
import type { PackedSymbols } from '../../../src/symbols/packed-symbols.js'
import { type KallsymsOptions, type WrittenSymbol, writeKallsyms } from '../../images/kallsyms.js'
import { writeLime } from '../../images/lime.js'
import { openImage } from '../../images/open.js'
import { memoryBytes } from '../../images/runs.js'
import { symbolsAt } from './arbitrary-symbols.js'

const X86 = 0xffff_ffff_8100_0000n
const ARM = 0xffff_8000_1000_0000n
const I386 = 0xc100_0000n

const LAYOUTS: readonly (readonly [name: string, base: bigint, perCpu: number, options: KallsymsOptions])[] =
  [
    [
      '4.6, absolute per-CPU',
      X86,
      30,
      { pointerBytes: 8, addressing: 'absolute-percpu', addressesFirst: true, markerBytes: 8 },
    ],
    [
      '5.10, absolute per-CPU',
      X86,
      30,
      { pointerBytes: 8, addressing: 'absolute-percpu', addressesFirst: true },
    ],
    [
      '6.1 with seqs_of_names',
      X86,
      30,
      { pointerBytes: 8, addressing: 'absolute-percpu', addressesFirst: true, seqBytes: 3 },
    ],
    [
      '6.2 with seqs_of_names of 4 bytes',
      X86,
      30,
      { pointerBytes: 8, addressing: 'absolute-percpu', addressesFirst: true, seqBytes: 4 },
    ],
    ['6.12', X86, 30, { pointerBytes: 8, addressing: 'absolute-percpu', seqBytes: 3 }],
    [
      'aarch64 6.1',
      ARM,
      0,
      { pointerBytes: 8, addressing: 'base-relative', addressesFirst: true, seqBytes: 3 },
    ],
    ['aarch64 6.12', ARM, 0, { pointerBytes: 8, addressing: 'base-relative', seqBytes: 3 }],
    [
      'i386 6.1',
      I386,
      0,
      { pointerBytes: 4, addressing: 'base-relative', addressesFirst: true, seqBytes: 3 },
    ],
    ['i386 6.12', I386, 0, { pointerBytes: 4, addressing: 'base-relative', seqBytes: 3 }],
    ['7.2', X86, 0, { pointerBytes: 8, addressing: 'self-relative', seqBytes: 3 }],
    ['i386 7.2', I386, 0, { pointerBytes: 4, addressing: 'absolute', seqBytes: 3 }],
    [
      'absolute, 64 bits',
      X86,
      30,
      { pointerBytes: 8, addressing: 'absolute', addressesFirst: true, markerBytes: 8 },
    ],
    ['absolute, 32 bits', I386, 0, { pointerBytes: 4, addressing: 'absolute', addressesFirst: true }],
    ['absolute behind the tokens', X86, 30, { pointerBytes: 8, addressing: 'absolute', seqBytes: 3 }],
  ]

for (const [name, base, perCpu, options] of LAYOUTS)
  describe(`kallsyms of ${name}`, () => {
    it('is read at known addresses', () => {
      fc.assert(
        fc.property(symbolsAt(base, perCpu), symbols => {
          const rodata = base + 0x80_0000n
          const { bytes, at } = writeKallsyms(symbols, { ...options, base: rodata })
          const read = bytesReader(bytes)
          const gva = (label: string) =>
            at[label] === undefined ? {} : { [label]: rodata + BigInt(at[label]) }
          const tables = {
            numSyms: rodata + BigInt(at['numSyms'] ?? 0),
            names: rodata + BigInt(at['names'] ?? 0),
            tokenTable: rodata + BigInt(at['tokenTable'] ?? 0),
            tokenIndex: rodata + BigInt(at['tokenIndex'] ?? 0),
            ...gva('offsets'),
            ...gva('addresses'),
            ...gva('relativeBase'),
          }
          const parsed = parseKallsyms((va, n) => read(Number(va - rodata), n), tables, options.pointerBytes)
          expect(parsed?.addressing).toBe(options.addressing)
          expect(parsed?.space).toBe('virtual')
          expectSame(parsed?.symbols, symbols)
        }),
        { numRuns: 4, endOnFailure: true },
      )
    })

    it('is found in physical memory', () => {
      fc.assert(
        fc.property(symbolsAt(base, perCpu), fc.nat({ max: 4000 }), fc.nat(), (symbols, place, seed) => {
          const distance = base - 0x10_0000n
          const gpa = 0x20_0000 + place * 8
          const { bytes, at } = writeKallsyms(symbols, { ...options, base: distance + BigInt(gpa) })
          const found = findKallsyms(memoryAround(bytes, gpa, seed))
          expect(found.length).toBe(1)
          expect(found[0]?.layout.addressing).toBe(options.addressing)
          expect(found[0]?.layout.addressesFirst).toBe(options.addressesFirst ?? false)
          expect(found[0]?.tables.names).toBe(gpa + (at['names'] ?? 0))
          expect(found[0]?.space).toBe(options.addressing === 'self-relative' ? 'physical' : 'virtual')
          const moved = found[0]?.space === 'physical' ? distance : 0n
          expectSame(found[0]?.symbols.shifted(moved), symbols)
        }),
        { numRuns: 4, endOnFailure: true },
      )
    })
  })

/** The tables among memory of other kinds. */
function memoryAround(bytes: Buffer, gpa: number, seed: number): PhysicalMemory {
  const memory = memoryBytes(0x40_0000, seed)
  bytes.copy(memory, gpa - 0x10_0000)
  return openImage(writeLime([{ gpa: 0x10_0000, bytes: memory }])).memory
}

function expectSame(found: PackedSymbols | undefined, symbols: readonly WrittenSymbol[]): void {
  expect(found === undefined ? undefined : [...found.entries()]).toEqual(
    symbols.map(({ name, address, type }) => ({ name, address, type })),
  )
}
