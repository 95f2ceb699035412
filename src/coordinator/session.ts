/**
 * One scan from start to end: compiles the patterns, opens the pool, lets partitions fly, turns what comes back into
 * events, counts coverage, and closes the pool.
 */
import { hex } from '../core/address.js'
import type { ErrorRecord } from '../core/errors.js'
import { EXPECTED_GAPS, type Gap, type MemoryRun } from '../core/memory.js'
import { clipRuns } from '../core/runs.js'
import { compileScan } from '../patterns/compile.js'
import type { CompiledScan } from '../scan/compiled-scan.js'
import { type Packed, pack } from '../scan/context.js'
import { ControlBlock } from '../scan/control.js'
import type { GapEvent, RuleEvent, ScanEvent, SummaryEvent } from '../scan/events.js'
import type { Batch, WorkerContext } from '../scan/messages.js'
import { type Partition, partitionSize, planPartitions } from '../scan/plan.js'
import type { RuleHit } from '../scan/scanner.js'
import { matchesOf } from './batch-events.js'
import { ATTEMPTS, Flights } from './flights.js'
import { GapJoiner } from './gap-joiner.js'
import { ScanPool } from './pool.js'
import { checkRequest, jobsFor, type ScanRequest, type Shape, shapeOf } from './request.js'
import type { Target } from './target.js'
import { VERSION } from './version.js'

/** Threads that do not come to an end by themselves within this time are ended. */
const CLOSE_GRACE_MS = 2000

/** Takes events; calls `taken` once it is done with them, which lets the worker go on. */
export type Deliver = (events: Iterable<ScanEvent>, taken: () => void) => void

