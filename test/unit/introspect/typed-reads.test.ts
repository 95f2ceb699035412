import { describe, expect, it } from 'vitest'
import type { VirtualMemory, VirtualRead } from '../../../src/core/virtual-memory.js'
import { TypedReader } from '../../../src/introspect/typed-reads.js'

const START = 0xffff_8000_0000_1000n

/** Bytes at `START`, nothing elsewhere. */
class Bytes implements VirtualMemory {
  readonly pointerBytes: 4 | 8
  readonly #bytes: Buffer

  constructor(bytes: Buffer, pointerBytes: 4 | 8 = 8) {
    this.#bytes = bytes
    this.pointerBytes = pointerBytes
  }

  read(va: bigint, length: number): VirtualRead {
    const bytes = new Uint8Array(length)
    const at = Number(va - START)
    const there = at < 0 ? Buffer.alloc(0) : this.#bytes.subarray(at, at + length)
    bytes.set(there)
    if (there.length === length) return { bytes, absent: [] }
    const rest = {
      va: va + BigInt(there.length),
      length: length - there.length,
      reason: 'not-present' as const,
    }
    return { bytes, absent: [rest] }
  }
}

const text = (value: string, encoding: BufferEncoding = 'utf8') =>
  new TypedReader(new Bytes(Buffer.from(value, encoding)))

describe('typed reads', () => {
  it('read numbers of every width, little endian', () => {
    const reader = new TypedReader(new Bytes(Buffer.from('fffefdfcfbfaf9f8', 'hex')))
    expect([reader.u8(START), reader.i8(START), reader.u16(START), reader.i16(START)]).toEqual([
      0xff, -1, 0xfeff, -257,
    ])
    expect([reader.u32(START), reader.i32(START)]).toEqual([0xfcfdfeff, 0xfcfdfeff | 0])
    expect(reader.u64(START)).toBe(0xf8f9fafbfcfdfeffn)
    expect(reader.i64(START)).toBe(0xf8f9fafbfcfdfeffn - (1n << 64n))
    expect(reader.u64(START + 1n)).toBeUndefined()
  })

  it('read and follow pointers of the guest’s width', () => {
    const bytes = Buffer.alloc(32)
    bytes.writeBigUInt64LE(START + 16n, 8)
    bytes.writeBigUInt64LE(0x1234n, 24)
    expect(new TypedReader(new Bytes(bytes)).follow(START, [8, 8])).toBe(0x1234n)
    expect(new TypedReader(new Bytes(bytes)).follow(START, [8, 8, 0])).toBeUndefined()
    expect(new TypedReader(new Bytes(bytes, 4)).pointer(START + 8n)).toBe(0x1010n)
  })

  it('read C strings up to their NUL, across pieces, and none that has no end', () => {
    expect(text('hällo\0rest').cString(START)).toBe('hällo')
    const long = 'x'.repeat(700)
    expect(text(`${long}\0`).cString(START)).toBe(long)
    expect(text(`${long}\0`).cString(START, 600)).toBeUndefined()
    expect(text(long).cString(START)).toBeUndefined()
    expect(text('a\u0100b\0', 'utf16le').cString(START, 64, 'utf16')).toBe('aĀb')
    expect(() => text('').cString(START, 2 ** 30)).toThrow(/at most/)
  })

  it('read counted strings, in place and through a pointer', () => {
    expect(text('\x03\x00abcdef').countedString(START, { encoding: 'latin1' })).toBe('abc')
    const unicode = Buffer.alloc(64)
    unicode.writeUInt16LE(8, 0)
    unicode.writeBigUInt64LE(START + 32n, 8)
    unicode.write('ntfs', 32, 'utf16le')
    const reader = new TypedReader(new Bytes(unicode))
    expect(reader.countedString(START, { encoding: 'utf16', pointerOffset: 8 })).toBe('ntfs')
    unicode.writeUInt16LE(0xffff, 0)
    expect(reader.countedString(START, { encoding: 'utf16', pointerOffset: 8 })).toBeUndefined()
  })
})
