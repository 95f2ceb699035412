/** Where a task keeps its start, its leader and its family: pointers among the tasks of the ring. */
import type { DerivedTypes } from './layout.js'
import type { Place, PlaceReader } from './reader.js'
import { agree, enough, offsetsWhere, Sample } from './samples.js'
import { COMM_BYTES, type TaskRing } from './task-ring.js'

/** The tasks of the ring, read, with what is known of their kinship. */
export interface TaskSet {
  /** Of all leaders in ring order (init_task first), at most some hundred. */
  readonly samples: readonly Sample[]
  /** Starts of all tasks of the ring. */
  readonly starts: ReadonlySet<Place>
  readonly init: Sample
  /** Offset of `comm`. */
  readonly comm: number
  /** Offset of `real_parent`. */
  readonly parent: number
  /** Threads of the kernel: kthreadd and its children. */
  readonly kernel: readonly Sample[]
  /** Tasks that descend from pid 1, itself included. */
  readonly user: readonly Sample[]
}

const MAX_SAMPLES = 384
/** Members behind `comm` that are wanted stand within this distance: `fs`, `files`, `signal`. */
const BEHIND_COMM_BYTES = 1024
const MAX_CHILDREN = 65_536

/**
 * Finds where the structures begin and how they point at each other: `group_leader` points at the task itself in every leader,
 * `real_parent` and `parent` at other tasks of the ring.
 */
export function deriveTasks(reader: PlaceReader, ring: TaskRing, types: DerivedTypes): TaskSet | undefined {
  const chosen = spread(ring.comms, MAX_SAMPLES)
  const starts = possibleStarts(reader, ring, chosen)
  const found = starts.flatMap(comm => {
    const set = familyAt(reader, ring, chosen, comm)
    return set === undefined ? [] : [set]
  })
  const [family] = found
  if (family === undefined || found.length > 1) return undefined
  const { comm, leader, parents, samples, starts: known, init } = family
  const many = `${ring.comms.length} tasks`
  types.set('task_struct', 'tasks', comm + ring.tasks, `ring of ${many} from swapper to kthreadd and back`, {
    bytes: 2 * reader.pointerBytes,
    typeName: 'list_head',
    embedded: true,
  })
  types.set('task_struct', 'comm', comm, `${many} have a name there`, { bytes: COMM_BYTES })
  types.set('task_struct', 'group_leader', leader, `points at the task itself in ${many}`, {
    typeName: 'task_struct',
  })
  const [parent = 0] = parents
  types.set('task_struct', 'real_parent', parent, `points at other tasks of the ring in ${many}`, {
    typeName: 'task_struct',
  })
  if (parents.length > 1)
    types.set('task_struct', 'parent', parents[1] ?? parent, 'the second such pointer, behind the first', {
      typeName: 'task_struct',
    })
  deriveChildren(reader, family, types)
  const kernel = descendants(samples, parent, init, 'kthreadd', comm)
  const kernelPlaces = new Set(kernel.map(task => task.at))
  const user = samples.filter(task => task !== init && !kernelPlaces.has(task.at))
  return { samples, starts: known, init, comm, parent, kernel, user }
}

interface Family {
  readonly comm: number
  readonly leader: number
  /** Offsets of `real_parent` and `parent`, ascending. */
  readonly parents: readonly number[]
  readonly samples: readonly Sample[]
  readonly starts: ReadonlySet<Place>
  readonly init: Sample
}

/** First, last and what lies between: as many as `limit`. */
function spread<T>(items: readonly T[], limit: number): T[] {
  if (items.length <= limit) return [...items]
  return [...items.slice(0, limit / 2), ...items.slice(items.length - limit / 2)]
}

/** Distances from a start to `comm`, by the pointers of every task to a constant place before its own name. */
function possibleStarts(reader: PlaceReader, ring: TaskRing, comms: readonly Place[]): number[] {
  const width = reader.pointerBytes
  const before = 8192
  const base = (comm: Place): Place => comm - before
  const samples = comms.map(comm => new Sample(reader, base(comm), before + BEHIND_COMM_BYTES))
  const [first] = samples
  if (first === undefined) return []
  const starts = new Set<number>()
  for (
    let offset = before - 4096 - ((before - 4096) % width);
    offset < before + BEHIND_COMM_BYTES;
    offset += width
  ) {
    const distance = first.pointer(offset) - first.at
    // lists that are empty point at themselves
    if (distance === offset || distance === offset - width || distance >= before + Math.min(0, ring.tasks))
      continue
    if (distance < 0 || !agree(samples, task => task.pointer(offset) - task.at === distance)) continue
    starts.add(before - distance)
  }
  return [...starts]
}

