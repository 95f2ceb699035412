/** Runs a virtual scan in this thread, with the workers' own loops, over extents that a test made up. */
import { createScanners } from '../../scanners/index.js'
import type { PhysicalMemory } from '../../src/core/memory.js'
import { hasAssertions } from '../../src/patterns/measure.js'
import type { CompiledScan } from '../../src/scan/compiled-scan.js'
import { ControlBlock } from '../../src/scan/control.js'
import type { Batch } from '../../src/scan/messages.js'
import { planPartitions } from '../../src/scan/plan.js'
import { EdgeKeeper, edgeTable } from '../../src/space/edge-table.js'
import type { SpaceChoice } from '../../src/space/guest-spaces.js'
import { Placement } from '../../src/space/placement.js'
import { planVirtual, type SpaceMap } from '../../src/space/virtual-plan.js'
import { scanJoints } from '../../workers/joint-scan.js'
import { scanPartition } from '../../workers/partition-scan.js'

export interface PlacedMatch {
  readonly pid: number
  readonly va: bigint
  readonly gpa: number
  readonly pattern: number
  readonly length: number
  readonly data: string
}

/** Every place of every match. */
export function scanSpaces(
  memory: PhysicalMemory,
  map: SpaceMap,
  choice: Exclude<SpaceChoice, 'physical'>,
  compiled: CompiledScan,
  cut: {
    readonly blockBytes: number
    readonly jointBytes: number
    readonly contextBytes?: number
    readonly keep?: boolean
  },
): PlacedMatch[] {
  const contextBytes = cut.contextBytes ?? 0
  const behindBytes = Math.max(compiled.lookBehindBytes, contextBytes)
  const aheadBytes = compiled.lookAheadBytes + contextBytes
  const shortestBytes = Math.min(...compiled.patterns.map(pattern => pattern.minBytes))
  const fixed = compiled.patterns.map(p => p.minBytes === p.maxBytes && !hasAssertions(p.node))
  const plan = planVirtual(map, choice, memory.runs, { behindBytes, aheadBytes, shortestBytes })
  const edges = cut.keep === true ? edgeTable(plan.joints) : undefined
  const placement = new Placement(map, plan, choice)
  const scanners = createScanners(compiled)
  const control = ControlBlock.create(1)
  const found: PlacedMatch[] = []
  let joint = false
  const scan = {
    memory,
    scanners,
    runs: plan.runs,
    control,
    blockBytes: cut.blockBytes,
    lookBehindBytes: behindBytes,
    lookAheadBytes: aheadBytes,
    contextBytes,
    patterns: compiled.patterns.length,
    sort: false,
    skipZeros: false,
    joints: plan.joints,
    ...(edges && { kept: edges, edges: [new EdgeKeeper(edges, plan.joints)] }),
    plainPatterns: behindBytes === 0 && fixed.every(Boolean),
    post: (batch: Batch) => {
      control.release(0)
      const { columns } = batch
      let from = 0
      for (let i = 0; i < columns.count; i++) {
        const pattern = columns.pattern[i]!
        const address = columns.gpa[i]!
        const length = columns.length[i]!
        const data = Buffer.from(columns.bytes.subarray(from, columns.dataEnd[i])).toString('latin1')
        from = columns.contextEnd[i]!
        const places = joint
          ? placement.atJoint(address, length, pattern, fixed[pattern]!)
          : placement.inPlace(address, length, pattern, fixed[pattern]!)
        for (const place of places) found.push({ ...place, pattern, length, data })
      }
    },
  }
  const task = {
    kind: 'scan',
    context: { json: new SharedArrayBuffer(0), binaries: [] },
    partition: 0,
    attempt: 0,
    slot: 0,
    skip: 0,
  } as const
  for (const { start, end } of planPartitions(plan.runs, cut.blockBytes * 4, cut.blockBytes))
    scanPartition(scan, { ...task, start, end })
  joint = true
  const { base } = plan.joints
  for (let region = 0; region + 1 < base.length; ) {
    let next = region + 1
    while (next + 1 < base.length && base[next + 1]! - base[region]! <= cut.jointBytes) next++
    scanJoints(scan, { ...task, start: base[region]!, end: base[next]! })
    region = next
  }
  for (const scanner of scanners) scanner[Symbol.dispose]()
  return found
}
