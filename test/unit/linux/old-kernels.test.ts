/** Structures as kernels before 4.15 had them: a hash of pids, links to them in the task, threads in a ring. */
import { expect, test } from 'vitest'
import type { LinuxKernel } from '../../../src/os/linux/kernel.js'
import { modules } from '../../../src/os/linux/modules.js'
import { namespacePids } from '../../../src/os/linux/namespace-pids.js'
import { pidTable } from '../../../src/os/linux/pid-table.js'
import { readTask, type TaskRecord } from '../../../src/os/linux/tasks.js'
import { threadAddresses, threads } from '../../../src/os/linux/threads.js'
import { Problems } from '../../../src/os/problem.js'
import { StructReader } from '../../../src/os/struct/reader.js'
import { pagingMode } from '../../../src/paging/modes.js'
import { KernelMemory, symbolsOf, typesOf } from '../../images/kernel-memory.js'

const DATA = 0xffff_ffff_8200_0000n
const HASH = DATA + 0x100n
const SHIFT = DATA + 0x108n
const MODULES = DATA + 0x200n
const TABLE = 0xffff_8880_0100_0000n
const taskAt = (n: number): bigint => 0xffff_8880_0000_0000n + BigInt(n) * 0x400n
const pidAt = (n: number): bigint => 0xffff_8880_0200_0000n + BigInt(n) * 0x100n
const moduleAt = (n: number): bigint => 0xffff_ffff_c000_0000n + BigInt(n) * 0x1_0000n

const TYPES = typesOf({
  task_struct: {
    bytes: 0x400,
    members: { pid: [0, 4], tgid: [4, 4], pids: [0x10, 72], thread_group: [0x80, 16], comm: [0x90, 16] },
  },
  pid: { bytes: 0x80, members: { level: [4, 4], tasks: [8, 24], numbers: [0x30, 32] } },
  upid: { bytes: 32, members: { nr: [0, 4], ns: [8, 8], pid_chain: [16, 16] } },
  pid_link: { bytes: 24, members: { node: [0, 16], pid: [16, 8] } },
  module: {
    bytes: 0x200,
    members: {
      state: [0, 4],
      list: [8, 16],
      name: [0x18, 56],
      module_core: [0x60, 8],
      core_size: [0x68, 4],
      module_init: [0x70, 8],
      init_size: [0x78, 4],
    },
  },
})

function guest(): { memory: KernelMemory; kernel: LinuxKernel; reader: StructReader; problems: Problems } {
  const memory = new KernelMemory()
  const kernel: LinuxKernel = {
    architecture: 'x86_64',
    banner: '',
    release: '',
    paging: pagingMode('x86_64'),
    dtb: 0,
    kernelBase: 0n,
    kaslrOffset: 0n,
    symbols: symbolsOf({ pid_hash: HASH, pidhash_shift: SHIFT, modules: MODULES }),
    types: TYPES,
    memory,
    derived: [],
  }
  memory.pointer(HASH, TABLE)
  memory.number(SHIFT, 4, 4)
  memory.write(TABLE, new Uint8Array(16 * 8))
  return { memory, kernel, reader: new StructReader(kernel), problems: new Problems() }
}

/** Plants a task with its pids, the outermost first, and hashes it. */
function plant(memory: KernelMemory, n: number, pids: readonly number[]): void {
  const pid = pids[0] as number
  memory.write(taskAt(n), new Uint8Array(0x100))
  memory.number(taskAt(n), pid, 4)
  memory.number(taskAt(n) + 4n, pid, 4)
  memory.text(taskAt(n) + 0x90n, `task-${n}`)
  memory.write(pidAt(n), new Uint8Array(0x80))
  memory.number(pidAt(n) + 4n, pids.length - 1, 4)
  memory.pointer(pidAt(n) + 8n, taskAt(n) + 0x10n)
  memory.pointer(taskAt(n) + 0x20n, pidAt(n))
  pids.forEach((number, level) => {
    memory.number(pidAt(n) + 0x30n + BigInt(level * 32), number, 4)
  })
  const bucket = TABLE + BigInt((pid % 16) * 8)
  const first = Buffer.from(memory.read(bucket, 8).bytes).readBigUInt64LE()
  memory.pointer(pidAt(n) + 0x30n + 16n, first)
  memory.pointer(bucket, pidAt(n) + 0x30n + 16n)
}

