import { expect, test } from 'vitest'
import { Problems } from '../../../src/os/problem.js'
import { StructReader } from '../../../src/os/struct/reader.js'
import { walkChain, walkList } from '../../../src/os/walk/list.js'
import { KernelMemory, typesOf } from '../../images/kernel-memory.js'

const BASE = 0xffff_8880_0000_0000n
const at = (n: number): bigint => BASE + BigInt(n) * 0x100n

function setUp(pointerBytes: 4 | 8 = 8) {
  const memory = new KernelMemory(pointerBytes)
  return { memory, reader: new StructReader({ memory, types: typesOf({}) }), problems: new Problems() }
}

test('gives the nodes of a ring in order, without its head', () => {
  const { memory, reader, problems } = setUp()
  memory.ring(at(0), [at(3), at(1), at(2)])
  expect(walkList(reader, at(0), problems, { what: 'list' })).toEqual([at(3), at(1), at(2)])
  expect(problems.list).toEqual([])
})

test('an empty ring has no nodes', () => {
  const { memory, reader, problems } = setUp()
  memory.ring(at(0), [])
  expect(walkList(reader, at(0), problems, { what: 'list' })).toEqual([])
  expect(problems.list).toEqual([])
})

test('reads 32-bit rings', () => {
  const { memory, reader, problems } = setUp(4)
  memory.ring(0xc000_0000n, [0xc100_0000n, 0xc200_0000n])
  expect(walkList(reader, 0xc000_0000n, problems, { what: 'list' })).toEqual([0xc100_0000n, 0xc200_0000n])
})

test('a broken link is told, and what lies behind it is reached from the other side', () => {
  const { memory, reader, problems } = setUp()
  memory.ring(at(0), [at(1), at(2), at(3), at(4)])
  memory.pointer(at(2), 0x1234n)
  expect(walkList(reader, at(0), problems, { what: 'list' })).toEqual([at(1), at(2), at(3), at(4)])
  expect(problems.list.map(problem => problem.kind)).toContain('broken')
})

test('a node in memory that is not there is told, and the rest is reached from the other side', () => {
  const { memory, reader, problems } = setUp()
  memory.ring(at(0), [at(1), at(2), at(3)])
  memory.pointer(at(1), BASE + 0x10_0000n)
  expect(walkList(reader, at(0), problems, { what: 'list' })).toEqual([at(1), at(2), at(3)])
  expect(problems.list.some(({ kind }) => kind === 'absent')).toBe(true)
})

test('a ring that leads back into itself ends', () => {
  const { memory, reader, problems } = setUp()
  memory.ring(at(0), [at(1), at(2), at(3)])
  memory.pointer(at(3), at(1))
  memory.pointer(at(1) + 8n, at(3))
  expect(walkList(reader, at(0), problems, { what: 'list' })).toEqual([at(1), at(2), at(3)])
  expect(problems.list.some(({ kind }) => kind === 'loop')).toBe(true)
})

test('a node that points at itself ends the walk', () => {
  const { memory, reader, problems } = setUp()
  memory.ring(at(0), [at(1)])
  memory.pointer(at(1), at(1))
  memory.pointer(at(1) + 8n, at(1))
  expect(walkList(reader, at(0), problems, { what: 'list' })).toEqual([at(1)])
  expect(problems.list.some(({ kind }) => kind === 'loop')).toBe(true)
})

test('takes no more elements than it was told', () => {
  const { memory, reader, problems } = setUp()
  memory.ring(
    at(0),
    Array.from({ length: 1000 }, (_, i) => at(i + 1)),
  )
  expect(walkList(reader, at(0), problems, { what: 'list', max: 10 })).toHaveLength(10)
  expect(problems.list.map(problem => problem.kind)).toEqual(['cut'])
})

test('tells an element that was unlinked in one direction only', () => {
  const { memory, reader, problems } = setUp()
  memory.ring(at(0), [at(1), at(2), at(3)])
  memory.pointer(at(1), at(3))
  expect(walkList(reader, at(0), problems, { what: 'list' })).toEqual([at(1), at(3)])
  expect(problems.list[0]?.message).toMatch(/back link/)
})

test('a chain ends at NULL, at a marked end, and at a loop', () => {
  const { memory, reader, problems } = setUp()
  memory.pointer(at(1), at(2))
  memory.pointer(at(2), 0n)
  expect(walkChain(reader, at(1), problems, { what: 'chain' })).toEqual([at(1), at(2)])
  memory.pointer(at(2), 0x15n)
  expect(walkChain(reader, at(1), problems, { what: 'chain' })).toEqual([at(1), at(2)])
  expect(problems.list).toEqual([])
  memory.pointer(at(2), at(1))
  expect(walkChain(reader, at(1), problems, { what: 'chain' })).toEqual([at(1), at(2)])
  expect(problems.list.map(problem => problem.kind)).toEqual(['loop'])
})

test('problems are bounded, and the last one says so', () => {
  const { memory, reader, problems } = setUp()
  const nodes = Array.from({ length: 1000 }, (_, i) => at(i + 1))
  memory.ring(at(0), nodes)
  for (const node of nodes) memory.pointer(node + 8n, 0n)
  walkList(reader, at(0), problems, { what: 'list' })
  expect(problems.list).toHaveLength(201)
  expect(problems.list.at(-1)?.kind).toBe('cut')
})
