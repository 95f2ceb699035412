import { expect, test } from 'vitest'
import type { LinuxKernel } from '../../../src/os/linux/kernel.js'
import { maps } from '../../../src/os/linux/maps.js'
import { pagingMode } from '../../../src/paging/modes.js'
import { KernelMemory, symbolsOf, typesOf } from '../../images/kernel-memory.js'

// a kernel that keeps mappings in a list and a red-black tree, as all did before 6.1
const BASE = 0xffff_8880_0000_0000n
const MM = BASE
const vmaAt = (n: number): bigint => BASE + 0x1000n + BigInt(n) * 0x100n
const NAME_FUNCTION = 0xffff_ffff_8110_0000n

const TYPES = typesOf({
  mm_struct: {
    bytes: 0x80,
    members: {
      mmap: [0, 8],
      'mm_rb.rb_node': [8, 8],
      map_count: [16, 4],
      start_brk: [24, 8],
      brk: [32, 8],
      start_stack: [40, 8],
      'context.vdso': [48, 8],
    },
  },
  vm_area_struct: {
    bytes: 0x80,
    members: {
      vm_start: [0, 8],
      vm_end: [8, 8],
      vm_next: [16, 8],
      vm_rb: [32, 24],
      vm_mm: [56, 8],
      vm_flags: [64, 8],
      vm_pgoff: [72, 8],
      vm_file: [80, 8],
      vm_ops: [88, 8],
      vm_private_data: [96, 8],
      anon_name: [104, 8],
    },
  },
  vm_operations_struct: { bytes: 16, members: { name: [8, 8] } },
  vm_special_mapping: { bytes: 16, members: { name: [0, 8] } },
  anon_vma_name: { bytes: 4, members: { name: [4, 0] } },
})

interface Vma {
  readonly start: bigint
  readonly end: bigint
  readonly flags?: number
  readonly fields?: Readonly<Record<number, bigint>>
}

function plant(vmas: readonly Vma[]): { memory: KernelMemory; kernel: LinuxKernel } {
  const memory = new KernelMemory()
  memory.write(MM, new Uint8Array(0x80))
  memory.pointer(MM, vmas.length === 0 ? 0n : vmaAt(0))
  memory.number(MM + 16n, vmas.length, 4)
  vmas.forEach(({ start, end, flags = 0x73, fields = {} }, i) => {
    const at = vmaAt(i)
    memory.write(at, new Uint8Array(0x80))
    memory.pointer(at, start)
    memory.pointer(at + 8n, end)
    memory.pointer(at + 16n, i + 1 < vmas.length ? vmaAt(i + 1) : 0n)
    // a tree that leans to the right is a tree, too
    memory.pointer(at + 32n, 1n)
    memory.pointer(at + 40n, i + 1 < vmas.length ? vmaAt(i + 1) + 32n : 0n)
    memory.pointer(at + 56n, MM)
    memory.pointer(at + 64n, BigInt(flags))
    for (const [offset, value] of Object.entries(fields)) memory.pointer(at + BigInt(offset), value)
  })
  memory.pointer(MM + 8n, vmas.length === 0 ? 0n : vmaAt(0) + 32n)
  const kernel: LinuxKernel = {
    architecture: 'x86_64',
    banner: '',
    release: '',
    paging: pagingMode('x86_64'),
    dtb: 0,
    kernelBase: 0n,
    kaslrOffset: 0n,
    symbols: symbolsOf({ special_mapping_name: NAME_FUNCTION }),
    types: TYPES,
    memory,
    derived: [],
  }
  return { memory, kernel }
}

const three: readonly Vma[] = [
  { start: 0x1000n, end: 0x2000n, flags: 0x75 },
  { start: 0x5000n, end: 0x9000n, flags: 0xfb },
  { start: 0x7fff_0000n, end: 0x7fff_8000n, flags: 0 },
]

test('lists the mappings of the list', () => {
  const { kernel } = plant(three)
  const { items, problems } = maps(kernel, MM)
  expect(problems).toEqual([])
  expect(items.map(({ start, end, flags }) => [start, end, flags])).toEqual([
    [0x1000n, 0x2000n, 'r-xp'],
    [0x5000n, 0x9000n, 'rw-s'],
    [0x7fff_0000n, 0x7fff_8000n, '---p'],
  ])
})

test('names heap, stack, vdso and what the process named itself', () => {
  const { memory, kernel } = plant([
    { start: 0x1000n, end: 0x2000n },
    { start: 0x2000n, end: 0x4000n },
    { start: 0x5000n, end: 0x6000n, fields: { 104: BASE + 0x8000n } },
    { start: 0x7000n, end: 0x8000n, fields: { 88: BASE + 0x8100n, 96: BASE + 0x8200n } },
    { start: 0x9000n, end: 0xa000n },
    { start: 0xb000n, end: 0xf000n },
  ])
  memory.pointer(MM + 24n, 0x2000n)
  memory.pointer(MM + 32n, 0x3800n)
  memory.pointer(MM + 40n, 0xe120n)
  memory.pointer(MM + 48n, 0x9000n)
  memory.text(BASE + 0x8004n, 'arena\n1')
  memory.pointer(BASE + 0x8108n, NAME_FUNCTION)
  memory.pointer(BASE + 0x8200n, BASE + 0x8300n)
  memory.text(BASE + 0x8300n, '[vvar]')
  expect(maps(kernel, MM).items.map(({ path, kind }) => [path, kind])).toEqual([
    ['', 'anonymous'],
    ['[heap]', 'heap'],
    ['[anon:arena\n1]', 'anonymous'],
    ['[vvar]', 'special'],
    ['[vdso]', 'special'],
    ['[stack]', 'stack'],
  ])
})

test('a list that leads back into itself ends, and the tree gives nothing twice', () => {
  const { memory, kernel } = plant(three)
  memory.pointer(vmaAt(2) + 16n, vmaAt(1))
  const { items, problems } = maps(kernel, MM)
  expect(items).toHaveLength(3)
  expect(problems.map(({ kind }) => kind)).toEqual(['loop'])
})

test('a mapping that was taken out of the list is found in the tree, and told', () => {
  const { memory, kernel } = plant(three)
  memory.pointer(vmaAt(0) + 16n, vmaAt(2))
  const { items, problems } = maps(kernel, MM)
  expect(items.map(({ start }) => start)).toEqual([0x1000n, 0x5000n, 0x7fff_0000n])
  expect(problems[0]?.message).toMatch(/in the tree but not in the list/)
})

test('a list that leads nowhere gives what stands before', () => {
  const { memory, kernel } = plant(three)
  memory.pointer(vmaAt(1) + 16n, BASE + 0x100_0000n)
  memory.pointer(MM + 8n, 0n)
  const { items, problems } = maps(kernel, MM)
  expect(items).toHaveLength(2)
  expect(problems.map(({ kind }) => kind)).toEqual(['absent', 'broken'])
})
