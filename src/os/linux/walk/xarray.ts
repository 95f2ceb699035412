/**
 * Radix trees and their successor, the xarray, as `idr`, the page cache and others use them (lib/radix-tree.c, lib/xarray.c).
 * A node is 64 (or 16) slots; an entry whose low bits say so leads to another node, any other is what the caller stored.
 */
import { hex } from '../../../core/address.js'
import type { Problems } from '../../problem.js'
import { structSpec } from '../../struct/layout.js'
import type { StructReader } from '../../struct/reader.js'
import { MAX_LIST, type WalkOptions } from '../../walk/list.js'

/** A stored entry and its index. */
export interface IndexedEntry {
  readonly index: number
  /** As it stands in the slot: a pointer, or a value with low bits set (`value << 1 | 1` in an xarray). */
  readonly entry: bigint
}

const XARRAY = structSpec('xarray', { root: 'xa_head' })
const RADIX_ROOT = structSpec('radix_tree_root', { root: ['xa_head', 'rnode'], height: 'height' })
const XA_NODE = structSpec('xa_node', { shift: 'shift', slots: 'slots' })
const RADIX_NODE = structSpec('radix_tree_node', { shift: 'shift', slots: 'slots' })

/** How entries that are nodes are told from stored ones. */
interface NodeKind {
  readonly spec: typeof XA_NODE
  /** Low two bits of a pointer to a node. */
  readonly tag: bigint
}

/** Most levels: 11 of 6 bits reach 64 bits, and 16 of 4. */
const MAX_LEVELS = 16

/**
 * The entries of the xarray or radix tree whose root structure stands at `address`, by ascending index. Nothing is left out but
 * NULL and the tree's own marks (siblings, retry, zero entries).
 */
export function walkXarray(
  reader: StructReader,
  address: bigint,
  problems: Problems,
  { what, max = MAX_LIST }: WalkOptions,
): IndexedEntry[] {
  const entries: IndexedEntry[] = []
  const root = (reader.record(XARRAY, address) ?? reader.record(RADIX_ROOT, address))?.pointer('root')
  if (root === undefined) {
    problems.add(
      'absent',
      `${what}: the tree's root ${hex(address)} is not in memory, or its type is unknown`,
      address,
    )
    return entries
  }
  const kind = nodeKind(reader)
  const open: { readonly entry: bigint; readonly index: number; readonly level: number }[] = []
  open.push({ entry: root, index: 0, level: 0 })
  const seen = new Set<bigint>()
  for (let top = open.pop(); top !== undefined; top = open.pop()) {
    if (!isNode(top.entry, kind)) {
      if (isMark(top.entry, kind)) continue
      if (entries.length >= max) {
        problems.add('cut', `${what}: cut at ${max} entries`, address)
        break
      }
      entries.push({ index: top.index, entry: top.entry })
      continue
    }
    const node = top.entry & ~3n
    if (seen.has(node) || top.level >= MAX_LEVELS) {
      problems.add('loop', `${what}: leads back to node ${hex(node)}`, node)
      continue
    }
    // a node without an entry below it is none of a real tree's, so there are no more nodes than that
    if (seen.size > max + MAX_LEVELS) {
      problems.add('cut', `${what}: cut at ${seen.size} nodes`, address)
      break
    }
    seen.add(node)
    const record = reader.record(kind.spec, node)
    const shift = record?.number('shift')
    const slots = record?.addressOf('slots')
    const bytes = record?.layout.member('slots')?.bytes ?? 0
    if (shift === undefined || slots === undefined || shift > 60) {
      problems.add('absent', `${what}: node ${hex(node)} is not in memory`, node)
      continue
    }
    const children = reader.pointers(slots, Math.min(bytes / reader.pointerBytes, 256))
    // the last is pushed first, so that they come out in ascending order
    for (let i = children.length - 1; i >= 0; i--) {
      const entry = children[i] ?? 0n
      if (entry !== 0n) open.push({ entry, index: top.index + i * 2 ** shift, level: top.level + 1 })
    }
  }
  return entries
}

function nodeKind(reader: StructReader): NodeKind {
  // 4.20 made the radix tree an xarray, whose nodes are marked with 2 where radix trees had 1
  if (reader.types.sizeOf('xa_node') !== undefined) return { spec: XA_NODE, tag: 2n }
  return { spec: RADIX_NODE, tag: 1n }
}

function isNode(entry: bigint, { tag }: NodeKind): boolean {
  return (entry & 3n) === tag && entry > 4096n
}

/** Entries of the tree's own: NULL, and internal ones that are no nodes. */
function isMark(entry: bigint, { tag }: NodeKind): boolean {
  return entry === 0n || ((entry & 3n) === tag && entry <= 4096n)
}
