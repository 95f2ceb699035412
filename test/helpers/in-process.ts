/** Runs the workers' own block loop in this thread, over any memory, and gathers what it posts. */

import { createScanners } from '../../scanners/index.js'
import { matchesOf } from '../../src/coordinator/batch-events.js'
import type { Gap, MemoryRun, PhysicalMemory } from '../../src/core/memory.js'
import type { CompiledScan } from '../../src/scan/compiled-scan.js'
import { ControlBlock } from '../../src/scan/control.js'
import type { MatchEvent } from '../../src/scan/events.js'
import type { Batch } from '../../src/scan/messages.js'
import { planPartitions } from '../../src/scan/plan.js'
import { scanPartition } from '../../workers/partition-scan.js'
import { zerosAreQuiet } from '../../workers/zero-probe.js'

export interface InProcessOptions {
  readonly blockBytes: number
  readonly partitionBytes: number
  readonly contextBytes?: number
  readonly sort?: boolean
  readonly runs?: readonly MemoryRun[]
}

export interface InProcessResult {
  readonly matches: MatchEvent[]
  readonly gaps: Gap[]
  readonly scannedBytes: number
  readonly batches: Batch[]
}

/** Every partition in turn; the result is what a coordinator would get. */
export function scanInProcess(
  memory: PhysicalMemory,
  compiled: CompiledScan,
  options: InProcessOptions,
): InProcessResult {
  const { blockBytes, partitionBytes, contextBytes = 0, sort = false, runs = memory.runs } = options
  const control = ControlBlock.create(1)
  const batches: Batch[] = []
  const scanners = createScanners(compiled)
  const lookBehindBytes = Math.max(compiled.lookBehindBytes, contextBytes)
  const lookAheadBytes = compiled.lookAheadBytes + contextBytes
  const scan = {
    memory,
    scanners,
    runs,
    control,
    blockBytes,
    lookBehindBytes,
    lookAheadBytes,
    contextBytes,
    patterns: compiled.patterns.length,
    sort,
    skipZeros: zerosAreQuiet(scanners, lookBehindBytes, lookAheadBytes),
    post: (batch: Batch) => {
      batches.push(batch)
      control.release(0)
    },
  }
  for (const { index, start, end } of planPartitions(runs, partitionBytes, blockBytes))
    scanPartition(scan, {
      kind: 'scan',
      context: { json: new SharedArrayBuffer(0), binaries: [] },
      partition: index,
      attempt: 0,
      slot: 0,
      start,
      end,
      skip: 0,
    })
  for (const scanner of scanners) scanner[Symbol.dispose]()
  return {
    batches,
    matches: batches.flatMap(batch => [...matchesOf(batch, compiled.patterns, contextBytes > 0)]),
    gaps: batches.flatMap(batch => batch.gaps),
    scannedBytes: batches.reduce((sum, batch) => sum + batch.scannedBytes, 0),
  }
}
