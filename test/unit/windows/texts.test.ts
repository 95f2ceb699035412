import { describe, expect, it } from 'vitest'
import type { VirtualMemory } from '../../../src/core/virtual-memory.js'
import { Problems } from '../../../src/os/problem.js'
import { Peb } from '../../../src/os/windows/peb.js'
import { unicodeAt } from '../../../src/os/windows/strings.js'

/** User memory from 0 on. */
class FlatMemory implements VirtualMemory {
  readonly pointerBytes = 8
  readonly bytes: Buffer

  constructor(length: number) {
    this.bytes = Buffer.alloc(length)
  }

  read(va: bigint, length: number) {
    const at = Number(va)
    const bytes = new Uint8Array(length)
    bytes.set(this.bytes.subarray(at, at + length))
    const there = Math.max(0, Math.min(length, this.bytes.length - at))
    const absent =
      there < length
        ? [{ va: va + BigInt(there), length: length - there, reason: 'not-present' as const }]
        : []
    return { bytes, absent }
  }

  pointer(at: number, value: number): void {
    this.bytes.writeBigUInt64LE(BigInt(value), at)
  }

  text(at: number, length: number, buffer: number): void {
    this.bytes.writeUInt16LE(length, at)
    this.bytes.writeUInt16LE(length, at + 2)
    this.pointer(at + 8, buffer)
  }
}

const ENTRY_BYTES = 0x68
const TEXT = 0x10_0000

describe('texts of a guest', () => {
  it('that are the longest there can be, again and again, are left out beyond a bound, and it is told', () => {
    const count = 2000
    const memory = new FlatMemory(0x20_0000)
    const [peb, data, first] = [0x1000, 0x2000, 0x3000]
    memory.bytes.fill('a\0', TEXT)
    memory.pointer(peb + 0x18, data)
    memory.pointer(data + 0x10, first)
    for (let i = 0; i < count; i++) {
      const entry = first + i * ENTRY_BYTES
      memory.pointer(entry, i + 1 < count ? entry + ENTRY_BYTES : data + 0x10)
      for (const at of [0x48, 0x58]) memory.text(entry + at, 65_534, TEXT + i * 2)
    }
    const problems = new Problems()
    const images = new Peb(memory, BigInt(peb), 8).images(problems)
    expect(images).toHaveLength(count)
    expect(problems.list.map(({ kind, message }) => `${kind}: ${message}`)).toEqual([
      "cut: loader's list: names and paths beyond 33554432 characters are left out",
    ])
    const characters = images.reduce((sum, { name, path }) => sum + name.length + path.length, 0)
    expect(characters).toBeLessThanOrEqual(32 << 20)
    expect(images[0]?.path).toHaveLength(32_767)
    expect(images.at(-1)).toMatchObject({ name: '', path: '' })
  })

  it('are read as far as they are wanted', () => {
    const memory = new FlatMemory(0x4000)
    memory.bytes.fill('b\0', 0x1000, 0x3000)
    memory.text(0x100, 0x1ffe, 0x1000)
    expect(unicodeAt(memory, 0x100n, 8, 20)).toBe('b'.repeat(10))
    expect(unicodeAt(memory, 0x100n)).toBe('b'.repeat(0xfff))
    // a length that is odd is none
    memory.text(0x100, 0x1ffd, 0x1000)
    expect(unicodeAt(memory, 0x100n)).toBeUndefined()
  })
})
