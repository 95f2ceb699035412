/** `struct pid`, its numbers in each namespace, and the table of a namespace (include/linux/pid.h, idr.h, xarray.h). */
import { type ImagePart, inImage } from './image.js'
import type { DerivedTypes } from './layout.js'
import type { Place, PlaceReader } from './reader.js'
import { agree, offsetsWhere, Sample } from './samples.js'
import type { TaskSet } from './tasks.js'

const PID_BYTES = 256
const NAMESPACE_BYTES = 512
const MAX_LEVEL = 32
const MAX_SAMPLES = 64
/** PIDTYPE_PID, TGID, PGID, SID since 4.19. */
const PID_TYPES = 4

/** What is known of pids. */
export interface PidSet {
  /** Place of the guest's own pid namespace. */
  readonly namespace: Place
}

/**
 * `thread_pid` leads to a structure that holds the task's own number and behind it the namespace in the kernel's image, the same
 * for all; and a list that leads back to `pid_links` in the task.
 */
export function derivePids(
  reader: PlaceReader,
  parts: readonly ImagePart[],
  tasks: TaskSet,
  types: DerivedTypes,
): PidSet | undefined {
  const width = reader.pointerBytes
  const pid = types.offset('task_struct', 'pid')
  if (pid === undefined) return undefined
  const some = tasks.samples.slice(1, 1 + MAX_SAMPLES)
  const found: { link: number; number: number; namespace: Place }[] = []
  for (const link of offsetsWhere(some, [0, tasks.comm, width], (task, o) =>
    reader.isPointer(task.pointer(o)),
  )) {
    // the back links of `pid_links` lead into the same structure
    if (agree(some, task => reader.pointer(task.pointer(link)) === task.at + link - width)) continue
    const pids = some.map(task => ({ task, pid: new Sample(reader, task.pointer(link), PID_BYTES) }))
    const fits = offsetsWhere(pids, [4, PID_BYTES - 2 * width, 4], (entry, offset) => {
      const namespace = roundUp(offset + 4, width)
      return entry.pid.u32(offset) === entry.task.u32(pid) && inImage(parts, entry.pid.pointer(namespace))
    })
    for (const number of fits) {
      const namespaces = new Set(pids.map(entry => entry.pid.pointer(roundUp(number + 4, width))))
      const [namespace] = namespaces
      if (namespace !== undefined && namespaces.size === 1) found.push({ link, number, namespace })
    }
  }
  const [only] = found
  if (only === undefined || found.length > 1) return undefined
  const { link, number, namespace } = only
  const base = Math.floor(number / width) * width
  const why = `holds the pid of ${some.length} tasks, and behind it the namespace`
  types.set('task_struct', 'thread_pid', link, why, { typeName: 'pid' })
  types.set('pid', 'numbers', base, why, { bytes: 0, typeName: 'upid' })
  types.set('upid', 'nr', 0, undefined, { bytes: 4 })
  types.set('upid', 'ns', width, undefined, { typeName: 'pid_namespace' })
  types.setSize('upid', 2 * width)
  deriveLinks(reader, tasks, some, link, types)
  deriveLevel(reader, some, link, types)
  deriveTable(reader, tasks, namespace, link, types)
  return { namespace }
}

function roundUp(offset: number, to: number): number {
  return Math.ceil(offset / to) * to
}

/** The first list of `tasks[]` links `pid_links[PIDTYPE_PID]` of the one task with that pid; four of each in a row. */
function deriveLinks(
  reader: PlaceReader,
  tasks: TaskSet,
  some: readonly Sample[],
  link: number,
  types: DerivedTypes,
): void {
  const width = reader.pointerBytes
  const found: { list: number; node: number }[] = []
  const [first] = some
  if (first === undefined) return
  for (let list = width; list < PID_BYTES - PID_TYPES * width; list += width) {
    const node = (reader.pointer(first.pointer(link), list) ?? 0) - first.at
    if (!(node >= 0 && node < tasks.comm)) continue
    const leadsBack = (task: Sample): boolean =>
      reader.pointer(task.pointer(link), list) === task.at + node &&
      task.pointer(node) === 0 &&
      task.pointer(node + width) === task.pointer(link) + list
    if (agree(some, leadsBack)) found.push({ list, node })
  }
  // leaders stand in the list of their thread group as well, and that is the next one (since 4.19): with one alone it could be either
  const [lowest, ofLeaders] = found
  if (lowest === undefined || ofLeaders?.list !== lowest.list + width) return
  const why = `leads to the task and back, in ${some.length} tasks`
  types.set('pid', 'tasks', lowest.list, why, { bytes: PID_TYPES * width })
  types.set('task_struct', 'pid_links', lowest.node, why, { bytes: PID_TYPES * 2 * width })
}

