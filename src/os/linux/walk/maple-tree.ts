/** Maple trees (include/linux/maple_tree.h, lib/maple_tree.c): ranges of unsigned longs to pointers; holds a process's mappings since 6.1. */
import { hex } from '../../../core/address.js'
import type { Problems } from '../../problem.js'
import { structSpec } from '../../struct/layout.js'
import type { StructReader } from '../../struct/reader.js'
import { MAX_LIST, type WalkOptions } from '../../walk/list.js'

/** What a range of indices holds; `last` is inclusive. */
export interface RangeEntry {
  readonly first: bigint
  readonly last: bigint
  readonly entry: bigint
}

const MAPLE_TREE = structSpec('maple_tree', { root: 'ma_root' })

/** `enum maple_type`. A dense node has no pivots; the kernel makes none so far. */
const LEAF_64 = 1
const RANGE_64 = 2
const ARANGE_64 = 3
/** A tree of 2^17 ranges with at least five children a node is eight deep. */
const MAX_LEVELS = 16

interface NodeShape {
  readonly slots: number
  readonly slotsOffset: number
}

/**
 * The entries of the tree whose `maple_tree` stands at `address`, by ascending range, without NULLs and the tree's own marks.
 * Pivots that descend, pass their parent's range, or nodes seen before are told, and what is below is left out.
 */
export function walkMapleTree(
  reader: StructReader,
  address: bigint,
  problems: Problems,
  { what, max = MAX_LIST }: WalkOptions,
): RangeEntry[] {
  const entries: RangeEntry[] = []
  const root = reader.record(MAPLE_TREE, address)?.pointer('root')
  if (root === undefined) {
    problems.add(
      'absent',
      `${what}: the tree's root ${hex(address)} is not in memory, or its type is unknown`,
      address,
    )
    return entries
  }
  if (root === 0n) return entries
  if (!isNode(root)) return isMark(root) ? entries : [{ first: 0n, last: 0n, entry: root }]
  const open: (RangeEntry & { readonly level: number })[] = []
  open.push({ first: 0n, last: reader.lastAddress, entry: root, level: 0 })
  const seen = new Set<bigint>()
  for (let top = open.pop(); top !== undefined; top = open.pop()) {
    const node = top.entry & ~0xffn
    const type = Number((top.entry >> 3n) & 0xfn)
    if (!reader.isKernelAddress(node)) {
      problems.add('broken', `${what}: link leads outside the kernel: ${hex(node)}`, node)
      continue
    }
    if (seen.has(node) || top.level >= MAX_LEVELS) {
      problems.add('loop', `${what}: leads back to node ${hex(node)}`, node)
      continue
    }
    if (seen.size > max + MAX_LEVELS) {
      problems.add('cut', `${what}: cut at ${seen.size} nodes`, address)
      break
    }
    seen.add(node)
    const children = readNode(reader, node, type, top, problems, what)
    if (type === LEAF_64) {
      for (const child of children) {
        if (isMark(child.entry)) continue
        if (entries.length >= max) {
          problems.add('cut', `${what}: cut at ${max} entries`, address)
          return entries
        }
        entries.push(child)
      }
      continue
    }
    for (let i = children.length - 1; i >= 0; i--) {
      const child = children[i]
      if (child !== undefined) open.push({ ...child, level: top.level + 1 })
    }
  }
  return entries
}

/** The children of a node with their ranges, NULLs left out. */
function readNode(
  reader: StructReader,
  node: bigint,
  type: number,
  range: RangeEntry,
  problems: Problems,
  what: string,
): RangeEntry[] {
  const children: RangeEntry[] = []
  const shape = nodeShape(reader, type)
  if (shape === undefined) {
    problems.add('broken', `${what}: node ${hex(node)} is of type ${type}`, node)
    return children
  }
  const width = reader.pointerBytes
  const words = reader.pointers(node, shape.slotsOffset / width + shape.slots)
  let first = range.first
  for (let i = 0; i < shape.slots; i++) {
    const pivot = i < shape.slots - 1 ? words[1 + i] : range.last
    const entry = words[shape.slotsOffset / width + i]
    if (pivot === undefined || entry === undefined) {
      problems.add('absent', `${what}: node ${hex(node)} is not in memory`, node)
      break
    }
    // a pivot of 0 behind the first is unused: its slot reaches to the end of the node's range
    const last = (pivot === 0n && i > 0) || pivot > range.last ? range.last : pivot
    if (last < first) {
      problems.add('broken', `${what}: pivots of node ${hex(node)} descend`, node)
      break
    }
    if (entry !== 0n) children.push({ first, last, entry })
    if (last >= range.last) break
    first = last + 1n
  }
  return children
}

/** Where the slots of a node stand; pivots lie from the second word on, one fewer than slots. */
function nodeShape(reader: StructReader, type: number): NodeShape | undefined {
  const ranges = type === LEAF_64 || type === RANGE_64
  if (!ranges && type !== ARANGE_64) return undefined
  const name = ranges ? 'maple_range_64' : 'maple_arange_64'
  const slot = reader.types.member(name, 'slot')
  if (slot !== undefined && slot.bytes > 0 && slot.bytes <= 256 && slot.offset <= 256)
    return { slots: slot.bytes / reader.pointerBytes, slotsOffset: slot.offset }
  const slots = reader.pointerBytes === 8 ? (ranges ? 16 : 10) : ranges ? 32 : 21
  return { slots, slotsOffset: slots * reader.pointerBytes }
}

function isNode(entry: bigint): boolean {
  return (entry & 3n) === 2n && entry > 4096n
}

/** Entries of the tree's own: retry, zero, and anything else below a page with the low bits `10`. */
function isMark(entry: bigint): boolean {
  return (entry & 3n) === 2n && entry <= 4096n
}
