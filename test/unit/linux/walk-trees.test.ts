import fc from 'fast-check'
import { expect, test } from 'vitest'
import { walkMapleTree } from '../../../src/os/linux/walk/maple-tree.js'
import { walkRbTree } from '../../../src/os/linux/walk/rbtree.js'
import { walkXarray } from '../../../src/os/linux/walk/xarray.js'
import { Problems } from '../../../src/os/problem.js'
import { StructReader } from '../../../src/os/struct/reader.js'
import { KernelMemory, type StructLayout, typesOf } from '../../images/kernel-memory.js'

const BASE = 0xffff_8880_0000_0000n
const at = (n: number): bigint => BASE + BigInt(n) * 0x400n
const ULONG_MAX = 2n ** 64n - 1n

const XARRAY: Record<string, StructLayout> = {
  xarray: { bytes: 16, members: { xa_head: [8, 8] } },
  xa_node: { bytes: 576, members: { shift: [0, 1], slots: [40, 512] } },
}
const RADIX: Record<string, StructLayout> = {
  radix_tree_root: { bytes: 16, members: { rnode: [8, 8] } },
  radix_tree_node: { bytes: 576, members: { shift: [0, 1], slots: [40, 512] } },
}
const MAPLE: Record<string, StructLayout> = {
  maple_tree: { bytes: 16, members: { ma_root: [8, 8] } },
  maple_range_64: { bytes: 256, members: { slot: [128, 128] } },
  maple_arange_64: { bytes: 256, members: { slot: [80, 80] } },
}

function setUp(structs: Record<string, StructLayout>) {
  const memory = new KernelMemory()
  return { memory, reader: new StructReader({ memory, types: typesOf(structs) }), problems: new Problems() }
}

/** Writes a balanced tree of the nodes and gives its root. */
function plantRbTree(memory: KernelMemory, nodes: readonly bigint[]): bigint {
  if (nodes.length === 0) return 0n
  const middle = nodes.length >> 1
  const root = nodes[middle] as bigint
  memory.pointer(root, 1n)
  memory.pointer(root + 8n, plantRbTree(memory, nodes.slice(middle + 1)))
  memory.pointer(root + 16n, plantRbTree(memory, nodes.slice(0, middle)))
  return root
}

test('gives the nodes of a red-black tree in order', () => {
  const { memory, reader, problems } = setUp({})
  const nodes = Array.from({ length: 1000 }, (_, i) => at(i))
  const root = plantRbTree(memory, nodes)
  expect(walkRbTree(reader, root, problems, { what: 'tree' })).toEqual(nodes)
  expect(walkRbTree(reader, 0n, problems, { what: 'tree' })).toEqual([])
  expect(problems.list).toEqual([])
})

test('a red-black tree that leads back to its root, or endlessly down, ends', () => {
  const { memory, reader, problems } = setUp({})
  const root = plantRbTree(memory, [at(0), at(1), at(2)])
  memory.pointer(at(0) + 16n, root)
  expect(walkRbTree(reader, root, problems, { what: 'tree' })).toEqual([at(0), at(1), at(2)])
  expect(problems.list.map(({ kind }) => kind)).toEqual(['loop'])
  for (let i = 0; i < 5000; i++) {
    memory.pointer(at(i) + 8n, 0n)
    memory.pointer(at(i) + 16n, at(i + 1))
  }
  expect(walkRbTree(reader, at(0), problems, { what: 'tree' }).length).toBeLessThan(100)
})

test('a red-black tree is cut at the bound', () => {
  const { memory, reader, problems } = setUp({})
  const nodes = Array.from({ length: 100 }, (_, i) => at(i))
  const root = plantRbTree(memory, nodes)
  expect(walkRbTree(reader, root, problems, { what: 'tree', max: 7 })).toEqual(nodes.slice(0, 7))
  expect(problems.list.map(({ kind }) => kind)).toEqual(['cut'])
})

