/** The threads of a process. */

import { type Listing, Problems } from '../problem.js'
import { StructReader } from '../struct/reader.js'
import { walkList } from '../walk/list.js'
import type { LinuxKernel } from './kernel.js'
import { readTask, SIGNAL, TASK, type TaskRecord, type TaskState, taskState } from './tasks.js'

/** Most threads read of one process, and of all processes of a listing: a hostile guest lets 100 000 of them share a long list. */
const MAX_THREADS = 2 ** 17
const MAX_ALL_THREADS = 2 ** 18

/** One thread of a process. */
export interface LinuxThread {
  readonly tid: number
  readonly name: string
  /** Kernel virtual address of its `task_struct`. */
  readonly address: bigint
  readonly state?: TaskState
}

/** A process whose threads are listed. */
export interface ThreadHolder {
  readonly pid: number
  /** Kernel virtual address of its leader's `task_struct`. */
  readonly address: bigint
}

/** A thread with its process. */
export interface ProcessThread {
  readonly process: ThreadHolder
  readonly thread: LinuxThread
}

/** The threads of the process whose leader's `task_struct` stands at `leader`, the leader first, in the kernel's order. */
export function threads(kernel: LinuxKernel, leader: bigint): Listing<LinuxThread> {
  const problems = new Problems()
  const items = threadsOf(new StructReader(kernel), leader, problems, MAX_THREADS)
  return { items, problems: problems.list }
}

/** The threads of many processes, in their order; the number of all is bounded, and told where it is cut. */
export function threadsOfAll(kernel: LinuxKernel, processes: Iterable<ThreadHolder>): Listing<ProcessThread> {
  const problems = new Problems()
  const reader = new StructReader(kernel)
  const items: ProcessThread[] = []
  for (const process of processes) {
    const left = MAX_ALL_THREADS - items.length
    if (left <= 0) {
      problems.add('cut', `threads: cut at ${MAX_ALL_THREADS}, before those of ${process.pid}`)
      break
    }
    for (const thread of threadsOf(reader, process.address, problems, Math.min(left, MAX_THREADS)))
      items.push({ process, thread })
  }
  return { items, problems: problems.list }
}

function threadsOf(reader: StructReader, leader: bigint, problems: Problems, max: number): LinuxThread[] {
  const task = readTask(reader, leader, problems)
  const found: LinuxThread[] = []
  for (const address of task === undefined ? [] : threadAddresses(reader, task, problems, max)) {
    const thread = readTask(reader, address, problems)
    const tid = thread?.number('pid')
    if (thread === undefined || tid === undefined) continue
    const state = taskState(thread)
    found.push({ tid, name: thread.text('comm') ?? '', address, ...(state === undefined ? {} : { state }) })
  }
  return found
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
