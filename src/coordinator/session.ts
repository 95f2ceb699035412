/**
 * One scan from start to end: hands partitions to workers, takes their batches, mends what fails, and closes the pool.
 *
 * Exactly once: a batch says up to where its partition is told (`resumeAt`, and how many matches of the block there).
 * A second attempt starts at that place, so what a dead worker had already posted is neither lost nor repeated; batches
 * of an attempt that was given up are dropped.
 */
import { setImmediate as nextTick, setTimeout as sleep } from 'node:timers/promises'
import { hex } from '../core/address.js'
import { type ErrorRecord, toRecord } from '../core/errors.js'
import { EXPECTED_GAPS, type Gap } from '../core/memory.js'
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
import { GapJoiner } from './gap-joiner.js'
import { ScanPool } from './pool.js'
import { checkRequest, jobsFor, type ScanRequest, type Shape, shapeOf } from './request.js'
import type { Target } from './target.js'
import { VERSION } from './version.js'

/** A partition gets this many tries. */
const ATTEMPTS = 2
/** Threads that do not come to an end by themselves within this time are ended. */
const CLOSE_GRACE_MS = 2000
/**
 * Another thread pays when so much is left to do: it takes about 80 ms to start, at the cost of those that run where
 * processors are threads of one core.
 */
const THREAD_PAYS_MS = 400
const WARM_UP_MS = 100
/** After a stop, what workers have found already gets this long to arrive. */
const LAST_WORDS_MS = 200

/** Takes events; calls `taken` once it is done with them, which lets the worker go on. */
export type Deliver = (events: Iterable<ScanEvent>, taken: () => void) => void

/** What it takes to run partitions. */
interface Crew {
  readonly pool: ScanPool
  readonly shape: Shape
  readonly control: ControlBlock
  readonly slots: number
  readonly context: Packed
}

/** A partition that is out with a worker. */
interface Flight {
  readonly partition: Partition
  readonly slot: number
  attempt: number
  resumeAt: number
  resumeSkip: number
  readonly held: Batch[]
  /** The last batch has arrived. */
  readonly ended: PromiseWithResolvers<void>
  /** In sorted order: everything has been delivered. */
  readonly delivered: PromiseWithResolvers<void>
}

export class ScanSession {
  readonly #target: Target
  readonly #request: ScanRequest
  readonly #deliver: Deliver
  readonly #gaps = new GapJoiner()
  readonly #rules = new Set<string>()
  readonly #flights = new Map<number, Flight>()
  readonly #stopped = withResolvers<void>()
  #control: ControlBlock | undefined
  #compiled: CompiledScan | undefined
  #stop = false
  #matches = 0
  #bytesScanned = 0
  #bytesUnread = 0
  #bytesFailed = 0
  #bytesBehind = 0
  /** What the last partition took its worker. */
  #lastMs = 0
  /** Sorted order: the lowest partition that is not yet delivered. */
  #head = 0
  /** Partitions that are being tried again. */
  #retries = 0

  constructor(target: Target, request: ScanRequest, deliver: Deliver) {
    this.#target = target
    this.#request = request
    this.#deliver = deliver
  }

