/** Virtual address descriptors: the tree that says what a process has reserved, and what stands behind it. */
import { hex } from '../../core/address.js'
import type { Problems } from '../problem.js'
import { structSpec } from '../struct/layout.js'
import type { StructReader } from '../struct/reader.js'
import type { StructRecord } from '../struct/record.js'

/** Names as PDBs of different versions have them, and as the built-in layouts do. */
export const VAD = structSpec('_MMVAD_SHORT', {
  left: ['VadNode.Left', 'VadNode.LeftChild', 'LeftChild'],
  right: ['VadNode.Right', 'VadNode.RightChild', 'RightChild'],
  start: 'StartingVpn',
  end: 'EndingVpn',
  startHigh: 'StartingVpnHigh',
  endHigh: 'EndingVpnHigh',
  protection: ['u.VadFlags.Protection', 'Protection'],
  privateMemory: ['u.VadFlags.PrivateMemory', 'PrivateMemory'],
  type: ['u.VadFlags.VadType', 'VadType'],
  imageMap: ['u.VadFlags.ImageMap', 'ImageMap'],
})

export type VadRecord = StructRecord<keyof (typeof VAD)['members']>

const MAX_VADS = 1 << 17
/** A balanced tree of so many nodes is at most half as deep; deeper is none. */
const MAX_DEPTH = 64
/** Balance, or a lock, in the links' lowest bits. */
const LINK_MASK = ~3n

/** The nodes in order, from the topmost one; what is seen twice, absent or outside the kernel is told and left out with what hangs below. */
export function walkVads(reader: StructReader, root: bigint, problems: Problems): VadRecord[] {
  const found: VadRecord[] = []
  const seen = new Set<bigint>()
  const open: VadRecord[] = []
  let node = root & LINK_MASK
  for (;;) {
    while (node !== 0n) {
      const record = enter(reader, node, seen, problems)
      if (record === undefined) break
      if (open.length >= MAX_DEPTH) {
        problems.add('broken', `VADs: deeper than ${MAX_DEPTH} nodes at ${hex(node)}`, node)
        break
      }
      open.push(record)
      node = (record.pointer('left') ?? 0n) & LINK_MASK
    }
    const parent = open.pop()
    if (parent === undefined) return found
    if (found.length >= MAX_VADS) {
      problems.add('cut', `VADs: cut at ${MAX_VADS}`, parent.address)
      return found
    }
    found.push(parent)
    node = (parent.pointer('right') ?? 0n) & LINK_MASK
  }
}

function enter(
  reader: StructReader,
  node: bigint,
  seen: Set<bigint>,
  problems: Problems,
): VadRecord | undefined {
  if (!reader.isKernelAddress(node)) {
    problems.add('broken', `VADs: a link leads outside the kernel: ${hex(node)}`, node)
    return undefined
  }
  if (seen.has(node)) {
    problems.add('loop', `VADs: a link leads back to ${hex(node)}`, node)
    return undefined
  }
  seen.add(node)
  const record = reader.record(VAD, node)
  if (record === undefined) problems.add('absent', `VADs: node ${hex(node)} is not in memory`, node)
  return record
}

/** First and last page of a VAD; undefined where it says nothing that can be. */
export function pagesOf(record: VadRecord): { readonly first: number; readonly last: number } | undefined {
  const [low, high] = [record.number('start'), record.number('end')]
  if (low === undefined || high === undefined) return undefined
  const first = low + (record.number('startHigh') ?? 0) * 2 ** 32
  const last = high + (record.number('endHigh') ?? 0) * 2 ** 32
  return last >= first && last < 2 ** 45 ? { first, last } : undefined
}
