/** What a thread opens for a virtual space: frames in place, and regions around joints, of patterns and of rows of YARA rules. */
import { createScanners } from '../scanners/index.js'
import { RuleStringScanner } from '../scanners/rule-strings.js'
import { PAGE_BYTES } from '../src/core/address.js'
import type { PhysicalMemory } from '../src/core/memory.js'
import { openMemory } from '../src/drivers/open.js'
import { rebased } from '../src/os/search/physical.js'
import type { StringTables } from '../src/rules/search/tables.js'
import { ControlBlock } from '../src/scan/control.js'
import type { ScanTask, VirtualContext, WorkerContext } from '../src/scan/messages.js'
import { EdgeKeeper } from '../src/space/edge-table.js'
import { LinearMemory } from '../src/space/linear-space.js'
import type { RuleSearch } from '../src/space/rule-plan.js'
import { withSwapped } from '../src/space/swapped-memory.js'
import type { PostBatch, WriterOptions } from './batch-writer.js'
import { Crossings } from './crossings.js'
import { type JointScanner, scanJoints } from './joint-scan.js'
import { type PartitionScanner, scanPartition } from './partition-scan.js'
import { FramePlaces, RegionPlaces } from './places.js'
import { RegionReader } from './region-reader.js'
import { type RuleJointScanner, scanRuleJoints } from './rule-joint-scan.js'
import { rowsAreQuiet, zerosAreQuiet } from './zero-probe.js'

export interface VirtualScanner {
  readonly frames: PartitionScanner
  readonly joints: JointScanner
  /** With YARA rules. */
  readonly ruleJoints?: RuleJointScanner
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
  const over = (inner: PhysicalMemory): PhysicalMemory => {
    const guest = rebased(inner, virtual.base)
    return virtual.swapped === undefined ? guest : withSwapped(guest, virtual.swapped)
  }
  const memory = over(driver)
  const scanners = createScanners(plain)
  const common = {
    memory,
    control: ControlBlock.attach(context.control),
    blockBytes: context.blockBytes,
    contextBytes,
    sort: false,
    post,
    ...(fault === undefined ? {} : { fault }),
  }
  const rules =
    strings === undefined || virtual.rules === undefined
      ? undefined
      : openRules(common, strings, virtual.rules, () => {
          // frames around a crossing lie scattered: they are copied, while a window is borrowed
          const copied = openMemory({ ...context.driver, map: false })
          return { memory: over(copied), close: () => copied[Symbol.dispose]() }
        })
  const { behindBytes, aheadBytes } = virtual
  const frames: PartitionScanner = {
    ...common,
    scanners: rules === undefined ? scanners : [...scanners, rules.scanner],
    runs: context.runs,
    lookBehindBytes: Math.max(behindBytes, rules?.behindBytes ?? 0),
    lookAheadBytes: Math.max(aheadBytes, rules?.aheadBytes ?? 0),
    skipZeros: zerosAreQuiet(scanners, behindBytes, aheadBytes) && rules?.quiet !== false,
    ...(rules && { crossings: rules.crossings }),
    edges: [
      ...(virtual.edges === undefined ? [] : [new EdgeKeeper(virtual.edges, virtual.joints)]),
      ...(virtual.rules?.edges === undefined
        ? []
        : [new EdgeKeeper(virtual.rules.edges, virtual.rules.joints)]),
    ],
  }
  const joints: JointScanner = {
    ...frames,
    scanners,
    joints: virtual.joints,
    plainPatterns: virtual.plainPatterns,
    ...(virtual.edges && { kept: virtual.edges }),
  }
  return {
    frames,
    joints,
    ...(rules && { ruleJoints: rules.joints }),
    leased: driver,
    [Symbol.dispose]() {
      for (const scanner of scanners) scanner[Symbol.dispose]()
      rules?.[Symbol.dispose]()
      driver[Symbol.dispose]()
    },
  }
}

interface OpenedRules extends Disposable {
  readonly scanner: RuleStringScanner
  readonly crossings: Crossings
  readonly joints: RuleJointScanner
  /** No row stands in the midst of zeros. */
  readonly quiet: boolean
  readonly behindBytes: number
  readonly aheadBytes: number
}

/** `copying` opens memory that lends nothing out of what windows are borrowed from. */
function openRules(
  common: WriterOptions & Pick<RuleJointScanner, 'control'>,
  tables: StringTables,
  search: RuleSearch,
  copying: () => { readonly memory: PhysicalMemory; readonly close: () => void },
): OpenedRules {
  const scanner = new RuleStringScanner(tables)
  const copied = copying()
  const { table, joints, edges } = search
  const shared = { tables, table, memory: new LinearMemory(table, copied.memory) }
  const crossings = new Crossings({ ...shared, places: new FramePlaces(search), inFrames: true })
  const atJoints = new Crossings({ ...shared, places: new RegionPlaces(joints), inFrames: false })
  const behindBytes = Math.max(search.behindBytes, tables.behindBytes)
  const aheadBytes = Math.min(tables.aheadBytes, PAGE_BYTES)
  const quiet = rowsAreQuiet(scanner, behindBytes, aheadBytes)
  scanner.watcher = crossings
  return {
    scanner,
    crossings,
    joints: {
      ...common,
      joints,
      scanner,
      crossings: atJoints,
      reader: new RegionReader(common.memory, joints, edges),
    },
    quiet,
    behindBytes,
    aheadBytes,
    [Symbol.dispose]() {
      scanner[Symbol.dispose]()
      copied.close()
    },
  }
}

/** Runs a task in the address space it is about. */
export function scanVirtual({ frames, joints, ruleJoints }: VirtualScanner, task: ScanTask): void {
  if (task.area === 'joints') scanJoints(joints, task)
  else if (task.area === undefined) scanPartition(frames, task)
  else if (ruleJoints !== undefined) scanRuleJoints(ruleJoints, task)
}
