/** Hash tables of chains: arrays of `hlist_head` (or `hlist_nulls_head`) and what hangs on them. */
import { hex } from '../../../core/address.js'
import type { Problems } from '../../problem.js'
import type { StructReader } from '../../struct/reader.js'

/** An array of heads: the pointer to the first node stands `headOffset` bytes into each bucket. */
export interface ChainTable {
  readonly what: string
  readonly address: bigint
  readonly buckets: number
  readonly bucketBytes: number
  readonly headOffset: number
}

/** `ehash` of a machine with much memory has 2^19 buckets, 2^24 at the very most. */
const MAX_TABLE_BYTES = 32 << 20
/** Nodes taken of one table. */
const MAX_NODES = 2 ** 18

/** What the tables of one listing may take together: a hostile guest lets thousands of network namespaces share one long table. */
export class ChainBudget {
  nodes = 2 ** 19
  bytes = 256 << 20
}

/**
 * Every node of every chain, once. Chains end at NULL or at a pointer with bit 0 set; one that runs into another is told and left.
 * `budget` is shared by the tables of a listing.
 */
export function chainNodes(
  reader: StructReader,
  table: ChainTable,
  problems: Problems,
  budget = new ChainBudget(),
): bigint[] {
  const { what, address, bucketBytes, headOffset } = table
  const nodes: bigint[] = []
  const heads = headOffset >= 0 && headOffset + reader.pointerBytes <= bucketBytes
  if (!reader.isKernelAddress(address) || !heads || table.buckets <= 0) return nodes
  const most = Math.min(MAX_TABLE_BYTES, budget.bytes)
  const buckets = Math.min(table.buckets, Math.floor(most / bucketBytes))
  budget.bytes -= buckets * bucketBytes
  if (buckets < table.buckets)
    problems.add('cut', `${what}: table of ${table.buckets} buckets cut at ${buckets}`, address)
  const { bytes, absent } = reader.memory.read(address, buckets * bucketBytes)
  if (absent.length > 0) problems.add('absent', `${what}: part of the table is not in memory`, address)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const seen = new Set<bigint>()
  for (let bucket = 0; bucket < buckets; bucket++) {
    const at = bucket * bucketBytes + headOffset
    const low = view.getUint32(at, true)
    // absent buckets read as zeros: empty
    if ((low & 1) !== 0 || (low === 0 && (reader.pointerBytes === 4 || view.getUint32(at + 4, true) === 0)))
      continue
    const first = reader.pointerBytes === 4 ? BigInt(low) : view.getBigUint64(at, true)
    if (!followChain(reader, first, { seen, nodes, what, most: Math.min(MAX_NODES, budget.nodes) }, problems))
      break
  }
  budget.nodes -= nodes.length
  return nodes
}

interface Chained {
  readonly seen: Set<bigint>
  readonly nodes: bigint[]
  readonly what: string
  readonly most: number
}

/** False when the bound is reached. */
function followChain(
  reader: StructReader,
  first: bigint,
  { seen, nodes, what, most }: Chained,
  problems: Problems,
): boolean {
  for (let node = first; node !== 0n && (node & 1n) === 0n; ) {
    if (nodes.length >= most) {
      problems.add('cut', `${what}: cut at ${most} entries`, node)
      return false
    }
    const next = reader.isKernelAddress(node) && !seen.has(node) ? reader.pointer(node) : undefined
    if (next === undefined) {
      if (seen.has(node)) problems.add('loop', `${what}: leads back to ${hex(node)}`, node)
      else problems.add('broken', `${what}: link to ${hex(node)}, which is no memory of the kernel`, node)
      return true
    }
    seen.add(node)
    nodes.push(node)
    node = next
  }
  return true
}
