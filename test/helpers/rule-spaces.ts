/** Searches strings of rules in many spaces in this thread, with the workers' own loops, over extents that a test made up. */
import { RuleStringScanner } from '../../scanners/rule-strings.js'
import { LostRanges } from '../../src/coordinator/rules/lost-ranges.js'
import { SpaceMatches } from '../../src/coordinator/rules/space-matches.js'
import type { PhysicalMemory } from '../../src/core/memory.js'
import type { OffsetColumns } from '../../src/rules/search/columns.js'
import { Gathered } from '../../src/rules/search/gather.js'
import { longestRow } from '../../src/rules/search/reach.js'
import type { StringTables } from '../../src/rules/search/tables.js'
import { ControlBlock } from '../../src/scan/control.js'
import type { Batch } from '../../src/scan/messages.js'
import { planPartitions } from '../../src/scan/plan.js'
import { EdgeKeeper } from '../../src/space/edge-table.js'
import type { ExtentColumns } from '../../src/space/extents.js'
import { FrameUnion } from '../../src/space/frame-union.js'
import { LinearMemory, linearExtentAt } from '../../src/space/linear-space.js'
import { virtualAddress } from '../../src/space/placement.js'
import { buildReverseMap } from '../../src/space/reverse-map.js'
import { planKernelRules, planRules, type RulePlan } from '../../src/space/rule-plan.js'
import { Crossings } from '../../workers/crossings.js'
import { scanPartition } from '../../workers/partition-scan.js'
import { FramePlaces, RegionPlaces } from '../../workers/places.js'
import { RegionReader } from '../../workers/region-reader.js'
import { scanRuleJoints } from '../../workers/rule-joint-scan.js'

/** Matches as `string:address:length`, by space. */
export type FoundStrings = string[][]

/** Searches every space by the frames: each frame once. `kernel`: there are two, the kernel's other extents and its direct map, told as one. */
export function searchSpaces(
  memory: PhysicalMemory,
  spaces: readonly ExtentColumns[],
  tables: StringTables,
  cut: { readonly blockBytes: number; readonly keep: boolean; readonly kernel?: boolean },
): FoundStrings {
  const [other, direct] = spaces as [ExtentColumns, ExtentColumns]
  const row = longestRow(tables)
  const plan =
    cut.kernel === true ? planKernelRules(0, other, direct, row) : planRules([...spaces.entries()], row)
  const { search } = plan
  const { table, joints } = search
  const edges = cut.keep ? search.edges : undefined
  const matches = new SpaceMatches(tables, plan, memory)
  const lost = new LostRanges()
  const union = FrameUnion.of(buildReverseMap(spaces), new Uint8Array(spaces.length).fill(1))
  const scanner = new RuleStringScanner(tables)
  const shared = { tables, table, memory: new LinearMemory(table, memory) }
  const crossings = new Crossings({ ...shared, places: new FramePlaces(search), inFrames: true })
  const control = ControlBlock.create(1)
  const post = (batch: Batch): void => {
    control.release(0)
    matches.add(batch)
    lost.add(batch.gaps)
  }
  const common = { memory, control, contextBytes: 0, post }
  const runs = union.runs(memory.runs)
  const scan = {
    ...common,
    scanners: [scanner],
    runs,
    blockBytes: cut.blockBytes,
    lookBehindBytes: Math.max(search.behindBytes, tables.behindBytes),
    lookAheadBytes: Math.min(tables.aheadBytes, 4096),
    sort: false,
    skipZeros: false,
    crossings,
    ...(edges && { edges: [new EdgeKeeper(edges, joints)] }),
  }
  const task = {
    kind: 'scan',
    context: { json: new SharedArrayBuffer(0), binaries: [] },
    partition: 0,
    attempt: 0,
    slot: 0,
    skip: 0,
  } as const
  scanner.watcher = crossings
  for (const { start, end } of planPartitions(runs, cut.blockBytes * 4, cut.blockBytes))
    scanPartition(scan, { ...task, start, end })
  const regions = {
    ...common,
    joints,
    reader: new RegionReader(memory, joints, edges),
    scanner,
    crossings: new Crossings({ ...shared, places: new RegionPlaces(joints), inFrames: false }),
  }
  scanRuleJoints(regions, { ...task, start: 0, end: joints.base.at(-1) ?? 0 })
  scanner[Symbol.dispose]()
  return Array.from(matches.scopes(lost), ({ strings }) => told(strings, plan))
}

/** Searches every space by itself, stretch after stretch, each in one piece. */
export function searchEachSpace(
  memory: PhysicalMemory,
  spaces: readonly ExtentColumns[],
  tables: StringTables,
): FoundStrings {
  const plan = planRules([...spaces.entries()], 1)
  const laidOut = new LinearMemory(plan.search.table, memory)
  const scanner = new RuleStringScanner(tables)
  const found = plan.slots.map(slot => {
    const gathered = new Gathered(tables)
    const ends: number[] = []
    for (const run of laidOut.runs.filter(({ gpa }) => gpa >= slot.start && gpa < slot.end))
      for (let at = run.gpa; at < run.gpa + run.length; ) {
        const { bytes, stop } = laidOut.window(at, run.gpa + run.length - at)
        const gpa = at
        const window = { bytes: bytes.slice(), gpa, ownedStart: 0, ownedEnd: bytes.length }
        scanner.scan(
          { ...window, beginsStretch: true, endsStretch: true },
          { match() {}, stringMatch: (part, start, length) => gathered.add(part, gpa + start, length) },
        )
        ends.push(at + bytes.length)
        at += bytes.length + (stop?.length ?? 0)
      }
    return told(
      gathered.finish(start => ends.find(end => end > start) ?? 0),
      plan,
    )
  })
  scanner[Symbol.dispose]()
  return found
}

function told(strings: ReadonlyMap<number, OffsetColumns>, { search: { table } }: RulePlan): string[] {
  return [...strings]
    .flatMap(([id, columns]) =>
      Array.from({ length: columns.count }, (_, i) => {
        const address = columns.offsetAt(i)
        const extent = linearExtentAt(table, address)
        const va = virtualAddress(table.vpn[extent]!, address - table.address[extent]!)
        return `${id}:0x${va.toString(16)}:${columns.lengthAt(i)}`
      }),
    )
    .sort()
}
