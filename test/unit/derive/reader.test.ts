import { describe, expect, it } from 'vitest'
import { PlaceReader } from '../../../src/os/linux/derive/reader.js'
import { KernelMemory } from '../../images/kernel-memory.js'

const FIVE_LEVELS = 0xff11_0000_1234_5000n

describe('PlaceReader', () => {
  it('keeps addresses of 57-bit spaces exact, to the byte', () => {
    const memory = new KernelMemory(8)
    memory.write(
      FIVE_LEVELS,
      Uint8Array.from({ length: 64 }, (_, i) => i),
    )
    const reader = new PlaceReader(memory, 0)
    const place = reader.place(FIVE_LEVELS)
    expect(reader.address(place)).toBe(FIVE_LEVELS)
    expect([0, 1, 7, 9, 63].map(offset => reader.u8(place, offset))).toEqual([0, 1, 7, 9, 63])
    expect(reader.u32(place, 4)).toBe(0x0706_0504)
    expect(reader.u32(place, 60)).toBe(0x3f3e_3d3c)
  })

  it('reads pointers of both widths as places', () => {
    const wide = new KernelMemory(8)
    wide.pointer(FIVE_LEVELS, 0xffff_8880_0000_0040n)
    expect(new PlaceReader(wide, 0).pointer(new PlaceReader(wide, 0).place(FIVE_LEVELS))).toBe(
      -0x7780_0000_0000 + 0x40,
    )
    const narrow = new KernelMemory(4)
    narrow.pointer(0xc000_1000n, 0xc1234560n)
    expect(new PlaceReader(narrow, 0xc000_0000).pointer(0xc000_1000)).toBe(0xc1234560)
  })

  it('takes for pointers only what lies in the kernel, aligned, and is no error value', () => {
    const reader = new PlaceReader(new KernelMemory(4), 0xc000_0000)
    expect(
      [0xc000_0000, 0xbfff_fffc, 0xc000_0002, 0xffff_fff4, 0, undefined].map(p => reader.isPointer(p)),
    ).toEqual([true, false, false, false, false, false])
  })

  it('reads text up to a NUL, and none where a byte is absent or no text', () => {
    const memory = new KernelMemory(8)
    memory.text(0xffff_8880_0000_0003n, 'kthreadd')
    memory.write(0xffff_8880_0000_0020n, Uint8Array.of(0x41, 0x80, 0))
    const reader = new PlaceReader(memory, 0)
    expect(reader.text(reader.place(0xffff_8880_0000_0003n), 16)).toBe('kthreadd')
    expect(reader.text(reader.place(0xffff_8880_0000_0003n), 4)).toBeUndefined()
    expect(reader.text(reader.place(0xffff_8880_0000_0020n), 16)).toBeUndefined()
    expect(reader.text(reader.place(0xffff_8880_0010_0000n), 16)).toBeUndefined()
  })

  it('gives zeros for absent bytes of a structure', () => {
    const memory = new KernelMemory(8)
    memory.write(0xffff_8880_0000_0000n, new Uint8Array(4096).fill(7))
    const reader = new PlaceReader(memory, 0)
    const bytes = reader.bytes(reader.place(0xffff_8880_0000_0ff0n), 32)
    expect([...bytes]).toEqual([...Array(16).fill(7), ...Array(16).fill(0)])
  })

  it('reads nothing any more when its budget is spent', () => {
    const memory = new KernelMemory(8)
    memory.pointer(0xffff_8880_0000_0000n, 5n)
    const reader = new PlaceReader(memory, 0, 100)
    const place = reader.place(0xffff_8880_0000_0000n)
    expect(reader.u32(place)).toBe(5)
    reader.spend(100)
    expect(reader.u32(place)).toBeUndefined()
    expect(reader.exhausted).toBe(true)
  })
})
