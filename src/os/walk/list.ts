/** Lists of the kernel's: `list_head` rings, `hlist` chains, and chains by one pointer (include/linux/list.h). */
import { hex } from '../../core/address.js'
import type { Problems } from '../problem.js'
import type { StructReader } from '../struct/reader.js'

/** Most elements taken of one list, unless told otherwise. */
export const MAX_LIST = 2 ** 17

/** How to walk: a name for the problems, and the most elements to take. */
export interface WalkOptions {
  /** What is being walked, as it stands in front of its problems: `task list`. */
  readonly what: string
  readonly max?: number
}

/**
 * The nodes of a `list_head` ring in order, without its head: addresses of the embedded `list_head`s, container_of is the
 * caller's. Ends at the head, at a node that was seen before (`loop`), at one that is absent or outside the kernel (`broken`), or
 * at the bound (`cut`). After a broken link the ring is walked backwards from its head, and what was only reached so comes behind,
 * in ring order. A back link that does not lead back is told, and the walk goes on.
 */
export function walkList(
  reader: StructReader,
  head: bigint,
  problems: Problems,
  options: WalkOptions,
): bigint[] {
  const forward = walkRing(reader, head, 0, problems, options)
  if (forward.closed || forward.nodes.length >= (options.max ?? MAX_LIST)) return forward.nodes
  const backward = walkRing(reader, head, 1, problems, options)
  const known = new Set(forward.nodes)
  return [...forward.nodes, ...backward.nodes.reverse().filter(node => !known.has(node))]
}

interface RingWalk {
  readonly nodes: bigint[]
  /** It came back to its head. */
  readonly closed: boolean
}

/** One direction: 0 by `next`, 1 by `prev`. */
function walkRing(
  reader: StructReader,
  head: bigint,
  direction: 0 | 1,
  problems: Problems,
  { what, max = MAX_LIST }: WalkOptions,
): RingWalk {
  const nodes: bigint[] = []
  const seen = new Set<bigint>([head])
  let previous = head
  let links = reader.pointers(head, 2)
  for (;;) {
    const node = links[direction]
    if (node === undefined) {
      problems.add('absent', `${what}: node ${hex(previous)} is not in memory`, previous)
      return { nodes, closed: false }
    }
    if (node === head) return { nodes, closed: true }
    if (!reader.isKernelAddress(node)) {
      problems.add(
        'broken',
        `${what}: link of ${hex(previous)} leads outside the kernel: ${hex(node)}`,
        previous,
      )
      return { nodes, closed: false }
    }
    if (seen.has(node)) {
      problems.add('loop', `${what}: link of ${hex(previous)} leads back to ${hex(node)}`, previous)
      return { nodes, closed: false }
    }
    if (nodes.length >= max) {
      problems.add('cut', `${what}: cut at ${max} elements`, node)
      return { nodes, closed: false }
    }
    links = reader.pointers(node, 2)
    const back = links[1 - direction]
    if (back !== undefined && back !== previous)
      problems.add('broken', `${what}: back link of ${hex(node)} is ${hex(back)}, not ${hex(previous)}`, node)
    // a node that can't be read is told in the next turn, and is not an element
    if (links[direction] !== undefined) nodes.push(node)
    seen.add(node)
    previous = node
  }
}

/**
 * The nodes of a chain by the pointer at the start of each node, from `first` to NULL: `hlist_head.first` with its `hlist_node`s,
 * `llist`. A pointer with bit 0 set ends an `hlist_nulls` chain.
 */
export function walkChain(
  reader: StructReader,
  first: bigint,
  problems: Problems,
  { what, max = MAX_LIST }: WalkOptions,
): bigint[] {
  const nodes: bigint[] = []
  const seen = new Set<bigint>()
  for (let node = first; node !== 0n && (node & 1n) === 0n; ) {
    if (!reader.isKernelAddress(node)) {
      problems.add('broken', `${what}: link leads outside the kernel: ${hex(node)}`, node)
      break
    }
    if (seen.has(node)) {
      problems.add('loop', `${what}: leads back to ${hex(node)}`, node)
      break
    }
    if (nodes.length >= max) {
      problems.add('cut', `${what}: cut at ${max} elements`, node)
      break
    }
    const next = reader.pointer(node)
    if (next === undefined) {
      problems.add('absent', `${what}: node ${hex(node)} is not in memory`, node)
      break
    }
    nodes.push(node)
    seen.add(node)
    node = next
  }
  return nodes
}
