import { expect, test } from 'vitest'
import { CommandLines } from '../../../src/os/linux/command-line.js'
import { MM, type MmRecord } from '../../../src/os/linux/memory-map.js'
import { StructReader } from '../../../src/os/struct/reader.js'
import { KernelMemory, typesOf } from '../../images/kernel-memory.js'

const MM_AT = 0xffff_8880_0000_0000n
const ARGUMENTS = 0x7ffd_0000_0f00n

/** A process whose arguments reach from `ARGUMENTS` over so many bytes. */
function process(length: bigint, write: (user: KernelMemory) => void): { mm: MmRecord; user: KernelMemory } {
  const kernel = new KernelMemory()
  kernel.pointer(MM_AT, ARGUMENTS)
  kernel.pointer(MM_AT + 8n, ARGUMENTS + length)
  const types = typesOf({ mm_struct: { bytes: 16, members: { arg_start: [0, 8], arg_end: [8, 8] } } })
  const mm = new StructReader({ memory: kernel, types }).record(MM, MM_AT)
  if (mm === undefined) throw new Error('no mm')
  const user = new KernelMemory()
  write(user)
  return { mm, user }
}

test('splits at NULs and keeps empty arguments', () => {
  const text = Buffer.from('/bin/x\0-a\0\0last\0')
  const { mm, user } = process(BigInt(text.length), memory => memory.write(ARGUMENTS, text))
  expect(new CommandLines().read(mm, () => user)).toEqual({
    kind: 'read',
    arguments: ['/bin/x', '-a', '', 'last'],
    complete: true,
  })
})

test('what a process wrote over its arguments is shown as it stands', () => {
  const { mm, user } = process(8n, memory => memory.write(ARGUMENTS, Buffer.from('x: \xff\xfe!!', 'latin1')))
  expect(new CommandLines().read(mm, () => user)).toMatchObject({ arguments: ['x: \ufffd\ufffd!!'] })
})

test('a page that is absent cuts it, and tells why when it is the first', () => {
  const cut = process(0x200n, memory => memory.write(ARGUMENTS, Buffer.alloc(0x100, 0x61)))
  expect(new CommandLines().read(cut.mm, () => cut.user)).toMatchObject({ kind: 'read', complete: false })
  const gone = process(0x200n, () => undefined)
  expect(new CommandLines().read(gone.mm, () => gone.user)).toEqual({ kind: 'absent', reason: 'not-present' })
})

test('a process without memory, or whose arguments end before they start, has none', () => {
  const none = { kind: 'absent', reason: 'none' }
  const { mm, user } = process(-1n, () => undefined)
  expect(new CommandLines().read(undefined, () => user)).toEqual(none)
  expect(new CommandLines().read(mm, () => user)).toEqual(none)
})

test('thousands of the longest command lines take a bounded amount together', () => {
  const { mm, user } = process(2n ** 62n, memory => memory.write(ARGUMENTS, new Uint8Array(512 * 1024)))
  const lines = new CommandLines()
  let held = 0
  for (let i = 0; i < 50; i++) {
    const line = lines.read(mm, () => user)
    if (line.kind === 'read') held += line.arguments.length
  }
  expect(held).toBeLessThan(3_000_000)
  expect(held).toBeGreaterThan(1_000_000)
})