function taskOf(reader: StructReader, n: number, problems: Problems): TaskRecord {
  const task = readTask(reader, taskAt(n), problems)
  if (task === undefined) throw new Error('no task')
  return task
}

test('the hash of pids gives the tasks, those that share a bucket too', () => {
  const { memory, kernel, reader, problems } = guest()
  for (const n of [1, 2, 3, 4]) plant(memory, n, [n * 8])
  expect(pidTable(kernel, reader, problems).sort()).toEqual([1, 2, 3, 4].map(taskAt))
  expect(problems.list).toEqual([])
})

test('a bucket that leads in a circle ends, and the others are read', () => {
  const { memory, kernel, reader, problems } = guest()
  for (const n of [1, 2, 3]) plant(memory, n, [n])
  memory.pointer(pidAt(2) + 0x40n, pidAt(2) + 0x40n)
  expect(pidTable(kernel, reader, problems).sort()).toEqual([1, 2, 3].map(taskAt))
  expect(problems.list.map(({ kind }) => kind)).toEqual(['loop'])
})

test('a hash of a size that no kernel has is not read', () => {
  const { memory, kernel, reader, problems } = guest()
  plant(memory, 1, [1])
  memory.number(SHIFT, 0xffff_ffff, 4)
  expect(pidTable(kernel, reader, problems)).toEqual([])
})

test('pids of namespaces are found through the link in the task', () => {
  const { memory, reader, problems } = guest()
  plant(memory, 1, [300, 7])
  expect(namespacePids(reader, taskOf(reader, 1, problems), problems)).toEqual([300, 7])
})

test('threads are found through the ring in the tasks, the leader first', () => {
  const { memory, kernel, reader, problems } = guest()
  for (const n of [1, 2, 3]) plant(memory, n, [n])
  memory.ring(taskAt(1) + 0x80n, [taskAt(2) + 0x80n, taskAt(3) + 0x80n])
  expect(threadAddresses(reader, taskOf(reader, 1, problems), problems)).toEqual([1, 2, 3].map(taskAt))
  expect(threads(kernel, taskAt(1)).items.map(({ tid, name }) => [tid, name])).toEqual([
    [1, 'task-1'],
    [2, 'task-2'],
    [3, 'task-3'],
  ])
})

test('modules of plain bases and sizes are listed, those that are not formed yet are not', () => {
  const { memory, kernel } = guest()
  memory.ring(
    MODULES,
    [1, 2, 3].map(n => moduleAt(n) + 8n),
  )
  for (const n of [1, 2, 3]) {
    memory.number(moduleAt(n), n === 2 ? 3 : 0, 4)
    memory.text(moduleAt(n) + 0x18n, `module_${n}`)
    memory.pointer(moduleAt(n) + 0x60n, moduleAt(n) - 0x1000n)
    memory.number(moduleAt(n) + 0x68n, 0x4000, 4)
    memory.pointer(moduleAt(n) + 0x70n, 0n)
    memory.number(moduleAt(n) + 0x78n, 0, 4)
  }
  expect(modules(kernel)).toMatchObject({
    items: [
      { name: 'module_1', base: moduleAt(1) - 0x1000n, size: 0x4000, state: 'live' },
      { name: 'module_3', base: moduleAt(3) - 0x1000n, size: 0x4000, state: 'live' },
    ],
    problems: [],
  })
})

test('a list of modules that leads nowhere gives what stands before, and what can be reached from behind', () => {
  const { memory, kernel } = guest()
  memory.ring(
    MODULES,
    [1, 2].map(n => moduleAt(n) + 8n),
  )
  for (const n of [1, 2]) memory.text(moduleAt(n) + 0x18n, `module_${n}`)
  memory.pointer(moduleAt(1) + 8n, 0x100n)
  const { items, problems } = modules(kernel)
  expect(items.map(({ name }) => name)).toEqual(['module_1', 'module_2'])
  expect(problems[0]?.kind).toBe('broken')
})
