/** The threads of a process. */
import type { LinuxKernel } from './kernel.js'
import { type Listing, Problems } from './problem.js'
import { StructReader } from './struct/reader.js'
import { readTask, SIGNAL, TASK, type TaskRecord, type TaskState, taskState } from './tasks.js'
import { walkList } from './walk/list.js'

/** Most threads read of one process. */
const MAX_THREADS = 2 ** 17

/** One thread of a process. */
export interface LinuxThread {
  readonly tid: number
  readonly name: string
  /** Kernel virtual address of its `task_struct`. */
  readonly address: bigint
  readonly state?: TaskState
}

/** The threads of the process whose leader's `task_struct` stands at `leader`, the leader first, in the kernel's order. */
export function threads(kernel: LinuxKernel, leader: bigint): Listing<LinuxThread> {
  const problems = new Problems()
  const reader = new StructReader(kernel)
  const task = readTask(reader, leader, problems)
  const items: LinuxThread[] = []
  for (const address of task === undefined ? [] : threadAddresses(reader, task, problems)) {
    const thread = readTask(reader, address, problems)
    const tid = thread?.number('pid')
    if (thread === undefined || tid === undefined) continue
    const state = taskState(thread)
    items.push({ tid, name: thread.text('comm') ?? '', address, ...(state === undefined ? {} : { state }) })
  }
  return { items, problems: problems.list }
}

/** Addresses of the `task_struct`s of a thread group, by the list in its `signal_struct`, or the ring through the tasks before 6.7. */
export function threadAddresses(
  reader: StructReader,
  leader: TaskRecord,
  problems: Problems,
  max = MAX_THREADS,
): bigint[] {
  const what = `threads of ${leader.number('pid') ?? '?'}`
  const signal = leader.link('signal')
  const head = signal === undefined ? undefined : reader.record(SIGNAL, signal)?.addressOf('threadHead')
  const node = reader.layout(TASK).offset('threadNode')
  if (head !== undefined && node !== undefined)
    return walkList(reader, head, problems, { what, max }).map(at => at - BigInt(node))
  const ring = leader.addressOf('threadGroup')
  const offset = reader.layout(TASK).offset('threadGroup')
  if (ring === undefined || offset === undefined) return [leader.address]
  const others = walkList(reader, ring, problems, { what, max })
  return [leader.address, ...others.map(at => at - BigInt(offset))]
}
