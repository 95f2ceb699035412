/** How a process holds its threads: `signal_struct` with the list of them (include/linux/sched/signal.h). */
import type { DerivedTypes } from './layout.js'
import type { Place, PlaceReader } from './reader.js'
import { agree, offsetsWhere, Sample } from './samples.js'
import type { TaskSet } from './tasks.js'

/** `thread_head` stands near the start of `signal_struct`. */
const SIGNAL_HEAD_BYTES = 256
const MAX_THREADS = 65_536
const MAX_SAMPLES = 64

/**
 * `signal` leads to a structure with a list head near its start; the list links the `thread_node` of each thread, whose
 * `group_leader` is the process. The number of threads stands before the list. Returns starts of threads that are no leaders.
 */
export function deriveThreads(reader: PlaceReader, tasks: TaskSet, types: DerivedTypes): Place[] {
  const width = reader.pointerBytes
  const some = spread(tasks.samples.slice(1), MAX_SAMPLES)
  const leader = types.offset('task_struct', 'group_leader')
  const [first] = some
  if (leader === undefined || first === undefined) return []
  const span = [0, tasks.comm + 512, width] as const
  const pointers = offsetsWhere(some, span, (task, offset) => reader.isPointer(task.pointer(offset)))
  const found: { signal: number; head: number; node: number }[] = []
  for (const signal of pointers) {
    for (let head = width; head < SIGNAL_HEAD_BYTES; head += width) {
      const node = (reader.pointer(first.pointer(signal), head) ?? 0) - first.at
      if (!(node >= 0 && node < tasks.comm)) continue
      const lists = (task: Sample): boolean => {
        const list = task.pointer(signal) + head
        return list !== task.at + node && threadsOf(reader, task, list, node, leader) !== undefined
      }
      if (lists(first) && agree(some, lists)) found.push({ signal, head, node })
    }
  }
  const [only] = found
  if (only === undefined || found.length > 1) return []
  return describe(reader, tasks, only, leader, types)
}

interface ThreadOffsets {
  readonly signal: number
  readonly head: number
  readonly node: number
}

function describe(
  reader: PlaceReader,
  tasks: TaskSet,
  { signal, head, node }: ThreadOffsets,
  leader: number,
  types: DerivedTypes,
): Place[] {
  const width = reader.pointerBytes
  const list = { bytes: 2 * width, typeName: 'list_head', embedded: true } as const
  const groups = tasks.samples.slice(1).map(task => ({
    task,
    threads: threadsOf(reader, task, task.pointer(signal) + head, node, leader) ?? [],
  }))
  const many = groups.filter(({ threads }) => threads.length > 1)
  const why = `${groups.length} lists of threads with the process as their leader, ${many.length} of more than one`
  types.set('task_struct', 'signal', signal, `leads to ${why}`, { typeName: 'signal_struct' })
  types.set('signal_struct', 'thread_head', head, why, list)
  types.set('task_struct', 'thread_node', node, why, list)
  const structs = groups.map(({ task, threads }) => ({
    count: threads.length,
    signal: new Sample(reader, task.pointer(signal), SIGNAL_HEAD_BYTES),
  }))
  const counts = offsetsWhere(
    structs,
    [0, head, 4],
    (entry, offset) => entry.signal.u32(offset) === entry.count,
  )
  // `live` before it, and `quick_threads` behind, hold the same number as long as no thread is dead: third of a row since 2.6.35
  const count = counts.find(offset => offset === 8)
  if (count !== undefined && many.length > 0)
    types.set('signal_struct', 'nr_threads', count, `the length of ${groups.length} lists of threads`, {
      bytes: 4,
    })
  deriveGroup(reader, tasks, many, types)
  return groups.flatMap(({ threads }) => threads.slice(1))
}

/** Starts of the threads in a list, the process first; undefined when one has another leader. */
function threadsOf(
  reader: PlaceReader,
  task: Sample,
  list: Place,
  node: number,
  leader: number,
): Place[] | undefined {
  const threads: Place[] = []
  let at = reader.pointer(list)
  let previous = list
  while (at !== list) {
    if (!reader.isPointer(at) || threads.length >= MAX_THREADS) return undefined
    if (reader.pointer(at, reader.pointerBytes) !== previous) return undefined
    const thread = at - node
    if (reader.pointer(thread, leader) !== task.at) return undefined
    threads.push(thread)
    previous = at
    at = reader.pointer(at)
  }
  return threads[0] === task.at ? threads : undefined
}

interface Group {
  readonly task: Sample
  readonly threads: readonly Place[]
}

/** `thread_group`, the ring through the tasks themselves (until 6.7), where a process with several threads shows it. */
function deriveGroup(reader: PlaceReader, tasks: TaskSet, many: readonly Group[], types: DerivedTypes): void {
  const width = reader.pointerBytes
  const found = offsetsWhere(many, [0, tasks.comm, width], ({ task, threads }, offset) => {
    return threads.every((thread, i) => {
      const next = threads[(i + 1) % threads.length] ?? task.at
      return reader.pointer(thread, offset) === next + offset
    })
  })
  const [ring] = found
  if (ring === undefined || found.length > 1) return
  types.set('task_struct', 'thread_group', ring, `a ring through the threads of ${many.length} processes`, {
    bytes: 2 * width,
    typeName: 'list_head',
    embedded: true,
  })
}

function spread<T>(items: readonly T[], limit: number): T[] {
  if (items.length <= limit) return [...items]
  return [...items.slice(0, limit / 2), ...items.slice(items.length - limit / 2)]
}
