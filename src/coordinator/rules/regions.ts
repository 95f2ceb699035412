/** The regions in which YARA-X evaluates the rules that are left to it. */
import type { MemoryRun } from '../../core/memory.js'
import type { GuardSpace } from '../../rules/guard-checks.js'
import type { RuleMemory } from './rule-memory.js'

const REGION_BYTES = 16 << 20
/** With more regions than this nothing is asked of them beforehand. */
const MAX_REGIONS = 4096

/** The region that an address in a run lies in: from a multiple of 16 MiB, or where the run begins. */
export function regionAt({ gpa, length }: MemoryRun, address: number): MemoryRun {
  const start = Math.max(gpa, address - (address % REGION_BYTES))
  return { gpa: start, length: Math.min(REGION_BYTES, gpa + length - start) }
}

/** Up to where other addresses of a run have the region that `address` has. */
export function nextRegionAt({ gpa, length }: MemoryRun, address: number): number {
  return Math.min(gpa + length, address - (address % REGION_BYTES) + REGION_BYTES)
}

/** All regions; undefined where there are too many. */
export function regionsOf(runs: readonly MemoryRun[]): readonly MemoryRun[] | undefined {
  const regions: MemoryRun[] = []
  for (const run of runs) {
    const end = run.gpa + run.length
    for (let at = run.gpa; at < end; at += REGION_BYTES - (at % REGION_BYTES)) {
      if (regions.length >= MAX_REGIONS) return undefined
      regions.push(regionAt(run, at))
    }
  }
  return regions
}

/** A region as YARA-X sees it: a file of its own. What it says of bytes that are not there is left to it. */
export function regionSpace(memory: RuleMemory, { gpa, length }: MemoryRun): GuardSpace {
  return {
    filesize: BigInt(length),
    read(offset, bytes) {
      if (offset < 0n || offset + BigInt(bytes) > BigInt(length)) return undefined
      const found = memory.peek(gpa + Number(offset), bytes)
      return found.length < bytes ? undefined : found
    },
  }
}
