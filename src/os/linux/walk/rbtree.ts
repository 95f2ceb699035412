/** Red-black trees (include/linux/rbtree.h): `rb_node` is parent and colour, right, left. */
import { hex } from '../../../core/address.js'
import type { Problems } from '../../problem.js'
import type { StructReader } from '../../struct/reader.js'
import { MAX_LIST, type WalkOptions } from '../../walk/list.js'

/** A tree of 2^17 nodes is at most twice this deep; deeper is no red-black tree. */
const MAX_DEPTH = 64

/**
 * The nodes of a tree in order: addresses of the embedded `rb_node`s. `root` is the topmost node (`rb_root.rb_node`), 0 for an
 * empty tree. A node that was seen before, is absent or outside the kernel is told and left out with what hangs below it.
 */
export function walkRbTree(
  reader: StructReader,
  root: bigint,
  problems: Problems,
  { what, max = MAX_LIST }: WalkOptions,
): bigint[] {
  const nodes: bigint[] = []
  const seen = new Set<bigint>()
  const open: { readonly node: bigint; readonly right: bigint }[] = []
  let node = root
  for (;;) {
    while (node !== 0n && enter(reader, node, seen, problems, what)) {
      const links = reader.pointers(node, 3)
      const right = links[1]
      const left = links[2]
      if (right === undefined || left === undefined) {
        problems.add('absent', `${what}: node ${hex(node)} is not in memory`, node)
        break
      }
      open.push({ node, right })
      if (open.length > MAX_DEPTH) {
        problems.add('broken', `${what}: deeper than ${MAX_DEPTH} nodes`, node)
        break
      }
      node = left
    }
    const parent = open.pop()
    if (parent === undefined) return nodes
    if (nodes.length >= max) {
      problems.add('cut', `${what}: cut at ${max} elements`, parent.node)
      return nodes
    }
    nodes.push(parent.node)
    node = parent.right
  }
}

function enter(
  reader: StructReader,
  node: bigint,
  seen: Set<bigint>,
  problems: Problems,
  what: string,
): boolean {
  if (!reader.isKernelAddress(node)) {
    problems.add('broken', `${what}: link leads outside the kernel: ${hex(node)}`, node)
    return false
  }
  if (seen.has(node)) {
    problems.add('loop', `${what}: leads back to ${hex(node)}`, node)
    return false
  }
  seen.add(node)
  return true
}
