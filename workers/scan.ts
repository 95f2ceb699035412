/** Thread entry point: opens memory and scanners once, then scans the partitions it is given. */
import { parentPort } from 'node:worker_threads'
import { createScanners } from '../scanners/index.js'
import { type ErrorRecord, toRecord } from '../src/core/errors.js'
import { isLeased } from '../src/core/memory.js'
import { openMemory } from '../src/drivers/open.js'
import { unpack } from '../src/scan/context.js'
import { ControlBlock } from '../src/scan/control.js'
import type { CloseTask, EnumerateAnswer, ScanTask, WorkerContext, WorkerTask } from '../src/scan/messages.js'
import { CancelledError } from './batch-writer.js'
import { enumerateSpaces } from './enumerate.js'
import { type PartitionScanner, scanPartition } from './partition-scan.js'
import { openVirtual, scanVirtual, type VirtualScanner } from './virtual-scan.js'
import { zerosAreQuiet } from './zero-probe.js'

let opened: ((PartitionScanner | VirtualScanner) & Disposable) | undefined

function open(context: WorkerContext): (PartitionScanner | VirtualScanner) & Disposable {
  const post: PartitionScanner['post'] = (batch, transfer) => parentPort?.postMessage(batch, transfer)
  if (context.virtual !== undefined) return openVirtual(context, context.virtual, post)
  const { compiled, contextBytes, fault } = context
  const memory = openMemory(context.driver)
  const scanners = createScanners(compiled)
  const lookBehindBytes = Math.max(compiled.lookBehindBytes, contextBytes)
  const lookAheadBytes = compiled.lookAheadBytes + contextBytes
  return {
    memory,
    scanners,
    runs: context.runs,
    control: ControlBlock.attach(context.control),
    blockBytes: context.blockBytes,
    lookBehindBytes,
    lookAheadBytes,
    contextBytes,
    sort: context.sort,
    ...(context.fullParts && { fullParts: context.fullParts }),
    skipZeros: zerosAreQuiet(scanners, lookBehindBytes, lookAheadBytes),
    ...(fault === undefined ? {} : { fault }),
    post,
    [Symbol.dispose]() {
      for (const scanner of scanners) scanner[Symbol.dispose]()
      memory[Symbol.dispose]()
    },
  }
}

/** Frees all, then keeps this thread busy until the others have come as far, so that each gets one close task. */
function close(task: CloseTask): void {
  opened?.[Symbol.dispose]()
  opened = undefined
  if (task.control !== undefined) ControlBlock.attach(task.control).waitClosed(task.workers)
}

/** Piscina calls this with each task. Its answer is an error record; else what was enumerated, or undefined. */
export function run(task: WorkerTask): ErrorRecord | EnumerateAnswer | undefined {
  if (task.kind === 'close') {
    close(task)
    return undefined
  }
  return task.kind === 'enumerate' ? enumerateSpaces(task) : runScan(task)
}

function runScan(task: ScanTask): ErrorRecord | undefined {
  try {
    opened ??= open(unpack(task.context) as WorkerContext)
    if ('frames' in opened) scanVirtual(opened, task)
    else scanPartition(opened, task)
    return undefined
  } catch (error) {
    if (error instanceof CancelledError) return undefined
    // what a scanner had in hand when it failed must not turn up in the next partition
    opened?.[Symbol.dispose]()
    opened = undefined
    return toRecord(error)
  } finally {
    // an idle thread would not notice that somebody waits for the file
    const memory = opened !== undefined && 'frames' in opened ? opened.leased : opened?.memory
    if (memory !== undefined && isLeased(memory)) memory.giveBack()
  }
}
