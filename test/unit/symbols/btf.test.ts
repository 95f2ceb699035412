import { describe, expect, it } from 'vitest'
import { findBtf } from '../../../src/symbols/btf-search.js'
import { parseBtf } from '../../../src/symbols/btf-types.js'
import { type WrittenType, writeBtf } from '../../images/btf.js'

/** Ids are places in this list, from 1 on. */
const TYPES: readonly WrittenType[] = [
  { kind: 'int', name: 'int', bytes: 4, signed: true }, // 1
  { kind: 'int', name: 'long unsigned int', bytes: 8 }, // 2
  { kind: 'struct', name: 'list_head', bytes: 16, members: [member('next', 4, 0), member('prev', 4, 64)] }, // 3
  { kind: 'pointer', type: 3 }, // 4
  { kind: 'int', name: 'char', bytes: 1, signed: true }, // 5
  { kind: 'array', type: 5, count: 16 }, // 6
  { kind: 'union', name: '', bytes: 8, members: [member('rcu_users', 1, 0), member('stack', 2, 0)] }, // 7
  { kind: 'struct', name: '', bytes: 4, members: [member('val', 1, 0)] }, // 8
  { kind: 'typedef', name: 'kuid_t', type: 8 }, // 9
  { kind: 'const', type: 9 }, // 10
  { kind: 'volatile', type: 10 }, // 11
  { kind: 'array', type: 3, count: 4 }, // 12
  { kind: 'array', type: 12, count: 3 }, // 13
  { kind: 'pointer', type: 15 }, // 14
  {
    kind: 'struct',
    name: 'task_struct',
    bytes: 512,
    members: [
      { ...member('pid', 1, 0), bits: 0 },
      member('tasks', 3, 64),
      member('comm', 6, 192),
      member('', 7, 320),
      member('uid', 11, 384),
      member('real_parent', 14, 448),
      { name: 'in_execve', type: 1, bitOffset: 517, bits: 3 },
      member('links', 13, 576),
      member('opaque', 17, 2112),
      member('fn', 18, 2176),
    ],
  }, // 15
  { kind: 'forward', name: 'secret' }, // 16
  { kind: 'pointer', type: 16 }, // 17
  { kind: 'pointer', type: 19 }, // 18
  { kind: 'funcProto', type: 0, parameters: [1, 4] }, // 19
  { kind: 'enum', name: 'pid_type', bytes: 4, values: { PIDTYPE_PID: 0n, PIDTYPE_TGID: 1n } }, // 20
  { kind: 'enum', name: '', bytes: 4, signed: true, values: { LOWEST: -5n } }, // 21
  { kind: 'enum64', name: 'wide', bytes: 8, signed: true, values: { HIGH: 1n << 40n, LOW: -(1n << 40n) } }, // 22
  { kind: 'func', name: 'do_exit', type: 19 }, // 23
  { kind: 'var', name: 'jiffies', type: 2 }, // 24
  { kind: 'datasec', name: '.data', bytes: 64, variables: [24] }, // 25
  { kind: 'float', name: 'double', bytes: 8 }, // 26
  { kind: 'declTag', name: 'tag', type: 23 }, // 27
  { kind: 'typeTag', name: 'user', type: 3 }, // 28
  { kind: 'typedef', name: 'loop_a', type: 30 }, // 29
  { kind: 'typedef', name: 'loop_b', type: 29 }, // 30
  { kind: 'int', name: 'bool', bytes: 1 }, // 31
  { kind: 'int', name: '', bytes: 4, bits: 3, shift: 2 }, // 32
  { kind: 'struct', name: 'old_style', bytes: 8, members: [member('flag', 32, 32)] }, // 33
  { kind: 'typedef', name: 'list_head', type: 1 }, // 34
]

