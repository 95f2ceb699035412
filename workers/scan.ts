/** Thread entry point: opens memory and scanners once, then scans the partitions it is given. */
import { createScanners } from '../scanners/index.js'
import { toRecord } from '../src/core/errors.js'
import { openMemory } from '../src/drivers/open.js'
import { unpack } from '../src/scan/context.js'
import { ControlBlock } from '../src/scan/control.js'
import type { WorkerContext, WorkerTask } from '../src/scan/messages.js'
import { CancelledError } from './batch-writer.js'
import { type PartitionScanner, scanPartition } from './partition-scan.js'
import { zerosAreQuiet } from './zero-probe.js'

let opened: (PartitionScanner & Disposable) | undefined

function open(context: WorkerContext): PartitionScanner & Disposable {
  const { compiled, contextBytes, fault } = context
  const scanners = createScanners(compiled)
  const lookBehindBytes = Math.max(compiled.lookBehindBytes, contextBytes)
  const lookAheadBytes = compiled.lookAheadBytes + contextBytes
  const memory = openMemory(context.driver)
  return {
    memory,
    scanners,
    runs: context.runs,
    control: ControlBlock.attach(context.control),
    blockBytes: context.blockBytes,
    lookBehindBytes,
    lookAheadBytes,
    contextBytes,
    patterns: compiled.patterns.length,
    sort: context.sort,
    skipZeros: zerosAreQuiet(scanners, lookBehindBytes, lookAheadBytes),
    ...(fault === undefined ? {} : { fault }),
    [Symbol.dispose]() {
      for (const scanner of scanners) scanner[Symbol.dispose]()
      memory[Symbol.dispose]()
    },
  }
}

function close(workers: number): void {
  const control = opened?.control
  opened?.[Symbol.dispose]()
  opened = undefined
  control?.waitClosed(workers)
}

/** Piscina calls this with each task. Its answer is an error record, or undefined. */
export function run(task: WorkerTask): ReturnType<typeof toRecord> | undefined {
  if (task.kind === 'close') {
    close(task.workers)
    return undefined
  }
  try {
    opened ??= open(unpack(task.context) as WorkerContext)
    scanPartition(opened, task)
    return undefined
  } catch (error) {
    if (error instanceof CancelledError) return undefined
    return toRecord(error)
  }
}
