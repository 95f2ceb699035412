/** Searches regions around joints for rows of rules' strings; what a row asks for is verified in the laid-out spaces themselves. */
import type { RuleStringScanner } from '../scanners/rule-strings.js'
import type { ControlBlock } from '../src/scan/control.js'
import type { ScanTask } from '../src/scan/messages.js'
import type { MatchSink } from '../src/scan/scanner.js'
import { type JointTable, regionAt } from '../src/space/joint-table.js'
import { BatchWriter, type WriterOptions } from './batch-writer.js'
import type { Crossings } from './crossings.js'
import type { RegionReader } from './region-reader.js'

/** Bytes of regions that are searched together, unless one region is longer. */
const BLOCK_BYTES = 8 << 20

export interface RuleJointScanner extends WriterOptions {
  readonly control: ControlBlock
  readonly joints: JointTable
  readonly reader: RegionReader
  readonly scanner: RuleStringScanner
  /** For windows that are regions. */
  readonly crossings: Crossings
}

/** Frames tell what lies within them. */
const NO_MATCHES: MatchSink = { match() {}, stringMatch() {} }

/** Searches the regions whose addresses lie between the task's start and end. */
export function scanRuleJoints(scan: RuleJointScanner, task: ScanTask): void {
  const { joints, reader, scanner, crossings, control } = scan
  const { base } = joints
  const writer = new BatchWriter(task, control, scan)
  crossings.sink = writer
  const watcher = scanner.watcher
  scanner.watcher = crossings
  const end = regionAt(base, task.end)
  let region = regionAt(base, task.start)
  try {
    while (region < end && !control.cancelled) {
      const from = base[region] as number
      let next = region + 1
      while (next < end && (base[next + 1] as number) - from <= BLOCK_BYTES) next++
      const bytes = reader.read(region, next)
      // rows that begin in one region and end in another come to nothing where they are verified
      const window = { bytes, gpa: from, ownedStart: 0, ownedEnd: bytes.length }
      scanner.scan({ ...window, beginsStretch: false, endsStretch: false }, NO_MATCHES)
      writer.blockDone(0, base[next] as number)
      control.setDone(task.slot, (base[next] as number) - task.start)
      region = next
    }
  } finally {
    scanner.watcher = watcher
  }
  writer.flush(true)
}
