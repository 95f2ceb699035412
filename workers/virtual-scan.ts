/** What a thread opens for a virtual space: frames in place, regions around joints, and spaces laid out for YARA rules. */
import { createScanners } from '../scanners/index.js'
import type { PhysicalMemory } from '../src/core/memory.js'
import { openMemory } from '../src/drivers/open.js'
import { rebased } from '../src/os/search/physical.js'
import { ControlBlock } from '../src/scan/control.js'
import type { ScanTask, VirtualContext, WorkerContext } from '../src/scan/messages.js'
import type { Scanner } from '../src/scan/scanner.js'
import { EdgeKeeper } from '../src/space/edge-table.js'
import { LinearMemory } from '../src/space/linear-space.js'
import { withSwapped } from '../src/space/swapped-memory.js'
import type { PostBatch } from './batch-writer.js'
import { type JointScanner, scanJoints } from './joint-scan.js'
import { type PartitionScanner, scanPartition } from './partition-scan.js'
import { zerosAreQuiet } from './zero-probe.js'

export interface VirtualScanner {
  readonly frames: JointScanner
  /** With YARA rules. */
  readonly linear?: PartitionScanner
  /** The driver's memory, which may be asked for back. */
  readonly leased: PhysicalMemory
}

/** Opens memory and scanners once a thread. */
export function openVirtual(
  context: WorkerContext,
  virtual: VirtualContext,
  post: PostBatch,
): VirtualScanner & Disposable {
  const { compiled, contextBytes, fault } = context
  const { strings, ...plain } = compiled
  const driver = openMemory(context.driver)
  const guest = rebased(driver, virtual.base)
  const memory = virtual.swapped === undefined ? guest : withSwapped(guest, virtual.swapped)
  const scanners = createScanners(plain)
  const common = {
    control: ControlBlock.attach(context.control),
    blockBytes: context.blockBytes,
    contextBytes,
    sort: false,
    post,
    ...(fault === undefined ? {} : { fault }),
  }
  const frames: JointScanner = {
    ...common,
    memory,
    scanners,
    runs: context.runs,
    lookBehindBytes: virtual.behindBytes,
    lookAheadBytes: virtual.aheadBytes,
    skipZeros: zerosAreQuiet(scanners, virtual.behindBytes, virtual.aheadBytes),
    joints: virtual.joints,
    plainPatterns: virtual.plainPatterns,
    ...(virtual.edges && { kept: virtual.edges, edges: new EdgeKeeper(virtual.edges, virtual.joints) }),
  }
  const rules = virtual.linear === undefined ? [] : ruleScanners(context)
  return {
    frames,
    leased: driver,
    ...(virtual.linear === undefined
      ? {}
      : { linear: linearScanner(common, context, new LinearMemory(virtual.linear, memory), rules) }),
    [Symbol.dispose]() {
      for (const scanner of [...scanners, ...rules]) scanner[Symbol.dispose]()
      driver[Symbol.dispose]()
    },
  }
}

function ruleScanners({ compiled }: WorkerContext): Scanner[] {
  const { matcher, ...rules } = compiled
  return createScanners(rules)
}

function linearScanner(
  common: Pick<PartitionScanner, 'control' | 'blockBytes' | 'contextBytes' | 'sort' | 'post'>,
  { compiled, contextBytes }: WorkerContext,
  memory: LinearMemory,
  scanners: readonly Scanner[],
): PartitionScanner {
  return {
    ...common,
    memory,
    runs: memory.runs,
    scanners,
    lookBehindBytes: Math.max(compiled.lookBehindBytes, contextBytes),
    lookAheadBytes: compiled.lookAheadBytes + contextBytes,
    skipZeros: false,
  }
}

/** Runs a task in the address space it is about. */
export function scanVirtual({ frames, linear }: VirtualScanner, task: ScanTask): void {
  if (task.area === 'joints') scanJoints(frames, task)
  else if (task.area === 'linear' && linear !== undefined) scanPartition(linear, task)
  else scanPartition(frames, task)
}
