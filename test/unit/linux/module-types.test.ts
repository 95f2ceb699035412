import { expect, test } from 'vitest'
import { joinBlobs, moduleTypes } from '../../../src/os/linux/module-types.js'
import { searchModuleTypes } from '../../../src/os/linux/module-types-search.js'
import { btfSections } from '../../../src/symbols/btf-blob.js'
import { parseBtf } from '../../../src/symbols/btf-types.js'
import { type WrittenType, writeBtf } from '../../images/btf.js'
import { FlatMemory } from '../../images/flat-memory.js'
import { MadeUpKernel } from '../../images/linux-files.js'

const PADDING: readonly WrittenType[] = Array.from({ length: 8000 }, (_, i) => ({
  kind: 'int' as const,
  name: `padding_type_${i}`,
  bytes: 4,
}))
const KERNEL: readonly WrittenType[] = [
  { kind: 'int', name: 'long', bytes: 8 },
  { kind: 'struct', name: 'list_head', bytes: 16, members: [{ name: 'next', type: 1, bitOffset: 0 }] },
  { kind: 'struct', name: 'task_struct', bytes: 64, members: [{ name: 'tasks', type: 2, bitOffset: 64 }] },
  ...PADDING,
]
const MODULE: readonly WrittenType[] = [
  {
    kind: 'struct',
    name: 'zram',
    bytes: 32,
    members: [
      { name: 'list', type: 2, bitOffset: 0 },
      { name: 'disksize', type: 1, bitOffset: 128 },
    ],
  },
]

/** What the kernel keeps: its own blob, and the module's, whose numbers and strings go on where the kernel's end. */
function blobs() {
  const base = writeBtf(KERNEL)
  const whole = writeBtf([...KERNEL, ...MODULE])
  const first = btfSections(base)
  const all = btfSections(whole)
  if (first === undefined || all === undefined) throw new Error('no BTF')
  const types = whole.subarray(all.types + first.typeBytes, all.types + all.typeBytes)
  const strings = whole.subarray(all.strings + first.stringBytes, all.strings + all.stringBytes)
  const header = Buffer.alloc(24)
  header.writeUInt16LE(0xeb9f, 0)
  header.writeUInt8(1, 2)
  for (const [i, value] of [24, 0, types.length, types.length, strings.length].entries())
    header.writeUInt32LE(value, 4 + i * 4)
  return { base, own: Buffer.concat([header, types, strings]) }
}

test('a module and its kernel are read as one', () => {
  const { base, own } = blobs()
  const types = parseBtf(joinBlobs(base, own) ?? new Uint8Array(0))
  expect(types?.member('zram', 'disksize')).toMatchObject({ offset: 16, bytes: 8 })
  expect(types?.member('zram', 'list.next')).toMatchObject({ offset: 0, bytes: 8 })
  expect(types?.member('task_struct', 'tasks')?.offset).toBe(8)
})

test('what is no BTF, or cut short, is not joined', () => {
  const { base, own } = blobs()
  expect(joinBlobs(base, Buffer.alloc(100))).toBeUndefined()
  expect(joinBlobs(base, own.subarray(0, own.length - 1))).toBeUndefined()
  expect(joinBlobs(base.subarray(0, 30), own)).toBeUndefined()
})

const BTF = { data: [0, 8], data_size: [8, 4], base_btf: [16, 8], name: [24, 56] } as const

test('the types of a loaded module are found in the list of them', () => {
  const { base, own } = blobs()
  const list = 0xffff_ffff_8200_0000n
  const guest = new MadeUpKernel(
    {
      btf: { bytes: 80, members: BTF },
      btf_module: { bytes: 32, members: { list: [0, 16], btf: [16, 8] } },
    },
    { btf_modules: list },
  )
  const kernelBtf = guest.make('btf', { data: guest.bytes(base), data_size: base.length })
  const btf = guest.make('btf', { data: guest.bytes(own), data_size: own.length, base_btf: kernelBtf })
  guest.memory.text(btf + 24n, 'zram')
  const module = guest.make('btf_module', { btf })
  const hostile = guest.make('btf', {
    data: 0xffff_9000_0000_0000n,
    data_size: 0xffff_ffff,
    base_btf: kernelBtf,
  })
  guest.memory.text(hostile + 24n, 'other')
  guest.memory.ring(list, [guest.make('btf_module', { btf: hostile }), module])
  expect(moduleTypes(guest.kernel, 'zram')?.sizeOf('zram')).toBe(32)
  expect(moduleTypes(guest.kernel, 'other')).toBeUndefined()
  expect(moduleTypes(guest.kernel, 'none')).toBeUndefined()
})

test('where nothing leads to them, they are searched for in memory', () => {
  const { base, own } = blobs()
  const memory = Buffer.alloc(2 << 20)
  base.copy(memory, 4096)
  own.copy(memory, 0x10_0100)
  const [types, none] = searchModuleTypes(new FlatMemory(memory), ['zram', 'no_such_structure'])
  expect(types?.sizeOf('zram')).toBe(32)
  expect(none).toBeUndefined()
  expect(searchModuleTypes(new FlatMemory(Buffer.alloc(1 << 20)), ['zram'])).toEqual([undefined])
})
