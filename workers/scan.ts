/** Thread entry point: opens memory and scanners once, then scans the partitions it is given. */
import { workerData } from 'node:worker_threads'
import { createScanners } from '../scanners/index.js'
import { toRecord } from '../src/core/errors.js'
import { openMemory } from '../src/drivers/open.js'
import { ControlBlock } from '../src/scan/control.js'
import type { WorkerContext, WorkerTask } from '../src/scan/messages.js'
import { CancelledError } from './batch-writer.js'
import { type PartitionScanner, scanPartition } from './partition-scan.js'
import { zerosAreQuiet } from './zero-probe.js'

const context = (Array.isArray(workerData) ? workerData.at(-1) : workerData) as WorkerContext
const control = ControlBlock.attach(context.control)
let opened: PartitionScanner | undefined

function open(): PartitionScanner {
  const { compiled, contextBytes, fault } = context
  const scanners = createScanners(compiled)
  const lookBehindBytes = Math.max(compiled.lookBehindBytes, contextBytes)
  const lookAheadBytes = compiled.lookAheadBytes + contextBytes
  return {
    memory: openMemory(context.driver),
    scanners,
    runs: context.runs,
    control,
    blockBytes: context.blockBytes,
    lookBehindBytes,
    lookAheadBytes,
    contextBytes,
    patterns: compiled.patterns.length,
    sort: context.sort,
    skipZeros: zerosAreQuiet(scanners, lookBehindBytes, lookAheadBytes),
    ...(fault === undefined ? {} : { fault }),
  }
}

function close(): void {
  for (const scanner of opened?.scanners ?? []) scanner[Symbol.dispose]()
  opened?.memory[Symbol.dispose]()
  opened = undefined
  control.waitClosed(context.workers)
}

/** Piscina calls this with each task. Its answer is an error record, or undefined. */
export function run(task: WorkerTask): ReturnType<typeof toRecord> | undefined {
  if (task.kind === 'close') {
    close()
    return undefined
  }
  try {
    opened ??= open()
    scanPartition(opened, task)
    return undefined
  } catch (error) {
    if (error instanceof CancelledError) return undefined
    return toRecord(error)
  }
}
