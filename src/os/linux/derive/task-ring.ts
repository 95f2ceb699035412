/** The ring of processes, found from nothing but the name of the first task (init/init_task.c: `INIT_TASK_COMM`). */
import { findInImage, type ImagePart } from './image.js'
import type { Place, PlaceReader } from './reader.js'

/** Tasks that are linked through one `list_head`, by the place of their names. */
export interface TaskRing {
  /** Where `comm` of init_task stands. */
  readonly first: Place
  /** From a task's `comm` to its `tasks`: negative, for `tasks` stands before. */
  readonly tasks: number
  /** Places of `comm` in ring order, init_task's first. */
  readonly comms: readonly Place[]
  /** The list came back to its head, both ways, without a bad name. */
  readonly whole: boolean
}

/** TASK_COMM_LEN of include/linux/sched.h. */
export const COMM_BYTES = 16
/** How far `tasks` may stand from `comm`. */
const REACH_BYTES = 4096
const MAX_CANDIDATES = 64
/** A longer ring is looked at so far: that is evidence enough. */
const MAX_RING = 16_384
/** A kernel that has reached user space has more tasks than this. */
const MIN_RING = 4

/**
 * The ring of tasks, when exactly one is found: a `list_head` at a constant distance from `swapper` (`swapper/0`), whose elements
 * all have a name at that distance, `kthreadd` among them. The name stands in messages and left-overs of the boot too: those have
 * no such ring around them.
 */
export function findTaskRing(reader: PlaceReader, parts: readonly ImagePart[]): TaskRing | undefined {
  const rings: TaskRing[] = []
  for (const name of ['swapper/0', 'swapper']) {
    const needle = Buffer.alloc(COMM_BYTES)
    needle.write(name, 'latin1')
    for (const comm of findInImage(parts, needle, MAX_CANDIDATES)) rings.push(...ringsAround(reader, comm))
    if (rings.length > 0) break
  }
  const [ring] = rings
  return rings.length === 1 ? ring : undefined
}

function ringsAround(reader: PlaceReader, comm: Place): TaskRing[] {
  const width = reader.pointerBytes
  const rings: TaskRing[] = []
  const from = Math.ceil((comm - REACH_BYTES) / width) * width
  for (let head = from; head < comm + REACH_BYTES; head += width) {
    const next = reader.pointer(head)
    if (!reader.isPointer(next) || next === head) continue
    const previous = reader.pointer(head, width)
    if (!reader.isPointer(previous)) continue
    if (reader.pointer(next, width) !== head || reader.pointer(previous) !== head) continue
    const ring = followRing(reader, comm, head)
    if (ring !== undefined) rings.push(ring)
  }
  return rings
}

function followRing(reader: PlaceReader, comm: Place, head: Place): TaskRing | undefined {
  const distance = head - comm
  const forward = walk(reader, head, distance, 0)
  if (forward === undefined) return undefined
  // where a link is lost, the rest can be reached from the other end
  const backward = forward.closed ? undefined : walk(reader, head, distance, reader.pointerBytes)
  const reached = new Set(forward.nodes)
  const others = (backward?.nodes ?? []).filter(node => !reached.has(node)).reverse()
  const nodes = [...forward.nodes, ...others]
  const names = new Set(nodes.map(node => commAt(reader, node - distance)))
  if (nodes.length + 1 < MIN_RING || !names.has('kthreadd')) return undefined
  const whole = forward.closed && !names.has(undefined)
  return { first: comm, tasks: distance, comms: [comm, ...nodes.map(node => node - distance)], whole }
}

interface RingWalk {
  readonly nodes: readonly Place[]
  /** It came back to its head. */
  readonly closed: boolean
}

/** Follows `next` (0) or `prev` (the pointer's size) as long as the links lead back; undefined when too many have no name. */
function walk(reader: PlaceReader, head: Place, distance: number, link: number): RingWalk | undefined {
  const back = reader.pointerBytes - link
  const nodes: Place[] = []
  let bad = 0
  let node = head
  while (nodes.length < MAX_RING) {
    const next = reader.pointer(node, link)
    if (!reader.isPointer(next) || reader.pointer(next, back) !== node) return { nodes, closed: false }
    if (next === head) return { nodes, closed: true }
    // a process may give itself a strange name; an eighth of a ring may not
    if (commAt(reader, next - distance) === undefined) bad++
    if (bad > 4 && bad * 8 > nodes.length) return undefined
    nodes.push(next)
    node = next
  }
  return { nodes, closed: false }
}

/** A task's name; undefined when the bytes can't be one. */
export function commAt(reader: PlaceReader, at: Place): string | undefined {
  const name = reader.text(at, COMM_BYTES)
  return name === undefined || name.length === 0 ? undefined : name
}