/** Writes entries into an xarray (tag 2) or a radix tree (tag 1) of 64 slots a node. */
function plantXarray(
  memory: KernelMemory,
  root: bigint,
  entries: ReadonlyMap<number, bigint>,
  tag: bigint,
): void {
  let next = 100
  let shift = 0
  const highest = Math.max(0, ...entries.keys())
  while (64 ** (shift / 6 + 1) <= highest) shift += 6
  const plant = (level: number, from: number): bigint => {
    const node = at(next++)
    memory.number(node, level, 1)
    memory.write(node + 40n, new Uint8Array(512))
    for (let i = 0; i < 64; i++) {
      const first = from + i * 2 ** level
      const under = [...entries.keys()].filter(key => key >= first && key < first + 2 ** level)
      if (under.length === 0) continue
      const entry = level === 0 ? (entries.get(first) as bigint) : plant(level - 6, first)
      memory.pointer(node + 40n + BigInt(i * 8), entry)
    }
    return node + tag
  }
  memory.pointer(root + 8n, entries.size === 0 ? 0n : plant(shift, 0))
}

test('gives the entries of xarrays and of older radix trees by index', () => {
  const indices = fc.uniqueArray(fc.integer({ min: 0, max: 300_000 }), { maxLength: 40 })
  fc.assert(
    fc.property(indices, fc.constantFrom(1n, 2n), (keys, tag) => {
      const { memory, reader, problems } = setUp(tag === 2n ? XARRAY : RADIX)
      const entries = new Map(keys.map(key => [key, at(key + 10_000)]))
      plantXarray(memory, at(0), entries, tag)
      const sorted = [...entries].sort(([one], [other]) => one - other)
      expect(walkXarray(reader, at(0), problems, { what: 'xarray' })).toEqual(
        sorted.map(([index, entry]) => ({ index, entry })),
      )
      expect(problems.list).toEqual([])
    }),
    { numRuns: 60 },
  )
})

test('a single entry at index 0 stands in the root of an xarray', () => {
  const { memory, reader, problems } = setUp(XARRAY)
  memory.pointer(at(0) + 8n, at(7))
  expect(walkXarray(reader, at(0), problems, { what: 'xarray' })).toEqual([{ index: 0, entry: at(7) }])
})

test('an xarray whose nodes lead back, or are not in memory, ends', () => {
  const { memory, reader, problems } = setUp(XARRAY)
  plantXarray(
    memory,
    at(0),
    new Map([
      [5, at(7)],
      [4000, at(8)],
    ]),
    2n,
  )
  const top = at(100)
  for (let i = 1; i < 64; i++) memory.pointer(top + 40n + BigInt(i * 8), top + 2n)
  memory.pointer(top + 40n + 63n * 8n, BASE + 0x100_0000n + 2n)
  expect(walkXarray(reader, at(0), problems, { what: 'xarray' })).toEqual([{ index: 5, entry: at(7) }])
  expect(new Set(problems.list.map(({ kind }) => kind))).toEqual(new Set(['loop', 'absent']))
})

test('an xarray of nodes without end is cut at the bound', () => {
  const { memory, reader, problems } = setUp(XARRAY)
  // every slot of a node of 2^60 an entry leads to a fresh node
  for (let n = 0; n < 600; n++) {
    memory.number(at(n), 60, 1)
    for (let i = 0; i < 64; i++) memory.pointer(at(n) + 40n + BigInt(i * 8), at((n * 7 + i) % 600) + 2n)
  }
  memory.pointer(at(1000) + 8n, at(0) + 2n)
  expect(walkXarray(reader, at(1000), problems, { what: 'xarray' })).toEqual([])
  expect(problems.list.length).toBeGreaterThan(0)
})

interface Range {
  readonly first: bigint
  readonly last: bigint
  readonly entry: bigint
}

/** Writes a maple tree of these ranges: leaves of 15 slots, inner nodes of 9. */
function plantMapleTree(memory: KernelMemory, root: bigint, ranges: readonly Range[]): void {
  let next = 100
  const all: Range[] = []
  let from = 0n
  for (const range of ranges) {
    if (range.first > from) all.push({ first: from, last: range.first - 1n, entry: 0n })
    all.push(range)
    from = range.last + 1n
  }
  if (from <= ULONG_MAX) all.push({ first: from, last: ULONG_MAX, entry: 0n })
  const build = (items: readonly Range[], type: number): Range[] => {
    const slots = type === 1 ? 16 : 10
    const slotsAt = type === 1 ? 128n : 80n
    const nodes: Range[] = []
    for (let i = 0; i < items.length; i += slots - 1) {
      const part = items.slice(i, i + slots - 1)
      const node = at(next++)
      memory.write(node, new Uint8Array(256))
      part.forEach((item, j) => {
        memory.pointer(node + 8n + BigInt(j * 8), item.last)
        memory.pointer(node + slotsAt + BigInt(j * 8), item.entry)
      })
      nodes.push({
        first: (part[0] as Range).first,
        last: (part.at(-1) as Range).last,
        entry: node | (BigInt(type) << 3n) | 6n,
      })
    }
    return nodes
  }
  let level = build(all, 1)
  while (level.length > 1) level = build(level, 3)
  memory.pointer(root + 8n, (level[0] as Range).entry)
}