/** `level` of a pid in no container is 0, and stands before the lists: behind `count`, where that is one word. */
function deriveLevel(reader: PlaceReader, some: readonly Sample[], link: number, types: DerivedTypes): void {
  const pids = some.map(task => new Sample(reader, task.pointer(link), 16))
  const counted = agree(pids, pid => pid.u32(0) > 0 && pid.u32(0) < 2 ** 20)
  const shallow = agree(pids, pid => pid.u32(4) <= MAX_LEVEL)
  if (!counted || !shallow) return
  types.set('pid', 'level', 4, `at most ${MAX_LEVEL} behind a count, in ${pids.length} pids`, { bytes: 4 })
}

/**
 * `idr` of the namespace is a radix tree (an xarray) from number to `struct pid`: looked up for kthreadd, whose number is 2.
 */
function deriveTable(
  reader: PlaceReader,
  tasks: TaskSet,
  namespace: Place,
  link: number,
  types: DerivedTypes,
): void {
  const width = reader.pointerBytes
  const pid = types.offset('task_struct', 'pid') ?? 0
  const known = tasks.samples.slice(1, 1 + MAX_SAMPLES)
  const space = new Sample(reader, namespace, NAMESPACE_BYTES)
  const found: { root: number; slots: number; bits: number }[] = []
  for (let root = 8; root < NAMESPACE_BYTES; root += width) {
    for (const bits of [6, 4]) {
      for (let slots = 2 * width; slots <= 8 * width; slots += width) {
        const finds = (task: Sample): boolean =>
          lookUp(reader, rawAt(space, root), task.u32(pid), slots, bits) === task.pointer(link)
        if (agree(known, finds)) found.push({ root, slots, bits })
      }
    }
  }
  const [only] = found
  if (only === undefined || found.length > 1) return
  const { root, slots, bits } = only
  const embedded = { embedded: true } as const
  const why = `finds the pids of ${known.length} tasks`
  // the lock and the flags stand before the root (include/linux/xarray.h)
  types.set('pid_namespace', 'idr', root - 8, why, { bytes: 8 + 2 * width, typeName: 'idr', ...embedded })
  types.set('idr', 'idr_rt', 0, undefined, { bytes: 8 + width, typeName: 'xarray', ...embedded })
  types.set('xarray', 'xa_head', 8)
  types.set('xa_node', 'shift', 0, undefined, { bytes: 1 })
  types.set('xa_node', 'slots', slots, why, { bytes: 2 ** bits * width })
  types.setSize('xa_node', slots + 2 ** bits * width)
}

/** A word as a place and its two low bits, which a place may not hold exactly. */
interface Raw {
  readonly place: Place
  readonly tag: number
}

function rawAt(sample: Sample, offset: number): Raw {
  const low = sample.u32(offset)
  const high = sample.high(offset)
  return { place: high * 2 ** 32 + (low - (low & 3)), tag: low & 3 }
}

/** Entry of an index; undefined when the tree is none. */
function lookUp(
  reader: PlaceReader,
  root: Raw,
  index: number,
  slots: number,
  bits: number,
): Place | undefined {
  let entry = root
  for (let level = 0; level < 16; level++) {
    if (entry.tag !== 2) return entry.tag === 0 ? entry.place : undefined
    if (!reader.isPointer(entry.place)) return undefined
    const shift = reader.u8(entry.place)
    if (shift === undefined || shift % bits !== 0 || shift > 30) return undefined
    const slot = Math.floor(index / 2 ** shift)
    if (level === 0 && slot >= 2 ** bits) return undefined
    const offset = slots + (slot % 2 ** bits) * reader.pointerBytes
    entry = rawAt(new Sample(reader, entry.place + offset, reader.pointerBytes), 0)
  }
  return undefined
}
