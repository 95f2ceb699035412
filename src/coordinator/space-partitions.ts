/** Cuts what virtual scans have beside frames into partitions. */
import type { Partition, ScanArea } from '../scan/plan.js'
import { type JointTable, regionAt } from '../space/joint-table.js'

/** Each partition fetches pieces from all over memory: few and large ones are best. */
const MIN_JOINT_BYTES = 2 ** 20
const MAX_JOINT_BYTES = 64 * 2 ** 20

/** Regions, cut between two of them. `first` is the index of the first partition. */
export function jointPartitions(
  { base }: JointTable,
  area: ScanArea,
  first: number,
  jobs: number,
): Partition[] {
  const total = base.at(-1) ?? 0
  const size = Math.min(MAX_JOINT_BYTES, Math.max(MIN_JOINT_BYTES, Math.ceil(total / jobs)))
  const partitions: Partition[] = []
  for (let start = 0; start < total; ) {
    const wanted = Math.min(total, start + size)
    const end = wanted === total ? total : (base[regionAt(base, wanted) + 1] as number)
    partitions.push({ index: first + partitions.length, start, end, bytes: end - start, area })
    start = end
  }
  return partitions
}