describe('types from BTF', () => {
  const types = parseBtf(writeBtf(TYPES))

  it('gives sizes of structures, typedefs, integers, enums', () => {
    const sizes = ['task_struct', 'kuid_t', 'int', 'pid_type', 'wide', 'double', 'bool', 'list_head'].map(
      name => types?.sizeOf(name),
    )
    expect(sizes).toEqual([512, 4, 4, 4, 8, 8, 1, 16])
    expect(types?.sizeOf('no_such')).toBeUndefined()
    expect(types?.sizeOf('')).toBeUndefined()
  })

  it('describes members', () => {
    const describe = (path: string) => types?.member('task_struct', path)
    expect(describe('pid')).toEqual({ offset: 0, bytes: 4, signed: true })
    expect(describe('tasks')).toEqual({ offset: 8, bytes: 16, typeName: 'list_head' })
    expect(describe('tasks.prev')).toEqual({ offset: 16, bytes: 8, pointer: true, typeName: 'list_head' })
    expect(describe('comm')).toEqual({ offset: 24, bytes: 16, signed: true, count: 16 })
    expect(describe('real_parent')).toEqual({ offset: 56, bytes: 8, pointer: true, typeName: 'task_struct' })
    expect(describe('opaque')).toEqual({ offset: 264, bytes: 8, pointer: true, typeName: 'secret' })
    expect(describe('fn')).toEqual({ offset: 272, bytes: 8, pointer: true })
    expect(describe('links')).toEqual({ offset: 72, bytes: 192, typeName: 'list_head', count: 12 })
  })

  it('opens anonymous structures, and names those that only a typedef names', () => {
    expect(types?.member('task_struct', 'stack')).toEqual({ offset: 40, bytes: 8 })
    expect(types?.member('task_struct', 'uid')).toEqual({ offset: 48, bytes: 4, typeName: 'kuid_t' })
    expect(types?.member('task_struct', 'uid.val')).toEqual({ offset: 48, bytes: 4, signed: true })
    expect(types?.members('task_struct')).toEqual(
      'pid tasks comm rcu_users stack uid real_parent in_execve links opaque fn'.split(' '),
    )
  })

  it('tells bits of bit fields, from the member or from an integer of older blobs', () => {
    expect(types?.member('task_struct', 'in_execve')).toMatchObject({
      offset: 64,
      bytes: 1,
      bits: { first: 5, count: 3 },
    })
    expect(types?.member('old_style', 'flag')).toMatchObject({
      offset: 4,
      bytes: 1,
      bits: { first: 2, count: 3 },
    })
  })

  it('does not follow pointers or arrays in a path', () => {
    expect(types?.member('task_struct', 'real_parent.pid')).toBeUndefined()
    expect(types?.member('task_struct', 'links.next')).toBeUndefined()
    expect(types?.member('task_struct', '')).toBeUndefined()
    expect(types?.member('task_struct', 'tasks.')).toBeUndefined()
    expect(types?.member('int', 'x')).toBeUndefined()
  })

  it('finds enumerators wherever they are, with their sign', () => {
    expect(['PIDTYPE_TGID', 'LOWEST', 'HIGH', 'LOW', 'NONE'].map(name => types?.enumerator(name))).toEqual([
      1,
      -5,
      2 ** 40,
      -(2 ** 40),
      undefined,
    ])
  })

  it('ends on typedefs that go round', () => {
    expect(types?.sizeOf('loop_a')).toBeUndefined()
    expect(types?.member('loop_a', 'x')).toBeUndefined()
  })

  it('passes over kinds of the future where the blob tells their size, and gives up where not', () => {
    const future: WrittenType[] = [{ kind: 'future', number: 21, words: 3 }, ...TYPES.slice(0, 2)]
    expect(parseBtf(writeBtf(future, { layout: true }))?.sizeOf('int')).toBe(4)
    expect(parseBtf(writeBtf(future))).toBeUndefined()
  })

  it('takes the pointer size from long', () => {
    const narrow: WrittenType[] = [
      { kind: 'int', name: 'long unsigned int', bytes: 4 },
      { kind: 'pointer', type: 1 },
      { kind: 'struct', name: 's', bytes: 8, members: [member('p', 2, 32)] },
    ]
    expect(parseBtf(writeBtf(narrow))?.member('s', 'p')).toEqual({ offset: 4, bytes: 4, pointer: true })
  })

  it('ends on structures that contain themselves many times over', () => {
    const members = Array.from({ length: 60 }, () => member('', 1, 0))
    const bomb = parseBtf(writeBtf([{ kind: 'struct', name: 'bomb', bytes: 8, members }]))
    const start = performance.now()
    expect(bomb?.member('bomb', 'x')).toBeUndefined()
    expect(bomb?.members('bomb')).toEqual([])
    expect(performance.now() - start).toBeLessThan(2000)
  })

  it('finds blobs among other bytes', () => {
    const blob = writeBtf(TYPES)
    const bytes = Buffer.concat([
      Buffer.alloc(100, 0x9f),
      blob,
      Buffer.from([0x9f, 0xeb, 1, 0, 24, 0, 0, 0]),
      Buffer.alloc(64),
    ])
    expect(findBtf(bytes)).toContainEqual({ offset: 100, length: blob.length })
  })
})

function member(name: string, type: number, bitOffset: number) {
  return { name, type, bitOffset }
}
