import { describe, expect, test } from 'vitest'
import { crossCheckProcesses } from '../../../src/os/linux/crosscheck.js'
import { maps } from '../../../src/os/linux/maps.js'
import { processes } from '../../../src/os/linux/processes.js'
import { threads } from '../../../src/os/linux/threads.js'
import { walkXarray } from '../../../src/os/linux/walk/xarray.js'
import { Problems } from '../../../src/os/problem.js'
import { type DemoGuest, openDemo } from '../../helpers/demo-kernel.js'

/** The process of that name. */
function find(guest: DemoGuest, name: string) {
  const process = processes(guest.kernel, guest.memory).items.find(item => item.name === name)
  if (process === undefined) throw new Error(`no process ${name}`)
  return process
}

/** Takes a pid out of the kernel's table. */
function forgetPid(guest: DemoGuest, pid: number): void {
  const tree = guest.symbol('init_pid_ns') + guest.offset('pid_namespace', 'idr.idr_rt')
  const root = guest.structs.pointer(tree + guest.offset('xarray', 'xa_head')) ?? 0n
  const slots = (root & ~3n) + guest.offset('xa_node', 'slots')
  // 47 pids: the tree is two levels deep
  const inner =
    ((guest.structs.pointer(slots + BigInt(pid >> 6) * 8n) ?? 0n) & ~3n) + guest.offset('xa_node', 'slots')
  guest.pointer(inner + BigInt(pid % 64) * 8n, 0n)
}

describe('processes of a real guest', () => {
  test('lists programs and kernel threads with parents, times and command lines', async () => {
    const guest = await openDemo()
    const { items, problems } = processes(guest.kernel, guest.memory)
    expect(problems).toEqual([])
    expect(items).toHaveLength(47)
    expect(items.filter(item => !item.kernelThread).map(item => [item.pid, item.ppid, item.name])).toEqual([
      [1, 0, 'init'],
      [78, 1, 'shop-server'],
      [79, 1, 'note-editor'],
    ])
    const [init, kthreadd] = items
    expect(init?.commandLine).toEqual({ kind: 'read', arguments: ['/init'], complete: true })
    expect(init?.namespacePids).toEqual([1])
    expect(kthreadd).toMatchObject({
      pid: 2,
      ppid: 0,
      name: 'kthreadd',
      kernelThread: true,
      uid: 0,
      threads: 1,
    })
    expect(kthreadd).not.toHaveProperty('dtb')
    const times = items.map(item => item.startTime?.sinceBoot ?? -1)
    expect(times.every((time, i) => time > 0 && time >= (times[i - 1] ?? 0))).toBe(true)
    // the image was made in November 2026
    expect(new Date((init?.startTime?.unixSeconds ?? 0) * 1000).getUTCFullYear()).toBe(2026)
  })

  test('a process has its own thread first', async () => {
    const guest = await openDemo()
    const editor = find(guest, 'note-editor')
    expect(threads(guest.kernel, editor.address).items).toMatchObject([{ tid: 79, name: 'note-editor' }])
  })

  test('three ways find the same processes', async () => {
    const guest = await openDemo()
    const { items, available, problems } = crossCheckProcesses(guest.kernel, guest.memory)
    expect(problems).toEqual([])
    expect(available).toEqual({ taskList: true, pidTable: true, scan: true })
    expect(items).toHaveLength(47)
    expect(items.every(({ verdict, sources }) => verdict === 'listed' && sources.scan)).toBe(true)
  })
})

