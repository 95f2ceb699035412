/** Cuts guest memory into the pieces that workers are given. */
import type { MemoryRun } from '../core/memory.js'

/** Addresses `start` ≤ gpa < `end`; holes may lie inside. */
export interface Partition {
  readonly index: number
  readonly start: number
  readonly end: number
  /** Bytes of memory inside, holes not counted. */
  readonly bytes: number
  /** What the addresses are; absent: guest physical. */
  readonly area?: ScanArea
}

/**
 * Virtual scans have two more address spaces to scan: regions around joints, one behind the other (`JointTable.base`), for patterns and
 * for the strings of YARA rules.
 */
export type ScanArea = 'joints' | 'rule-joints'

/** Smaller partitions cost more to hand out than they gain in balance. */
const MIN_PARTITION_BYTES = 16 * 2 ** 20
/** Larger ones make the last worker's tail long, and a retry dear. */
const MAX_PARTITION_BYTES = 256 * 2 ** 20
/** Partitions a worker should get at least, so that the load evens out: more where a partition takes long. */
const PARTITIONS_PER_JOB = 4
const SLOW_PARTITIONS_PER_JOB = 16
/** However large memory claims to be. */
const MAX_PARTITIONS = 2 ** 15

/** A partition's size for so much memory and so many workers, `slow` or not; a multiple of `blockBytes`. */
export function partitionSize(totalBytes: number, jobs: number, blockBytes: number, slow = false): number {
  const even = totalBytes / (jobs * (slow ? SLOW_PARTITIONS_PER_JOB : PARTITIONS_PER_JOB))
  const usual = Math.min(MAX_PARTITION_BYTES, Math.max(MIN_PARTITION_BYTES, even))
  const size = Math.max(usual, totalBytes / MAX_PARTITIONS)
  return Math.max(blockBytes, Math.ceil(size / blockBytes) * blockBytes)
}

/**
 * Cuts `runs` (sorted, disjoint) into partitions of about `partitionBytes` of memory each. Cuts inside a run fall on
 * addresses that are multiples of `blockBytes`. Small runs share a partition, so a million runs are not a million tasks.
 */
export function planPartitions(
  runs: readonly MemoryRun[],
  partitionBytes: number,
  blockBytes: number,
): Partition[] {
  const partitions: Partition[] = []
  let start = -1
  let bytes = 0
  const close = (end: number): void => {
    partitions.push({ index: partitions.length, start, end, bytes })
    start = -1
    bytes = 0
  }
  for (const run of runs) {
    const end = run.gpa + run.length
    let at = run.gpa
    while (at < end) {
      if (start < 0) start = at
      const wanted = at + partitionBytes - bytes
      const cut = wanted >= end ? end : Math.max(wanted - (wanted % blockBytes), at + 1)
      bytes += cut - at
      at = cut
      if (bytes >= partitionBytes - blockBytes) close(at)
    }
  }
  if (start >= 0) close((runs.at(-1)?.gpa ?? 0) + (runs.at(-1)?.length ?? 0))
  return partitions
}
