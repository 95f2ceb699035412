/** Tasks: what the kernel schedules, threads and processes alike (include/linux/sched.h). */
import { hex } from '../../core/address.js'
import type { Problems } from '../problem.js'
import { structSpec } from '../struct/layout.js'
import type { StructReader } from '../struct/reader.js'
import type { StructRecord } from '../struct/record.js'
import { walkList } from '../walk/list.js'
import type { LinuxKernel } from './kernel.js'

/** What the lists read of a `task_struct`, in one read. */
export const TASK = structSpec('task_struct', {
  state: ['__state', 'state'],
  flags: 'flags',
  tasks: 'tasks',
  mm: 'mm',
  exitState: 'exit_state',
  pid: 'pid',
  tgid: 'tgid',
  realParent: 'real_parent',
  groupLeader: 'group_leader',
  /** struct pid, 4.19 and later; `pids[0].pid` before. */
  threadPid: 'thread_pid',
  pidLinks: ['pid_links', 'pids'],
  threadGroup: 'thread_group',
  threadNode: 'thread_node',
  startBoot: ['start_boottime', 'real_start_time'],
  startMonotonic: 'start_time',
  realCred: 'real_cred',
  comm: 'comm',
  fs: 'fs',
  files: 'files',
  nsproxy: 'nsproxy',
  signal: 'signal',
  stack: 'stack',
})

/** The members that `TASK` names. */
export type TaskKey = keyof (typeof TASK)['members']
export type TaskRecord = StructRecord<TaskKey>

/** What the lists read of a `signal_struct`. */
export const SIGNAL = structSpec('signal_struct', {
  threads: 'nr_threads',
  threadHead: 'thread_head',
})

/** `PF_KTHREAD` of include/linux/sched.h. */
const FLAG_KERNEL_THREAD = 0x0020_0000
/** Largest pid there can be on 64-bit (`PID_MAX_LIMIT`), exclusive. */
export const MAX_PIDS = 2 ** 22
/** Most tasks taken of one list or table: a hostile guest may link millions. */
export const MAX_TASKS = 2 ** 17

/**
 * The thread-group leaders of the ring that starts at `init_task`, without `init_task` itself: addresses of `task_struct`s in the
 * kernel's order. What is broken is added to `problems`.
 */
export function taskList(kernel: LinuxKernel, reader: StructReader, problems: Problems): bigint[] {
  const first = kernel.symbols.addressOf('init_task')
  const offset = reader.layout(TASK).offset('tasks')
  if (first === undefined || offset === undefined) {
    problems.add(
      'unknown',
      `task list: ${first === undefined ? 'no symbol init_task' : 'no member task_struct.tasks'}`,
    )
    return []
  }
  const nodes = walkList(reader, first + BigInt(offset), problems, { what: 'task list', max: MAX_TASKS })
  return nodes.map(node => node - BigInt(offset))
}

/** Reads a task; one that is not there is told. */
export function readTask(reader: StructReader, address: bigint, problems: Problems): TaskRecord | undefined {
  const task = reader.record(TASK, address)
  if (task === undefined) problems.add('absent', `task ${hex(address)} is not in memory`, address)
  return task
}

/** Whether the task is a thread of the kernel's own: it has no user memory, whatever it borrows. */
export function isKernelThread(task: TaskRecord): boolean {
  const flags = task.number('flags')
  // bitwise is safe: one bit of 32 is looked at
  if (flags !== undefined) return (flags & FLAG_KERNEL_THREAD) !== 0
  return task.pointer('mm') === 0n && (task.number('exitState') ?? 0) === 0
}

/** What a task is doing, as /proc tells it. */
export type TaskState =
  | 'running'
  | 'sleeping'
  | 'disk-sleep'
  | 'stopped'
  | 'traced'
  | 'parked'
  | 'idle'
  | 'zombie'
  | 'dead'

const EXIT_DEAD = 0x10
const EXIT_ZOMBIE = 0x20
/** `TASK_REPORT_IDLE`: uninterruptible, and no load. */
const STATE_IDLE = 0x402

/** `task_state_index` of include/linux/sched.h; undefined when the types don't tell. */
export function taskState(task: TaskRecord): TaskState | undefined {
  const exit = task.number('exitState') ?? 0
  if ((exit & EXIT_ZOMBIE) !== 0) return 'zombie'
  if ((exit & EXIT_DEAD) !== 0) return 'dead'
  const state = task.number('state')
  if (state === undefined) return undefined
  if (state === 0) return 'running'
  if ((state & STATE_IDLE) === STATE_IDLE) return 'idle'
  if ((state & 1) !== 0) return 'sleeping'
  if ((state & 2) !== 0) return 'disk-sleep'
  if ((state & 4) !== 0) return 'stopped'
  if ((state & 8) !== 0) return 'traced'
  return (state & 0x40) !== 0 ? 'parked' : 'sleeping'
}
