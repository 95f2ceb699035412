/**
 * The block loop: walks a partition stretch by stretch and block by block, and runs every scanner on each block once.
 *
 * A block owns the addresses from its start to its end; its window reaches further, back for context and assertions,
 * ahead so that a match which starts inside can end outside. Windows never reach over a hole, a gap or the range's end.
 */
import type { MemoryRun, Window } from '../src/core/memory.js'
import type { ControlBlock } from '../src/scan/control.js'
import type { Fault, ScanTask } from '../src/scan/messages.js'
import type { Scanner, ScanWindow } from '../src/scan/scanner.js'
import type { EdgeKeeper } from '../src/space/edge-table.js'
import { BatchWriter, type WriterOptions } from './batch-writer.js'
import { BlockSorter } from './block-sorter.js'
import type { Crossings } from './crossings.js'

/** Shorter runs of known zeros are scanned like data. */
const MIN_ZERO_SKIP_BYTES = 65536

export interface PartitionScanner extends WriterOptions {
  readonly scanners: readonly Scanner[]
  readonly runs: readonly MemoryRun[]
  readonly control: ControlBlock
  readonly blockBytes: number
  readonly lookBehindBytes: number
  readonly lookAheadBytes: number
  readonly sort: boolean
  /** No pattern matches in the midst of zeros, so that file holes need not be scanned. */
  readonly skipZeros: boolean
  readonly fault?: Fault
  /** In virtual scans: takes what regions around joints need of each block. Known zeros need not be brought. */
  readonly edges?: readonly EdgeKeeper[]
  /** With YARA rules in virtual spaces: told who takes what frames alone do not decide. */
  readonly crossings?: Crossings
}

/** Scans one partition and posts what it finds; returns when all of it is posted, or the scan is cancelled. */
export function scanPartition(scan: PartitionScanner, task: ScanTask): void {
  const writer = new BatchWriter(task, scan.control, scan)
  if (scan.crossings !== undefined) scan.crossings.sink = writer
  let done = 0
  for (let index = firstRun(scan.runs, task.start); index < scan.runs.length; index++) {
    const run = scan.runs[index] as MemoryRun
    if (run.gpa >= task.end) break
    const from = Math.max(run.gpa, task.start)
    const to = Math.min(run.gpa + run.length, task.end)
    const stretch = new StretchScan(scan, task, writer, run, bytes =>
      scan.control.setDone(task.slot, done + bytes),
    )
    if (!stretch.scan(from, to)) break
    done += to - from
  }
  writer.flush(true)
}

/** Index of the first run that ends above `gpa`. */
function firstRun(runs: readonly MemoryRun[], gpa: number): number {
  let low = 0
  let high = runs.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const run = runs[middle] as MemoryRun
    if (run.gpa + run.length <= gpa) low = middle + 1
    else high = middle
  }
  return low
}

/** One run's part of a partition. */
class StretchScan {
  readonly #scan: PartitionScanner
  readonly #task: ScanTask
  readonly #writer: BatchWriter
  readonly #sorter: BlockSorter | undefined
  readonly #runEnd: number
  readonly #progress: (bytes: number) => void
  /** Windows don't reach below: a hole or a gap ends here. */
  #stretchStart: number
  /** Known to be readable, as far as the driver can tell beforehand, below this address. */
  #dataEnd = 0

  constructor(
    scan: PartitionScanner,
    task: ScanTask,
    writer: BatchWriter,
    run: MemoryRun,
    progress: (bytes: number) => void,
  ) {
    this.#scan = scan
    this.#task = task
    this.#writer = writer
    this.#sorter = scan.sort ? new BlockSorter(writer) : undefined
    this.#stretchStart = run.gpa
    this.#runEnd = run.gpa + run.length
    this.#progress = progress
  }

  /** Scans `from` ≤ gpa < `to`; false when cancelled. */
  scan(from: number, to: number): boolean {
    let at = from
    while (at < to) {
      if (this.#scan.control.cancelled) return false
      at = at < this.#dataEnd ? this.#block(at, to) : this.#span(at, to)
      this.#progress(at - from)
    }
    return true
  }

  /** Asks what stands at `at`, and passes what needs no reading. Returns the next address to look at. */
  #span(at: number, to: number): number {
    const { memory, lookBehindBytes, lookAheadBytes, skipZeros } = this.#scan
    const span = memory.spanAt(at, to - at)
    if (span.kind === 'gap') return this.#gap(at, span.length, span.reason, to)
    this.#dataEnd = at + span.length
    if (
      span.kind === 'data' ||
      !skipZeros ||
      span.length < MIN_ZERO_SKIP_BYTES + lookBehindBytes + lookAheadBytes
    )
      return this.#block(at, to)
    // what starts near either end of the zeros can reach out of them: only the midst is passed over
    let next = at
    if (lookBehindBytes > 0) next = this.#block(at, at + lookBehindBytes)
    const end = this.#dataEnd - lookAheadBytes
    this.#writer.blockDone(end - next, end)
    return end
  }

  /** Scans the block that starts at `at`; returns where the next one starts. */
  #block(at: number, to: number): number {
    const { memory, blockBytes, lookBehindBytes, lookAheadBytes, fault } = this.#scan
    const end = Math.min(at - (at % blockBytes) + blockBytes, this.#dataEnd, to)
    if (fault !== undefined) trip(fault, this.#task, at, end)
    let borrowed: Window
    let start: number
    for (;;) {
      start = Math.max(this.#stretchStart, at - lookBehindBytes)
      borrowed = memory.window(start, Math.min(this.#runEnd, end + lookAheadBytes) - start)
      const readTo = start + borrowed.bytes.length
      if (readTo > at || borrowed.stop === undefined) break
      // what can't be read lies before the block, or at its start
      const behind = readTo + borrowed.stop.length
      if (behind > at) return this.#gap(at, behind - at, borrowed.stop.reason, to)
      this.#stretchStart = behind
    }
    const readTo = start + borrowed.bytes.length
    const ownedEnd = Math.min(end, readTo)
    for (const edges of this.#scan.edges ?? []) edges.keep(at, ownedEnd, borrowed.bytes, start)
    this.#run({
      bytes: borrowed.bytes,
      gpa: start,
      ownedStart: at - start,
      ownedEnd: ownedEnd - start,
      beginsStretch: start === this.#stretchStart,
      endsStretch: readTo === this.#runEnd || borrowed.stop !== undefined,
    })
    this.#writer.blockDone(ownedEnd - at, ownedEnd)
    if (ownedEnd === end || borrowed.stop === undefined) return ownedEnd
    return this.#gap(readTo, borrowed.stop.length, borrowed.stop.reason, to)
  }

  #run(window: ScanWindow): void {
    this.#writer.enter(window)
    const sink = this.#sorter ?? this.#writer
    for (const scanner of this.#scan.scanners) scanner.scan(window, sink)
    this.#sorter?.flush()
  }

  /** Tells a gap, cut at the partition's end, and returns the address behind it. */
  #gap(at: number, length: number, reason: NonNullable<Window['stop']>['reason'], to: number): number {
    const end = Math.min(at + length, to)
    for (const edges of this.#scan.edges ?? []) edges.lose(at, end)
    this.#writer.gap({ gpa: at, length: end - at, reason })
    this.#stretchStart = end
    return end
  }
}

function trip(fault: Fault, task: ScanTask, at: number, end: number): void {
  if (task.attempt >= fault.attempts || fault.gpa < at || fault.gpa >= end) return
  if (fault.kind === 'exit') process.exit(7)
  throw new Error('fault asked for by the caller')
}
