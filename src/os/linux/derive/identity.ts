/** A task's numbers: pid, tgid, flags, start time, exit state (include/linux/sched.h). */
import type { DerivedTypes } from './layout.js'
import type { Place, PlaceReader } from './reader.js'
import { agree, offsetsWhere, type Sample } from './samples.js'
import { nameOf, type TaskSet, told } from './tasks.js'

const PID_MAX_LIMIT = 4 * 2 ** 20
/** PF_KTHREAD. */
const KERNEL_THREAD = 0x0020_0000
/** SIGCHLD: what every process leader sends its parent. */
const SIGCHLD = 17
/** The first task is made later than 0.1 ms after the clock starts; counters begin lower. */
const MIN_UPTIME = 1e5
/** 100 years in nanoseconds. */
const MAX_UPTIME = 100 * 366 * 86_400 * 1e9
/** STACK_END_MAGIC of include/uapi/linux/magic.h, at the lowest address of each task's stack. */
const STACK_END_MAGIC = 0x57ac_6e9d

/** Derives what tells a task's identity. */
export function deriveIdentity(reader: PlaceReader, tasks: TaskSet, types: DerivedTypes): void {
  derivePids(tasks, types)
  deriveFlags(reader, tasks, types)
  deriveStartTime(reader, tasks, types)
  deriveExit(tasks, types)
  deriveStack(reader, tasks, types)
}

/** `pid` and `tgid`, side by side: equal in a leader, different in all, 0 for init_task, 2 for kthreadd, 1 for a child of init_task. */
function derivePids({ samples, init, comm, kernel, user }: TaskSet, types: DerivedTypes): void {
  const kthreadd = kernel.find(task => nameOf(task, comm) === 'kthreadd')
  const end = comm + 64
  const pairs = offsetsWhere(
    samples,
    [0, end, 4],
    (task, offset) => task.u32(offset) < PID_MAX_LIMIT && task.u32(offset) === task.u32(offset + 4),
  ).filter(offset => {
    if (init.u32(offset) !== 0 || kthreadd?.u32(offset) !== 2) return false
    const pids = samples.map(task => task.u32(offset))
    return new Set(pids).size === pids.length && user.some(task => task.u32(offset) === 1)
  })
  const [pid] = pairs
  if (pid === undefined || pairs.length > 1) return
  const why = `0 for swapper, 2 for kthreadd, a 1, and different for ${samples.length} tasks`
  types.set('task_struct', 'pid', pid, why, { bytes: 4 })
  types.set('task_struct', 'tgid', pid + 4, `equal to pid in ${told(samples.length)} leaders`, { bytes: 4 })
}

/** `flags`: PF_KTHREAD is set in the descendants of kthreadd and in no other. */
function deriveFlags(
  reader: PlaceReader,
  { samples, init, kernel, user, comm }: TaskSet,
  types: DerivedTypes,
): void {
  if (kernel.length < 2 || user.length === 0) return
  const set = (task: Sample, offset: number): boolean => (task.u32(offset) & KERNEL_THREAD) !== 0
  const found = offsetsWhere(kernel, [0, comm, 4], set).filter(
    offset =>
      set(init, offset) &&
      agree(user, task => !set(task, offset)) &&
      // half of a pointer, which most threads of the kernel may share, has any bit by chance
      !reader.isPointer(init.pointer(offset - (offset % reader.pointerBytes))),
  )
  const [flags] = found
  if (flags === undefined || found.length > 1) return
  types.set(
    'task_struct',
    'flags',
    flags,
    `PF_KTHREAD in ${kernel.length} kernel threads, in none of ${user.length} others of ${samples.length}`,
    { bytes: 4 },
  )
}

