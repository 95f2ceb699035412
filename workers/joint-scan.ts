/**
 * Scans regions around joints. A block is some megabytes of regions: their pieces are fetched, and one call scans all that
 * need not be told of a stretch's ends. See docs/DECISIONS.md, "Virtual scans and owners".
 */

import type { ScanTask } from '../src/scan/messages.js'
import type { MatchSink, Scanner } from '../src/scan/scanner.js'
import type { EdgeTable } from '../src/space/edge-table.js'
import { BEGINS_STRETCH, ENDS_STRETCH, type JointTable, regionAt } from '../src/space/joint-table.js'
import { BatchWriter } from './batch-writer.js'
import type { PartitionScanner } from './partition-scan.js'
import { type Bad, RegionReader } from './region-reader.js'

/** Bytes of regions that are fetched together, unless one region is longer. */
const BLOCK_BYTES = 8 << 20

export interface JointScanner extends PartitionScanner {
  readonly joints: JointTable
  /** The regions' bytes, where they were kept when the frames were scanned. */
  readonly kept?: EdgeTable
  /**
   * Every pattern has one length and looks at nothing around it: at a stretch's end it is enough to drop what runs over it.
   */
  readonly plainPatterns: boolean
}

/** Scans the regions whose addresses lie between the task's start and end, and posts what it finds. */
export function scanJoints(scan: JointScanner, task: ScanTask): void {
  const writer = new BatchWriter(task, scan.control, scan)
  const { base } = scan.joints
  const block = new JointBlock(scan, writer)
  const end = regionAt(base, task.end)
  let region = regionAt(base, task.start)
  while (region < end) {
    if (scan.control.cancelled) break
    let next = region + 1
    const from = base[region] as number
    while (next < end && (base[next + 1] as number) - from <= BLOCK_BYTES) next++
    block.scan(region, next)
    writer.blockDone(0, base[next] as number)
    scan.control.setDone(task.slot, (base[next] as number) - task.start)
    region = next
  }
  writer.flush(true)
}

class JointBlock implements MatchSink {
  readonly #scan: JointScanner
  readonly #writer: BatchWriter
  readonly #reader: RegionReader
  /** The block's regions, and the one of the last match. */
  #first = 0
  #end = 0
  #last = 0

  constructor(scan: JointScanner, writer: BatchWriter) {
    this.#scan = scan
    this.#writer = writer
    this.#reader = new RegionReader(scan.memory, scan.joints, scan.kept)
  }

  /** Scans regions `first` ≤ index < `end`. */
  scan(first: number, end: number): void {
    const { joints, plainPatterns } = this.#scan
    this.#first = this.#last = first
    this.#end = end
    const bytes = this.#reader.read(first, end)
    const { broken } = this.#reader
    // the regions that one call can serve come first
    const together = plainPatterns ? end : Math.max(first, Math.min(end, joints.plain))
    if (together > first) this.#scanTogether(bytes, first, together)
    for (let region = together; region < end; region++)
      if (!broken.has(region)) this.#scanPart(bytes, region, 0, this.#lengthOf(region))
    for (const [region, bad] of broken) this.#scanBroken(bytes, region, bad)
  }

  #lengthOf(region: number): number {
    const { base } = this.#scan.joints
    return (base[region + 1] as number) - (base[region] as number)
  }

  #scanTogether(bytes: Uint8Array, first: number, end: number): void {
    const { base } = this.#scan.joints
    const gpa = base[first] as number
    const length = (base[end] as number) - gpa
    const window = {
      bytes: bytes.length === length ? bytes : bytes.subarray(0, length),
      gpa,
      ownedStart: 0,
      ownedEnd: length,
      beginsStretch: false,
      endsStretch: false,
    }
    this.#writer.enter(window)
    for (const scanner of this.#scan.scanners) scanner.scan(window, this)
  }

  /** A match of the regions that were scanned together; counts when its own region owns it. */
  match(pattern: number, offset: number, length: number): void {
    const { base, ownedFrom, ownedTo, flags } = this.#scan.joints
    const address = (base[this.#first] as number) + offset
    let region = this.#last
    if (address < (base[region] as number) || address >= (base[region + 1] as number))
      region = regionAt(base, address, this.#first, this.#end)
    this.#last = region
    const into = address - (base[region] as number)
    if (into < (ownedFrom[region] as number) || into >= (ownedTo[region] as number)) return
    const endsStretch = ((flags[region] as number) & ENDS_STRETCH) !== 0
    if (endsStretch && address + length > (base[region + 1] as number)) return
    if (this.#reader.broken.has(region)) return
    this.#writer.match(pattern, offset, length)
  }

  stringMatch(part: number, offset: number, length: number): void {
    this.#writer.stringMatch(part, offset, length)
  }

  /** What lies between unreadable bytes are stretches of their own. */
  #scanBroken(bytes: Uint8Array, region: number, bad: Bad[]): void {
    bad.sort((a, b) => a.from - b.from)
    let from = 0
    for (const { from: badFrom, to: badTo } of bad) {
      if (badFrom > from) this.#scanPart(bytes, region, from, badFrom)
      from = Math.max(from, badTo)
    }
    if (from < this.#lengthOf(region)) this.#scanPart(bytes, region, from, this.#lengthOf(region))
  }

  /** Scans the bytes `from` to `to` of a region in a window of their own. */
  #scanPart(bytes: Uint8Array, region: number, from: number, to: number): void {
    const { base, ownedFrom, ownedTo, flags } = this.#scan.joints
    const ownedStart = Math.max(from, ownedFrom[region] as number)
    const ownedEnd = Math.min(to, ownedTo[region] as number)
    if (ownedStart >= ownedEnd) return
    const flag = flags[region] as number
    const start = (base[region] as number) - (base[this.#first] as number)
    const window = {
      bytes: bytes.subarray(start + from, start + to),
      gpa: (base[region] as number) + from,
      ownedStart: ownedStart - from,
      ownedEnd: ownedEnd - from,
      beginsStretch: from > 0 || (flag & BEGINS_STRETCH) !== 0,
      endsStretch: to < this.#lengthOf(region) || (flag & ENDS_STRETCH) !== 0,
    }
    this.#writer.enter(window)
    for (const scanner of this.#scan.scanners as readonly Scanner[]) scanner.scan(window, this.#writer)
  }
}