test('gives the ranges of maple trees of any depth', () => {
  const bounds = fc.uniqueArray(fc.bigInt({ min: 0n, max: 2n ** 47n }), { minLength: 2, maxLength: 600 })
  fc.assert(
    fc.property(bounds, numbers => {
      const { memory, reader, problems } = setUp(MAPLE)
      const sorted = numbers.sort((one, other) => (one < other ? -1 : 1))
      const ranges: Range[] = []
      for (let i = 0; i + 1 < sorted.length; i += 2)
        ranges.push({ first: sorted[i] as bigint, last: (sorted[i + 1] as bigint) - 1n, entry: at(5000 + i) })
      plantMapleTree(memory, at(0), ranges)
      expect(walkMapleTree(reader, at(0), problems, { what: 'maple' })).toEqual(ranges)
      expect(problems.list).toEqual([])
    }),
    { numRuns: 40 },
  )
})

test('an empty maple tree has no ranges, and a lone entry stands in its root', () => {
  const { memory, reader, problems } = setUp(MAPLE)
  memory.pointer(at(0) + 8n, 0n)
  expect(walkMapleTree(reader, at(0), problems, { what: 'maple' })).toEqual([])
  memory.pointer(at(0) + 8n, at(9))
  expect(walkMapleTree(reader, at(0), problems, { what: 'maple' })).toEqual([
    { first: 0n, last: 0n, entry: at(9) },
  ])
})

test('maple trees that point at themselves, descend, or have nodes of no type end', () => {
  const { memory, reader, problems } = setUp(MAPLE)
  const node = at(100)
  const enode = node | (3n << 3n) | 6n
  memory.write(node, new Uint8Array(256))
  for (let i = 0; i < 10; i++) {
    if (i < 9) memory.pointer(node + 8n + BigInt(i * 8), BigInt(i + 1) * 0x1000n)
    memory.pointer(node + 80n + BigInt(i * 8), enode)
  }
  memory.pointer(at(0) + 8n, enode)
  expect(walkMapleTree(reader, at(0), problems, { what: 'maple' })).toEqual([])
  expect(problems.list[0]?.kind).toBe('loop')
  memory.pointer(at(0) + 8n, node | (9n << 3n) | 2n)
  walkMapleTree(reader, at(0), problems, { what: 'maple' })
  expect(problems.list.at(-1)?.message).toMatch(/type 9/)
  memory.pointer(node + 8n, 0x5000n)
  memory.pointer(node + 16n, 0x1000n)
  memory.pointer(at(0) + 8n, node | (1n << 3n) | 2n)
  walkMapleTree(reader, at(0), problems, { what: 'maple' })
  expect(problems.list.at(-1)?.message).toMatch(/descend/)
})

test('garbage never throws and always ends', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4096, maxLength: 4096 }), fc.integer(), (bytes, seed) => {
      const { memory, reader, problems } = setUp({ ...XARRAY, ...MAPLE })
      memory.write(BASE, bytes)
      // links that lead into the page itself
      const random = (n: number): bigint => BASE + BigInt(((n * 2654435761 + seed) >>> 0) % 4096)
      for (let i = 0; i < 4096 - 8; i += 24) memory.pointer(BASE + BigInt(i), random(i))
      walkRbTree(reader, BASE + 8n, problems, { what: 'tree' })
      walkXarray(reader, BASE + 16n, problems, { what: 'xarray' })
      walkMapleTree(reader, BASE + 16n, problems, { what: 'maple' })
    }),
    { numRuns: 300 },
  )
})