/** `start_time` and the like grow along the ring: tasks are added at its end. */
function deriveStartTime(reader: PlaceReader, { samples, comm }: TaskSet, types: DerivedTypes): void {
  const times = samples.slice(1)
  const step = reader.pointerBytes
  const found: number[] = []
  const pid = types.offset('task_struct', 'pid')
  for (let offset = 0; offset < comm; offset += step) {
    // two numbers that grow, taken for one
    if (pid !== undefined && offset > pid - 8 && offset < pid + 8) continue
    let last = 0
    const grows = agree(times, task => {
      const time = task.u64(offset)
      // where the low word is always 0, the high one is another member's low word
      const fits = time >= last && time > MIN_UPTIME && time < MAX_UPTIME && task.u32(offset) !== 0
      if (fits) last = time
      return fits
    })
    // structures that were made one after the other may stand so, too
    const pointers = agree(times, task => reader.isPointer(task.pointer(offset)))
    if (grows && !pointers && new Set(times.map(task => task.u64(offset))).size * 2 > times.length)
      found.push(offset)
  }
  const [start, boot, ...more] = found
  // with one alone it could be either
  if (start === undefined || boot !== start + 8 || more.length > 0) return
  const why = `grows along the ring of ${samples.length} tasks`
  types.set('task_struct', 'start_time', start, why, { bytes: 8 })
  types.set('task_struct', 'start_boottime', boot, `${why}, behind start_time`, { bytes: 8 })
}

/** `exit_state`, `exit_code`, `exit_signal` in a row: 0, 0, SIGCHLD in living leaders. */
function deriveExit({ samples, init, parent, comm }: TaskSet, types: DerivedTypes): void {
  // the kernel starts pid 1 and kthreadd itself, and may ask for no signal then
  const living = samples.filter(task => task.pointer(parent) !== init.at)
  const found = offsetsWhere(living, [8, comm, 4], (task, offset) => task.u32(offset) === SIGCHLD)
  const [signal] = found
  if (signal === undefined || found.length > 1) return
  const why = `SIGCHLD in ${told(living.length)} leaders`
  types.set('task_struct', 'exit_signal', signal, why, { bytes: 4 })
  const dead = living.filter(task => task.u32(signal - 8) !== 0)
  // EXIT_ZOMBIE is 0x20, EXIT_DEAD 0x10, EXIT_TRACE both; few are in that state at a time
  if (dead.length * 2 > living.length || dead.some(task => (task.u32(signal - 8) & ~0x30) !== 0)) return
  const states = `two words before exit_signal; ${dead.length} of ${living.length} leaders are dead`
  types.set('task_struct', 'exit_state', signal - 8, states, { bytes: 4 })
  types.set('task_struct', 'exit_code', signal - 4, 'between exit_state and exit_signal', { bytes: 4 })
}

/** `stack`: a page of its own in every task, with the kernel's mark at its end. */
function deriveStack(reader: PlaceReader, tasks: TaskSet, types: DerivedTypes): void {
  const { samples, comm } = tasks
  const width = reader.pointerBytes
  const few = samples.slice(0, 24)
  const marked = (place: Place): boolean => place % 4096 === 0 && reader.u32(place) === STACK_END_MAGIC
  const found = offsetsWhere(few, [0, comm, width], (task, offset) => {
    const place = task.pointer(offset)
    return reader.isPointer(place) && marked(place)
  })
  const [stack] = found
  if (stack === undefined || found.length > 1) return
  deriveState(tasks, stack, types)
  types.set(
    'task_struct',
    'stack',
    stack,
    `the mark of a stack's end stands there in ${told(few.length)} tasks`,
  )
}

/** TASK_INTERRUPTIBLE, TASK_UNINTERRUPTIBLE, TASK_IDLE: in one of these nearly all threads of the kernel wait. */
const WAITING = new Set([1, 2, 0x402])

/** `__state` (`state` before 5.14) stands before the stack: 0 in the idle task, a kind of waiting in most of the kernel's threads. */
function deriveState({ samples, init, kernel }: TaskSet, stack: number, types: DerivedTypes): void {
  const found: number[] = []
  for (let offset = 0; offset < stack; offset += 4) {
    const waiting = kernel.filter(task => WAITING.has(task.u32(offset))).length
    const known = samples.every(task => task.u32(offset) <= 0xffff)
    if (init.u32(offset) === 0 && known && waiting > 2 && waiting >= kernel.length * 0.75) found.push(offset)
  }
  const [state] = found
  if (state === undefined || found.length > 1) return
  types.set(
    'task_struct',
    '__state',
    state,
    `most of ${kernel.length} kernel threads wait, swapper does not`,
    { bytes: 4 },
  )
}
