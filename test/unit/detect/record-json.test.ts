import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LinuxRecord } from '../../../src/os/linux/detect/record.js'
import { decodeRecord, encodeRecord } from '../../../src/os/linux/detect/record-json.js'
import { PAGING_MODES } from '../../../src/paging/modes.js'

const u64 = fc.bigInt(0n, 2n ** 64n - 1n)
const gpa = fc.nat(2 ** 31 - 1)
const text = fc.string({ maxLength: 60 })
// names that objects have by themselves are asked anew each time
const name = text.filter(each => !['__proto__', 'prototype', 'constructor'].includes(each))

const records: fc.Arbitrary<LinuxRecord> = fc.record(
  {
    mode: fc.constantFrom(...PAGING_MODES),
    dtb: gpa,
    base: gpa,
    shift: fc.bigInt(-(2n ** 63n), 2n ** 64n - 1n),
    banner: text,
    release: text,
    bannerAddress: u64,
    kernelBase: u64,
    baseName: fc.constantFrom('_text', '_stext'),
    kaslrOffset: fc.bigInt(-(2n ** 40n), 2n ** 63n),
    kallsyms: fc.record({
      count: fc.nat(1_000_000),
      tables: fc.record(
        { numSyms: u64, names: u64, tokenTable: u64, tokenIndex: u64, offsets: u64, relativeBase: u64 },
        { requiredKeys: ['numSyms', 'names', 'tokenTable', 'tokenIndex'] },
      ),
    }),
    btf: fc.record({ va: u64, length: fc.integer({ min: 1, max: 1 << 20 }) }),
    derived: fc.array(text),
    symbolAnswers: fc.dictionary(
      name,
      fc.oneof(
        fc.constant(null),
        u64.map(n => `0x${n.toString(16)}`),
      ),
    ),
    typeAnswers: fc.record({
      sizes: fc.dictionary(name, fc.oneof(fc.constant(null), fc.nat())),
      members: fc.dictionary(
        name,
        fc.oneof(
          fc.constant(null),
          fc.record(
            { offset: fc.nat(), bytes: fc.nat(), typeName: text },
            { requiredKeys: ['offset', 'bytes'] },
          ),
        ),
      ),
      enumerators: fc.dictionary(name, fc.oneof(fc.constant(null), fc.integer())),
      lists: fc.dictionary(name, fc.oneof(fc.constant(null), fc.array(text))),
    }),
  },
  {
    requiredKeys: [
      'mode',
      'dtb',
      'base',
      'shift',
      'banner',
      'release',
      'bannerAddress',
      'kernelBase',
      'baseName',
      'kaslrOffset',
    ],
  },
)

describe("a kernel's record", () => {
  it('comes back from its text as it was', () => {
    fc.assert(
      fc.property(records, record => {
        expect(decodeRecord(encodeRecord(record))).toEqual(record)
      }),
      { numRuns: 200 },
    )
  })

  it('is not read from a text that is another thing', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), json => {
        expect(decodeRecord(json)).toBeUndefined()
      }),
    )
  })
})
