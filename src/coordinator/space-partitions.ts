/** Cuts what virtual scans have beside frames into partitions. */
import type { Partition } from '../scan/plan.js'
import { type JointTable, regionAt } from '../space/joint-table.js'
import type { LinearSlot, LinearTable } from '../space/linear-space.js'

/** Each partition fetches pieces from all over memory: few and large ones are best. */
const MIN_JOINT_BYTES = 2 ** 20
const MAX_JOINT_BYTES = 64 * 2 ** 20
/** Of YARA rules: a partition never holds two spaces. */
const MAX_LINEAR_BYTES = 256 * 2 ** 20

/** Regions, cut between two of them. */
export function jointPartitions({ base }: JointTable, first: number, jobs: number): Partition[] {
  const total = base.at(-1) ?? 0
  const size = Math.min(MAX_JOINT_BYTES, Math.max(MIN_JOINT_BYTES, Math.ceil(total / jobs)))
  const partitions: Partition[] = []
  for (let start = 0; start < total; ) {
    const wanted = Math.min(total, start + size)
    const end = wanted === total ? total : (base[regionAt(base, wanted) + 1] as number)
    partitions.push({ index: first + partitions.length, start, end, bytes: end - start, area: 'joints' })
    start = end
  }
  return partitions
}

/** Laid-out spaces, each cut at multiples of the block. */
export function linearPartitions(
  { address, length }: LinearTable,
  slots: readonly LinearSlot[],
  first: number,
  blockBytes: number,
): Partition[] {
  const size = Math.max(blockBytes, MAX_LINEAR_BYTES - (MAX_LINEAR_BYTES % blockBytes))
  const partitions: Partition[] = []
  for (const slot of slots)
    for (let start = slot.start; start < slot.end; ) {
      const end = Math.min(slot.end, start - (start % blockBytes) + size)
      partitions.push({ index: first + partitions.length, start, end, bytes: 0, area: 'linear' })
      start = end
    }
  let extent = 0
  return partitions.map(partition => {
    let bytes = 0
    while (extent < address.length && (address[extent] as number) < partition.end) {
      const from = Math.max(partition.start, address[extent] as number)
      const to = Math.min(partition.end, (address[extent] as number) + (length[extent] as number))
      bytes += Math.max(0, to - from)
      if ((address[extent] as number) + (length[extent] as number) > partition.end) break
      extent++
    }
    return { ...partition, bytes }
  })
}