function familyAt(
  reader: PlaceReader,
  ring: TaskRing,
  comms: readonly Place[],
  comm: number,
): Family | undefined {
  const width = reader.pointerBytes
  const samples = comms.map(place => new Sample(reader, place - comm, comm + BEHIND_COMM_BYTES))
  const [init] = samples
  if (init === undefined) return undefined
  const starts = new Set(ring.comms.map(place => place - comm))
  const span = [0, comm + BEHIND_COMM_BYTES - width, width] as const
  const toTasks = offsetsWhere(samples, span, (task, offset) => starts.has(task.pointer(offset)))
  const [leader, ...more] = toTasks.filter(offset => agree(samples, task => task.pointer(offset) === task.at))
  // init_task is its own parent, kthreadd and pid 1 are its children, all others have another one
  const parents = toTasks.filter(
    offset =>
      init.pointer(offset) === init.at &&
      samples.every(task => task === init || task.pointer(offset) !== task.at),
  )
  if (leader === undefined || more.length > 0 || parents.length < 1 || parents.length > 2) return undefined
  if (parents.length === 2 && parents[1] !== (parents[0] ?? 0) + width) return undefined
  return { comm, leader, parents, samples, starts, init }
}

/** `children` of a parent links the `sibling` of each child. */
function deriveChildren(reader: PlaceReader, family: Family, types: DerivedTypes): void {
  const width = reader.pointerBytes
  const { samples, starts, parents, comm } = family
  const [parent = 0] = parents
  const kids = new Map<Place, number>()
  for (const task of samples)
    if (task !== family.init) kids.set(task.pointer(parent), (kids.get(task.pointer(parent)) ?? 0) + 1)
  const families = samples.filter(task => kids.has(task.at))
  const found: { children: number; sibling: number }[] = []
  for (let children = 0; children < comm + BEHIND_COMM_BYTES - 2 * width; children += width) {
    const first = family.init.pointer(children)
    if (!reader.isPointer(first) || reader.pointer(first, width) !== family.init.at + children) continue
    for (let sibling = 0; sibling < comm; sibling += width) {
      if (sibling === children || !starts.has(first - sibling)) continue
      const fits = (task: Sample): boolean =>
        countChildren(reader, task, children, sibling, starts) === kids.get(task.at)
      if (agree(families, fits)) found.push({ children, sibling })
    }
  }
  const [only] = found
  if (only === undefined || found.length > 1) return
  const list = { bytes: 2 * width, typeName: 'list_head', embedded: true } as const
  const why = `lists of ${families.length} parents hold as many tasks as have them as their parent`
  types.set('task_struct', 'children', only.children, why, list)
  types.set('task_struct', 'sibling', only.sibling, why, list)
}

function countChildren(
  reader: PlaceReader,
  task: Sample,
  children: number,
  sibling: number,
  starts: ReadonlySet<Place>,
): number {
  const head = task.at + children
  let count = 0
  let node = task.pointer(children)
  while (node !== head && count < MAX_CHILDREN) {
    if (!reader.isPointer(node) || !starts.has(node - sibling)) return -1
    count++
    const next = reader.pointer(node)
    if (next === undefined) return -1
    node = next
  }
  return count
}

/** The child of init_task with that name, and all that descend from it. */
function descendants(
  samples: readonly Sample[],
  parent: number,
  init: Sample,
  name: string,
  comm: number,
): Sample[] {
  const top = samples.find(
    task => task !== init && task.pointer(parent) === init.at && nameOf(task, comm) === name,
  )
  if (top === undefined) return []
  return samples.filter(task => task === top || task.pointer(parent) === top.at)
}

/** `comm` as it stands. */
export function nameOf(task: Sample, comm: number): string {
  const bytes = new Uint8Array(task.view.buffer, task.view.byteOffset + comm, COMM_BYTES)
  const end = bytes.indexOf(0)
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString('latin1')
}

/** How many of the samples hold, as a line of evidence tells it. */
export function told(count: number): string {
  return enough(count) === count ? `all ${count}` : `at least ${enough(count)} of ${count}`
}