export class ScanSession {
  readonly #target: Target
  readonly #request: ScanRequest
  readonly #deliver: Deliver
  readonly #gaps = new GapJoiner()
  readonly #rules = new Set<string>()
  readonly #flights = new Flights({
    arrived: batch => {
      this.#bytesScanned += batch.scannedBytes
      this.#countGaps(batch.gaps)
    },
    deliver: (batch, taken) => this.#deliver(this.#eventsOf(batch), taken),
    givenUp: (partition, from, error) => this.#giveUp(partition, from, error),
  })
  #control: ControlBlock | undefined
  #compiled: CompiledScan | undefined
  #stop = false
  #matches = 0
  #bytesScanned = 0
  #bytesUnread = 0
  #bytesFailed = 0
  #runs: readonly MemoryRun[] = []

  constructor(target: Target, request: ScanRequest, deliver: Deliver) {
    this.#target = target
    this.#request = request
    this.#deliver = deliver
  }

  /** Ends the scan within a block a worker. Safe to call at any time. */
  cancel(): void {
    this.#stop = true
    this.#control?.cancel()
    this.#flights.cancel()
  }

  /** Runs to the end: every event delivered, the summary last, the threads gone. */
  async run(): Promise<void> {
    const startTime = new Date()
    const started = performance.now()
    const request = this.#request
    checkRequest(this.#target, request)
    using _hold = this.#target.hold()
    const jobs = jobsFor(this.#target, request)
    // threads start while patterns are compiled
    const pool = new ScanPool(jobs, batch => this.#flights.receive(batch))
    try {
      const compiled = await compileScan(request.patterns, { ...request, checkRules: false })
      for (const hint of compiled.hints) request.onHint?.(hint)
      this.#compiled = compiled
      await this.#scan(pool, compiled, shapeOf(this.#target, request, compiled, jobs), startTime, started)
    } finally {
      this.#control?.cancel()
      await pool.close(CLOSE_GRACE_MS, this.#control)
    }
  }

  async #scan(
    pool: ScanPool,
    compiled: CompiledScan,
    shape: Shape,
    startTime: Date,
    started: number,
  ): Promise<void> {
    const { signal, sort = false } = this.#request
    this.#runs = shape.runs
    const slots = shape.jobs * 2
    const control = ControlBlock.create(slots)
    this.#control = control
    if (this.#stop) control.cancel()
    const abort = (): void => this.cancel()
    signal?.addEventListener('abort', abort)
    if (signal?.aborted === true) this.cancel()
    const progress = this.#startProgress(shape, started)
    try {
      const context = this.#contextOf(compiled, shape, control)
      const slow = compiled.yara !== undefined
      await this.#flights.run({ pool, control, context, slots, sort, slow }, this.#plan(shape, slow))
      clearInterval(progress)
      const seconds = (): number => (performance.now() - started) / 1000
      this.#deliver(this.#ending(compiled, shape, startTime, seconds), () => undefined)
    } finally {
      clearInterval(progress)
      signal?.removeEventListener('abort', abort)
    }
  }

  #contextOf(compiled: CompiledScan, shape: Shape, control: ControlBlock): Packed {
    const { contextBytes = 0, sort = false, tuning } = this.#request
    const fault = tuning?.fault
    const context: WorkerContext = {
      // YARA copies anyway, and may take minutes over a block: nobody who wants the file should wait for that
      driver: compiled.yara === undefined ? this.#target.driver : { ...this.#target.driver, map: false },
      compiled,
      control: control.shared,
      runs: shape.runs,
      blockBytes: shape.blockBytes,
      contextBytes,
      sort,
      ...(fault === undefined ? {} : { fault }),
    }
    return pack(context)
  }

  #plan({ bytesTotal, jobs, blockBytes, runs }: Shape, slow: boolean): Partition[] {
    const asked = this.#request.tuning?.partitionBytes
    const size =
      asked === undefined ? partitionSize(bytesTotal, jobs, blockBytes, slow) : Math.max(asked, blockBytes)
    return planPartitions(runs, size, blockBytes)
  }

  /** What is left of the partition is a gap, and an error tells why. */
  #giveUp({ end }: Partition, from: number, error: ErrorRecord): void {
    this.#countGaps(clipRuns(this.#runs, from, end).map((run): Gap => ({ ...run, reason: 'error' })))
    const message = `${hex(from)}-${hex(end)} was given up after ${ATTEMPTS} attempts: ${error.message}`
    const event: ScanEvent = { type: 'error', gpa: from, length: end - from, error: { ...error, message } }
    this.#deliver([event], () => undefined)
  }

  *#eventsOf(batch: Batch): Generator<ScanEvent> {
    const { limit = Number.POSITIVE_INFINITY, contextBytes = 0 } = this.#request
    for (const hit of batch.rules) {
      const event = this.#newRule(hit)
      if (event !== undefined) yield event
    }
    for (const match of matchesOf(batch, this.#compiled?.patterns ?? [], contextBytes > 0)) {
      if (this.#matches >= limit) break
      this.#matches++
      yield match
    }
    if (this.#matches >= limit) this.cancel()
  }

  /** A rule is told once, however many regions it holds in. */
  #newRule(hit: RuleHit): RuleEvent | undefined {
    const key = `${hit.namespace}\0${hit.rule}`
    if (this.#rules.has(key)) return undefined
    this.#rules.add(key)
    return { type: 'rule', ...hit }
  }

  #countGaps(gaps: readonly Gap[]): void {
    for (const gap of gaps) {
      this.#bytesUnread += gap.length
      if (!EXPECTED_GAPS.has(gap.reason)) this.#bytesFailed += gap.length
    }
    const ready = this.#gaps.add(gaps)
    if (ready.length > 0) this.#deliver(ready.map(gapEvent), () => undefined)
  }

  *#ending(
    compiled: CompiledScan,
    shape: Shape,
    startTime: Date,
    seconds: () => number,
  ): Generator<ScanEvent> {
    for (const gap of this.#gaps.drain()) yield gapEvent(gap)
    const summary: SummaryEvent = {
      type: 'summary',
      target: this.#target.path,
      bytesTotal: shape.bytesTotal,
      bytesScanned: this.#bytesScanned,
      bytesUnread: this.#bytesUnread,
      bytesFailed: this.#bytesFailed,
      matches: this.#matches,
      rules: this.#rules.size,
      seconds: seconds(),
      jobs: shape.jobs,
      matcher: enginesOf(compiled),
      complete: !this.#stop,
      version: VERSION,
      startTime: startTime.toISOString(),
    }
    yield summary
  }

  #startProgress({ bytesTotal }: Shape, started: number): NodeJS.Timeout | undefined {
    const every = this.#request.progressSeconds
    if (every === undefined) return undefined
    return setInterval(() => {
      const { bytesDone } = this.#flights
      const secondsElapsed = (performance.now() - started) / 1000
      const rate = bytesDone / secondsElapsed
      const left = rate > 0 ? { secondsLeft: (bytesTotal - bytesDone) / rate } : {}
      const counted = { bytesTotal, bytesDone, matches: this.#matches }
      this.#deliver([{ type: 'progress', ...counted, rate, secondsElapsed, ...left }], () => undefined)
    }, every * 1000)
  }
}

/** The engines in use, with their versions. */
function enginesOf({ matcher, yara }: CompiledScan): string {
  const names: string[] = []
  if (matcher?.vectorscan !== undefined) names.push(`vectorscan ${matcher.vectorscan.version}`)
  if (matcher?.embedded !== undefined) names.push(`embedded ${matcher.embedded.version}`)
  if (yara !== undefined) names.push(`yara-x ${yara.version}`)
  return names.join(', ')
}

function gapEvent(gap: Gap): GapEvent {
  return { type: 'gap', ...gap }
}
