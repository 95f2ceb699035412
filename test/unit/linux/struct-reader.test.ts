import { expect, test } from 'vitest'
import { structSpec } from '../../../src/os/struct/layout.js'
import { StructReader } from '../../../src/os/struct/reader.js'
import type { Member, TypeTable } from '../../../src/symbols/contract.js'
import { KernelMemory, typesOf } from '../../images/kernel-memory.js'

const AT = 0xffff_8880_0000_0000n

const SPEC = structSpec('thing', {
  byte: 'byte',
  half: 'half',
  word: 'word',
  quad: 'quad',
  name: 'name',
  pointer: 'pointer',
  flag: 'flag',
  missing: 'missing',
  renamed: ['new_name', 'old_name'],
})

function readerOf(memory: KernelMemory, extra: Record<string, Member> = {}): StructReader {
  const known: Record<string, Member> = {
    byte: { offset: 8, bytes: 1 },
    half: { offset: 10, bytes: 2 },
    word: { offset: 12, bytes: 4 },
    quad: { offset: 16, bytes: 8 },
    name: { offset: 24, bytes: 8 },
    pointer: { offset: 32, bytes: memory.pointerBytes },
    flag: { offset: 41, bytes: 4, bits: { first: 3, count: 10 } },
    old_name: { offset: 48, bytes: 4 },
    ...extra,
  }
  const types: TypeTable = {
    source: 'made up',
    sizeOf: type => (type === 'thing' ? 64 : undefined),
    member: (type, path) => (type === 'thing' ? known[path] : undefined),
    enumerator: () => undefined,
    members: () => Object.keys(known),
  }
  return new StructReader({ memory, types })
}

test('reads a structure once, and picks its members', () => {
  const memory = new KernelMemory()
  memory.write(
    AT,
    Uint8Array.from({ length: 64 }, (_, i) => 0x80 + i),
  )
  memory.text(AT + 24n, 'abc')
  const reader = readerOf(memory)
  memory.reads = 0
  const thing = reader.record(SPEC, AT)
  expect(memory.reads).toBe(1)
  expect(thing?.number('byte')).toBe(0x88)
  expect(thing?.signed('byte')).toBe(0x88 - 0x100)
  expect(thing?.number('half')).toBe(0x8b8a)
  expect(thing?.number('word')).toBe(0x8f8e8d8c)
  expect(thing?.signed('word')).toBe(0x8f8e8d8c - 2 ** 32)
  expect(thing?.bigint('quad')).toBe(0x9796_9594_9392_9190n)
  expect(thing?.text('name')).toBe('abc')
  expect(thing?.pointer('pointer')).toBe(0xa7a6_a5a4_a3a2_a1a0n)
  expect(thing?.addressOf('quad')).toBe(AT + 16n)
  expect(thing?.number('renamed')).toBe(0xb3b2b1b0)
})

test('bit fields may start and end inside bytes', () => {
  const memory = new KernelMemory()
  memory.write(AT, new Uint8Array(64))
  // bits 3 to 12 of the word at 41
  memory.number(AT + 41n, 0b1_0110_0110_1 << 3, 2)
  expect(readerOf(memory).record(SPEC, AT)?.number('flag')).toBe(0b1_0110_0110_1 & 0x3ff)
})

test('a member that the kernel lacks is undefined, and so is what is absent', () => {
  const memory = new KernelMemory()
  // the structure lies across two pages, of which the second is not there
  const at = AT + 0x1000n - 20n
  memory.write(at, new Uint8Array(20).fill(1))
  const thing = readerOf(memory).record(SPEC, at)
  expect(thing?.number('missing')).toBeUndefined()
  expect(thing?.number('word')).toBe(0x0101_0101)
  expect(thing?.bigint('quad')).toBeUndefined()
  expect(thing?.pointer('pointer')).toBeUndefined()
  expect(thing?.text('name')).toBeUndefined()
})

test('nothing is read outside the kernel, nor where nothing is', () => {
  const reader = readerOf(new KernelMemory())
  expect(reader.record(SPEC, AT)).toBeUndefined()
  expect(reader.record(SPEC, 0x1000n)).toBeUndefined()
  expect(reader.record(SPEC, -8n)).toBeUndefined()
  expect(reader.record(SPEC, 1n << 64n)).toBeUndefined()
  expect(reader.pointer(AT)).toBeUndefined()
  expect(reader.u32(-1n)).toBeUndefined()
  expect(reader.pointers(1n << 70n, 4)).toEqual([])
  expect(reader.text(0n)).toBeUndefined()
})

test('a structure of an unknown type, or of unreasonable size, is undefined', () => {
  const memory = new KernelMemory()
  memory.write(AT, new Uint8Array(64))
  const none = new StructReader({ memory, types: typesOf({}) })
  expect(none.record(structSpec('nothing', { a: 'a' }), AT)).toBeUndefined()
  const huge = readerOf(memory, { old_name: { offset: 2 ** 40, bytes: 4 } })
  expect(huge.record(SPEC, AT)?.number('renamed')).toBeUndefined()
})

test('32-bit pointers are read as such', () => {
  const memory = new KernelMemory(4)
  memory.write(
    0xc000_0000n,
    Uint8Array.from({ length: 64 }, (_, i) => 0x80 + i),
  )
  const reader = readerOf(memory)
  expect(reader.record(SPEC, 0xc000_0000n)?.pointer('pointer')).toBe(0xa3a2_a1a0n)
  expect(reader.pointers(0xc000_0000n, 2)).toEqual([0x8382_8180n, 0x8786_8584n])
})

test('strings end at NUL, at the bound, or where memory does; other bytes than UTF-8 are replaced', () => {
  const memory = new KernelMemory()
  const reader = readerOf(memory)
  memory.text(AT + 0x100n, 'grüße')
  expect(reader.text(AT + 0x100n)).toBe('grüße')
  memory.write(AT + 0x200n, Uint8Array.of(0x61, 0xff, 0x62, 0))
  expect(reader.text(AT + 0x200n)).toBe('a\ufffdb')
  memory.write(AT + 0x400n, new Uint8Array(0xc00).fill(0x78))
  expect(reader.text(AT + 0x400n, 1000)).toBe('x'.repeat(1000))
  expect(reader.text(AT + 0x400n)).toBe('x'.repeat(0xc00))
  memory.write(AT + 0x300n, Uint8Array.of(0))
  expect(reader.text(AT + 0x300n)).toBe('')
})

test('of many pointers only those that are absent are undefined', () => {
  const memory = new KernelMemory()
  memory.pointer(AT + 0xff8n, 5n)
  expect(readerOf(memory).pointers(AT + 0xff8n, 3)).toEqual([5n, undefined, undefined])
})