  /** Ends the scan within a block a worker. Safe to call at any time. */
  cancel(): void {
    this.#stop = true
    this.#control?.cancel()
    this.#stopped.resolve()
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
    const pool = new ScanPool(jobs, batch => this.#receive(batch))
    try {
      const compiled = await compileScan(request.patterns, request)
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
    const { signal } = this.#request
    const slots = shape.jobs * 2
    const control = ControlBlock.create(slots)
    this.#control = control
    if (this.#stop) control.cancel()
    const abort = (): void => this.cancel()
    signal?.addEventListener('abort', abort)
    if (signal?.aborted === true) this.cancel()
    const progress = this.#startProgress(shape, control, started)
    try {
      await this.#runPartitions({
        pool,
        shape,
        control,
        slots,
        context: this.#contextOf(compiled, shape, control),
      })
      clearInterval(progress)
      this.#deliverHeld()
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
      driver: this.#target.driver,
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

  /** Keeps every slot busy until all partitions are told or the scan is stopped. */
  async #runPartitions(crew: Crew): Promise<void> {
    const { shape, slots } = crew
    const size =
      this.#request.tuning?.partitionBytes ?? partitionSize(shape.bytesTotal, shape.jobs, shape.blockBytes)
    const partitions = planPartitions(shape.runs, size, shape.blockBytes)
    let next = 0
    const fly = async (slot: number): Promise<void> => {
      const partition = this.#stop ? undefined : partitions[next++]
      if (partition !== undefined) await this.#fly(crew, partition, slot)
    }
    const lane = async (slot: number): Promise<void> => {
      while (!this.#stop && next < partitions.length) await fly(slot)
    }
    // one thread at first; the first partition also pays for warming up, so it is believed only when it is long
    let fastest = Number.POSITIVE_INFINITY
    while (!this.#stop && next < partitions.length) {
      await fly(0)
      fastest = Math.min(fastest, this.#lastMs)
      const known = next > 1 || fastest > WARM_UP_MS
      if (known && (partitions.length - next) * fastest > THREAD_PAYS_MS) break
    }
    await Promise.all(Array.from({ length: slots }, (_, slot) => lane(slot)))
  }

  /** One partition, tried again elsewhere when its worker throws or dies. */
  async #fly(crew: Crew, partition: Partition, slot: number): Promise<void> {
    const { control, shape } = crew
    const flight: Flight = {
      partition,
      slot,
      attempt: 0,
      resumeAt: partition.start,
      resumeSkip: 0,
      held: [],
      ended: withResolvers<void>(),
      delivered: withResolvers<void>(),
    }
    this.#flights.set(partition.index, flight)
    let failure: ErrorRecord | undefined
    for (; flight.attempt < ATTEMPTS; flight.attempt++) {
      control.resetSlot(slot)
      if (flight.attempt > 0) this.#freeWaiting(control)
      failure = await this.#attempt(crew, flight)
      if (failure === undefined) break
    }
    if (flight.attempt > 0) this.#retries--
    if (failure !== undefined) this.#giveUp(flight, shape, failure)
    this.#bytesBehind += partition.bytes
    control.resetSlot(slot)
    this.#landed(flight)
    if (this.#request.sort === true && !this.#stop) await flight.delivered.promise
  }

  /**
   * In sorted order the workers behind the head wait for it; were they to fill the pool, a second attempt at the head
   * would never get a thread. So while there is one, nobody waits.
   */
  #freeWaiting(control: ControlBlock): void {
    this.#retries++
    for (const flight of this.#flights.values()) for (const _ of flight.held) control.release(flight.slot)
  }

  /** Resolves with what went wrong, once nothing more of this attempt can arrive. */
  async #attempt({ pool, context }: Crew, flight: Flight): Promise<ErrorRecord | undefined> {
    const { partition, attempt, slot, resumeAt, resumeSkip } = flight
    let failure: ErrorRecord | undefined
    try {
      failure = await pool.run({
        kind: 'scan',
        context,
        partition: partition.index,
        attempt,
        slot,
        start: resumeAt,
        end: partition.end,
        skip: resumeSkip,
      })
    } catch (error) {
      failure = toRecord(error)
    }
    if (failure === undefined) {
      // the answer and the batches travel on different ports: the last batch tells that all are here
      const lastWords = this.#stopped.promise.then(() => sleep(LAST_WORDS_MS, undefined, { ref: false }))
      await Promise.race([flight.ended.promise, lastWords])
      return undefined
    }
    await settle()
    return this.#stop ? undefined : failure
  }

  /** Both attempts failed: what is left of the partition is a gap, and an error tells why. */
  #giveUp(flight: Flight, shape: Shape, error: ErrorRecord): void {
    const { resumeAt, partition } = flight
    const gaps = clipRuns(shape.runs, resumeAt, partition.end).map(
      (run): Gap => ({ ...run, reason: 'error' }),
    )
    this.#countGaps(gaps)
    const length = partition.end - resumeAt
    const message = `${hex(resumeAt)}-${hex(partition.end)} was given up after ${ATTEMPTS} attempts: ${error.message}`
    const told = { ...error, message }
    this.#deliver([{ type: 'error', gpa: resumeAt, length, error: told }], () => undefined)
  }

  /** In sorted order, only the lowest partition that is not done is delivered; the others wait. */
  #landed(flight: Flight): void {
    if (this.#request.sort !== true) {
      this.#flights.delete(flight.partition.index)
      return
    }
    flight.attempt = Number.POSITIVE_INFINITY
    for (;;) {
      const head = this.#flights.get(this.#head)
      if (head === undefined) return
      for (const batch of head.held.splice(0)) this.#handOver(batch, head)
      if (Number.isFinite(head.attempt)) return
      this.#flights.delete(this.#head)
      head.delivered.resolve()
      this.#head++
    }
  }

  /** After a stop in sorted order: what had come in behind the head. */
  #deliverHeld(): void {
    const waiting = [...this.#flights.values()].sort((a, b) => a.partition.index - b.partition.index)
    for (const flight of waiting) for (const batch of flight.held.splice(0)) this.#handOver(batch, flight)
  }

  #receive(batch: Batch): void {
    const flight = this.#flights.get(batch.partition)
    if (flight === undefined || flight.attempt !== batch.attempt) return
    flight.resumeAt = batch.resumeAt
    flight.resumeSkip = batch.resumeSkip
    this.#lastMs = batch.milliseconds
    this.#bytesScanned += batch.scannedBytes
    this.#countGaps(batch.gaps)
    if (this.#request.sort === true && batch.partition !== this.#head) {
      flight.held.push(batch)
      if (this.#retries > 0) this.#control?.release(flight.slot)
    } else this.#handOver(batch, flight)
    if (batch.last) flight.ended.resolve()
  }

  #handOver(batch: Batch, flight: Flight): void {
    const attempt = batch.attempt
    this.#deliver(this.#eventsOf(batch), () => {
      const current = this.#flights.get(batch.partition)
      if (current === flight && flight.attempt === attempt) this.#control?.release(flight.slot)
    })
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

  #startProgress(shape: Shape, control: ControlBlock, started: number): NodeJS.Timeout | undefined {
    const every = this.#request.progressSeconds
    if (every === undefined) return undefined
    return setInterval(() => {
      let bytesDone = this.#bytesBehind
      for (const flight of this.#flights.values())
        if (Number.isFinite(flight.attempt)) bytesDone += control.doneIn(flight.slot)
      const secondsElapsed = (performance.now() - started) / 1000
      const rate = bytesDone / secondsElapsed
      const left = rate > 0 ? { secondsLeft: (shape.bytesTotal - bytesDone) / rate } : {}
      const { bytesTotal } = shape
      const matches = this.#matches
      const event: ScanEvent = {
        type: 'progress',
        bytesTotal,
        bytesDone,
        matches,
        rate,
        secondsElapsed,
        ...left,
      }
      this.#deliver([event], () => undefined)
    }, every * 1000)
  }
}

/** The engines in use, with their versions. */
function enginesOf({ matcher, yara }: CompiledScan): string {
  const names: string[] = []
  if (matcher?.kind === 'vectorscan') names.push(`vectorscan ${matcher.version}`)
  if (matcher?.kind === 'embedded') names.push(`embedded ${matcher.version}`)
  if (yara !== undefined) names.push(`yara-x ${yara.version}`)
  return names.join(', ')
}

function gapEvent(gap: Gap): GapEvent {
  return { type: 'gap', ...gap }
}

/** Lets messages that are already on their way arrive. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await nextTick()
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
}

/** Promise.withResolvers, which Node 20 does not have. */
function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve: (value: T) => void = () => undefined
  const promise = new Promise<T>(done => {
    resolve = done
  })
  return { promise, resolve }
}