describe('processes that hide', () => {
  test('a process taken out of the task list is not listed, and found by the pid table', async () => {
    const guest = await openDemo()
    const editor = find(guest, 'note-editor')
    guest.unlink(editor.address + guest.offset('task_struct', 'tasks'))
    expect(processes(guest.kernel, guest.memory).items.some(({ pid }) => pid === 79)).toBe(false)
    const hidden = crossCheckProcesses(guest.kernel, guest.memory).items.filter(
      item => item.verdict !== 'listed',
    )
    expect(hidden).toMatchObject([
      {
        process: { pid: 79, name: 'note-editor' },
        verdict: 'hidden',
        sources: { taskList: false, pidTable: true, scan: true },
      },
    ])
    expect(maps(guest.kernel, hidden[0]?.process.mmAddress).items).toHaveLength(10)
  })

  test('one that is in no list at all is found in memory', async () => {
    const guest = await openDemo()
    const editor = find(guest, 'note-editor')
    guest.unlink(editor.address + guest.offset('task_struct', 'tasks'))
    forgetPid(guest, 79)
    const hidden = crossCheckProcesses(guest.kernel, guest.memory).items.filter(
      item => item.verdict !== 'listed',
    )
    expect(hidden).toMatchObject([
      { process: { pid: 79 }, verdict: 'hidden', sources: { taskList: false, pidTable: false, scan: true } },
    ])
  })

  test('one that was taken out of the pid table only is marked, too', async () => {
    const guest = await openDemo()
    forgetPid(guest, 78)
    const hidden = crossCheckProcesses(guest.kernel, guest.memory).items.filter(
      item => item.verdict !== 'listed',
    )
    expect(hidden).toMatchObject([{ process: { pid: 78 }, sources: { taskList: true, pidTable: false } }])
  })

  test('remains of one that ended are told as such', async () => {
    const guest = await openDemo()
    const editor = find(guest, 'note-editor')
    guest.unlink(editor.address + guest.offset('task_struct', 'tasks'))
    forgetPid(guest, 79)
    guest.write(editor.address + guest.offset('task_struct', 'exit_state'), Uint8Array.of(0x10, 0, 0, 0))
    const ended = crossCheckProcesses(guest.kernel, guest.memory).items.filter(
      item => item.verdict !== 'listed',
    )
    expect(ended).toMatchObject([{ process: { pid: 79, state: 'dead' }, verdict: 'ended' }])
  })
})

describe('hostile process lists', () => {
  test('a task that points at itself ends the list there, and the others come from behind', async () => {
    const guest = await openDemo()
    const tasks = guest.offset('task_struct', 'tasks')
    const { items } = processes(guest.kernel, guest.memory)
    const tenth = (items[9]?.address ?? 0n) + tasks
    guest.pointer(tenth, tenth)
    const { items: found, problems } = processes(guest.kernel, guest.memory)
    expect(found).toEqual(items)
    expect(problems.some(({ kind }) => kind === 'loop')).toBe(true)
  })

  test('a list that leads into user space, or nowhere, is told', async () => {
    for (const target of [0n, 0x4000_0000n, 0xffff_ffff_ffff_ffffn, 0xdead_0000_0000_0100n]) {
      const guest = await openDemo()
      guest.pointer(guest.symbol('init_task') + guest.offset('task_struct', 'tasks'), target)
      const { items, problems } = processes(guest.kernel, guest.memory)
      expect(items).toHaveLength(47)
      expect(problems.length).toBeGreaterThan(0)
    }
  })

  test('pids, threads and levels beyond reason end the reading, not the listing', async () => {
    const guest = await openDemo()
    const editor = find(guest, 'note-editor')
    const pid = guest.structs.pointer(editor.address + guest.offset('task_struct', 'thread_pid')) ?? 0n
    const signal = guest.structs.pointer(editor.address + guest.offset('task_struct', 'signal')) ?? 0n
    guest.write(pid + guest.offset('pid', 'level'), Buffer.alloc(4, 0xff))
    guest.write(signal + guest.offset('signal_struct', 'nr_threads'), Buffer.alloc(4, 0xff))
    guest.pointer((editor.mmAddress ?? 0n) + guest.offset('mm_struct', 'arg_end'), 0x7fff_ffff_ffff_ffffn)
    const { items, problems } = processes(guest.kernel, guest.memory)
    const changed = items.find(item => item.pid === 79)
    expect(changed).toMatchObject({
      threads: 1,
      namespacePids: [],
      commandLine: { kind: 'read', complete: false },
    })
    expect(problems.map(({ message }) => message).join()).toMatch(/level 4294967295/)
  })

  test('a pid table of garbage does not break the cross-check', async () => {
    const guest = await openDemo()
    const tree = guest.symbol('init_pid_ns') + guest.offset('pid_namespace', 'idr.idr_rt')
    const head = tree + guest.offset('xarray', 'xa_head')
    guest.pointer(head, (guest.structs.pointer(head) ?? 0n) + 0x40n)
    const { items, available } = crossCheckProcesses(guest.kernel, guest.memory)
    expect(items.length).toBeGreaterThanOrEqual(47)
    expect(available.taskList).toBe(true)
  })

  test('the pid table has an entry for each process', async () => {
    const guest = await openDemo()
    const problems = new Problems()
    const tree = guest.symbol('init_pid_ns') + guest.offset('pid_namespace', 'idr.idr_rt')
    const pids = walkXarray(guest.structs, tree, problems, { what: 'pids' }).map(({ index }) => index)
    expect(pids).toEqual(
      expect.arrayContaining(processes(guest.kernel, guest.memory).items.map(({ pid }) => pid)),
    )
    expect(problems.list).toEqual([])
  })
})
