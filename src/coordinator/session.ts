/**
 * One scan from start to end: compiles the patterns, opens the pool, lets partitions fly, turns what comes back into
 * events, and closes the pool.
 */
import type { MemoryRun } from '../core/memory.js'
import { totalBytes } from '../core/runs.js'
import { compileScan, describeMatcher } from '../patterns/compile.js'
import type { CompiledScan } from '../scan/compiled-scan.js'
import { type Packed, pack } from '../scan/context.js'
import { ControlBlock } from '../scan/control.js'
import type { ScanEvent, SummaryEvent } from '../scan/events.js'
import type { Batch, WorkerContext } from '../scan/messages.js'
import type { MatcherChoice } from '../scan/pattern-spec.js'
import { type Partition, partitionSize, planPartitions } from '../scan/plan.js'
import type { MappedPages } from '../space/mapped-pages.js'
import { type MatchPlacing, matchesOf } from './batch-events.js'
import { Coverage } from './coverage.js'
import { Flights } from './flights.js'
import { isLive } from './live.js'
import type { LiveScan } from './live-scan.js'
import { MatchGate } from './match-gate.js'
import { ScanPool } from './pool.js'
import { checkRequest, jobsFor, type ScanRequest, type Shape, shapeOf, spaceOf } from './request.js'
import type { OpenedRules } from './rules/open.js'
import { RuleEvents } from './rules/rule-events.js'
import type { RuleSide } from './rules/rule-side.js'
import type { SpaceView } from './space-view.js'
import type { Target } from './target.js'
import { together } from './together.js'
import { VERSION } from './version.js'

/** Threads that do not come to an end by themselves within this time are ended. */
const CLOSE_GRACE_MS = 2000
/** While the last events are told nothing else is heard for so long. */
const DEAF_MS = 50

/** Takes events; calls `taken` once it is done with them, which lets the worker go on. */
export type Deliver = (events: Iterable<ScanEvent>, taken: () => void) => void

/** A scan for rules alone. */
const NO_PATTERNS: CompiledScan = {
  patterns: [],
  outermost: false,
  lookBehindBytes: 0,
  lookAheadBytes: 0,
  hints: [],
}

export class ScanSession {
  readonly #target: Target
  readonly #request: ScanRequest
  readonly #deliver: Deliver
  readonly #flights = new Flights({
    arrived: batch => this.#coverage.count(batch, this.#partitions[batch.partition]),
    deliver: (batch, taken) => this.#deliver(this.#eventsOf(batch), taken),
    givenUp: (partition, from, error) => this.#coverage.giveUp(partition, from, error),
  })
  #control: ControlBlock | undefined
  #compiled: CompiledScan | undefined
  #stop = false
  #abandoned = false
  /** The last events are taken, and nobody waits for them. */
  #ended: Promise<void> | undefined
  #letGo: () => void = () => undefined
  readonly #gate: MatchGate
  readonly #coverage: Coverage
  #runs: readonly MemoryRun[] = []
  #partitions: readonly Partition[] = []
  #spaces: SpaceView | undefined
  #live: LiveScan | undefined
  #ruleSide: RuleSide | undefined
  #ruleEvents: RuleEvents | undefined

  constructor(target: Target, request: ScanRequest, deliver: Deliver) {
    this.#target = target
    this.#request = request
    this.#deliver = deliver
    this.#gate = new MatchGate(request)
    this.#coverage = new Coverage(
      this.#folded,
      () => ({ runs: this.#runs, virtual: this.#spaces?.virtual, rules: this.#ruleSide }),
      events => deliver(events, () => undefined),
    )
  }

  /** The target holds virtual memory only, at folded addresses: scanned as physical memory is, and told as the kernel's. */
  get #folded(): boolean {
    return this.#target.space === 'virtual'
  }

  /** Ends the scan within a block a worker. Safe to call at any time. */
  cancel(): void {
    this.#stop = true
    this.#control?.cancel()
    this.#flights.cancel()
  }

  /** Ends the scan when nobody takes events any more. */
  abandon(): void {
    this.#abandoned = true
    this.cancel()
    this.#letGo()
  }

  /** Runs to the end: every event delivered, the summary last, the threads gone. */
  async run(): Promise<void> {
    const startTime = new Date()
    const started = performance.now()
    const request = this.#request
    checkRequest(this.#target, request)
    using _hold = this.#target.hold()
    using _awake = keepAwake()
    const jobs = jobsFor(this.#target, request)
    // threads start while patterns are compiled
    const pool = new ScanPool(jobs, batch => this.#flights.receive(batch))
    try {
      const plain = await this.#compilePlain()
      for (const hint of plain.hints) request.onHint?.(hint)
      const openRules = await this.#beginRules()
      const compile = (mapped?: MappedPages): CompiledScan => this.#withRules(plain, openRules?.(mapped))
      this.#live = await this.#startLive()
      this.#gate.live = this.#live
      this.#spaces = await this.#openSpaces(pool, compile, jobs)
      const compiled = this.#compiled ?? compile()
      const laidOut = this.#spaces?.virtual?.laidOut
      if (laidOut !== undefined) this.#ruleSide?.useSpaces(laidOut.plan, laidOut.memory)
      const shape = shapeOf(this.#target, request, compiled, jobs)
      const virtual = this.#spaces?.virtual
      const runs = virtual?.plan.runs
      await this.#scan(pool, compiled, runs === undefined ? shape : { ...shape, runs }, startTime, started)
    } finally {
      this.#control?.cancel()
      try {
        await this.#live?.[Symbol.asyncDispose]()
      } finally {
        await pool.close(CLOSE_GRACE_MS, this.#control)
      }
    }
    await this.#ended
  }

  async #startLive(): Promise<LiveScan | undefined> {
    const target = this.#target
    if (!isLive(target)) return undefined
    // loaded when needed: images need none of it
    const { LiveScan } = await import('./live-scan.js')
    return LiveScan.start(target, {
      pause: this.#request.pause === true,
      onEnd: () => this.cancel(),
      onHint: line => this.#request.onHint?.(line),
    })
  }

  /** Compiles what is looked for besides rules. */
  async #compilePlain(): Promise<CompiledScan> {
    const request = this.#request
    const plain = request.patterns.filter(spec => spec.kind !== 'yara')
    return plain.length === 0 && request.patterns.length > 0 ? NO_PATTERNS : compileScan(plain, request)
  }

  /** Compiles rules; the search of their strings is planned later, once it is known where. */
  async #beginRules(): Promise<((mapped?: MappedPages) => OpenedRules) | undefined> {
    const request = this.#request
    const specs = request.patterns.filter(spec => spec.kind === 'yara')
    if (specs.length === 0) return undefined
    // loaded when needed: most scans have no rules
    const { openRules } = await import('./rules/open.js')
    return openRules(this.#target, specs, request)
  }

  /** All that is looked for; whoever evaluates the rules becomes `#ruleSide`. */
  #withRules(scan: CompiledScan, rules: OpenedRules | undefined): CompiledScan {
    this.#ruleSide = rules?.side
    const tables = rules?.tables
    this.#compiled =
      tables === undefined
        ? scan
        : {
            ...scan,
            strings: tables,
            lookBehindBytes: Math.max(scan.lookBehindBytes, tables.behindBytes),
            lookAheadBytes: Math.max(scan.lookAheadBytes, tables.aheadBytes),
          }
    return this.#compiled
  }

  /** Enumerates address spaces when the request is about them, or wants owners. */
  async #openSpaces(
    pool: ScanPool,
    compile: (mapped: MappedPages) => CompiledScan,
    jobs: number,
  ): Promise<SpaceView | undefined> {
    const { owners = false, contextBytes = 0, symbols, tuning } = this.#request
    const space = spaceOf(this.#target, this.#request)
    if (this.#folded || (space === 'physical' && !owners)) return undefined
    // loaded when needed: all that knows of guests is not for plain scans to wait for
    const [{ findSpaces }, { SpaceView }] = await Promise.all([
      import('./guest-spaces.js'),
      import('./space-view.js'),
    ])
    const found = tuning?.spaces ?? (await findSpaces(this.#target, space, symbols))
    const asked = { space, owners, contextBytes }
    const cancelled = (): boolean => this.#stop || this.#request.signal?.aborted === true
    const view = await SpaceView.open(this.#target, found, asked, compile, pool, jobs, cancelled)
    const { truncated } = view.counts
    if (truncated > 0 && !cancelled())
      this.#request.onHint?.(
        `the page tables of ${truncated} address spaces map more than is sensible: part of them is left out`,
      )
    if (view.leftInSwap > 0 && !cancelled())
      this.#request.onHint?.(
        `${view.leftInSwap} pages that memory may hold compressed were left out, they are too many: gaps tell them as swapped`,
      )
    return view
  }

  async #scan(
    pool: ScanPool,
    compiled: CompiledScan,
    shape: Shape,
    startTime: Date,
    started: number,
  ): Promise<void> {
    const { signal } = this.#request
    const virtual = this.#spaces?.virtual
    // places in virtual spaces have no order of their own: they are sorted at the end
    const sort = this.#request.sort === true && virtual === undefined
    this.#runs = shape.runs
    const slots = shape.jobs * 2
    const control = ControlBlock.create(slots)
    this.#control = control
    if (this.#stop) control.cancel()
    const abort = (): void => this.cancel()
    signal?.addEventListener('abort', abort)
    if (signal?.aborted === true) this.cancel()
    const slow = compiled.strings !== undefined
    this.#partitions = this.#plan(shape, slow)
    const progress = this.#startProgress(started)
    try {
      const context = this.#contextOf(compiled, shape, control)
      this.#live?.begin(this.#runs)
      // the first partitions are on their way before this thread turns to anything else
      const flying = this.#flights.run({ pool, control, context, slots, sort, slow }, this.#partitions)
      setImmediate(() => this.#ruleSide?.prepareEarly())
      await flying
      // conditions and matches of rules read memory: while a guest that is held still stands
      this.#ruleEvents = this.#eventsOfRules()
      if (this.#live?.paused === true && this.#ruleEvents !== undefined)
        await this.#deliverEnding(this.#ruleEvents.verdict())
      await this.#live?.finish()
      clearInterval(progress)
      const seconds = (): number => (performance.now() - started) / 1000
      this.#ended = this.#deliverEnding(this.#ending(compiled, shape, startTime, seconds))
      // awaited when the threads are gone; without this a failure before that is called unhandled
      this.#ended.catch(() => undefined)
    } finally {
      clearInterval(progress)
      if (this.#ended === undefined) signal?.removeEventListener('abort', abort)
      else void this.#ended.finally(() => signal?.removeEventListener('abort', abort)).catch(() => undefined)
    }
  }

  /**
   * Delivers the last events, some together, each when those before it are taken. Where that takes long the scan can be cancelled
   * meanwhile: nothing else would be heard.
   */
  async #deliverEnding(pieces: Generator<readonly ScanEvent[] | undefined>): Promise<void> {
    // matches are counted, and held back, when they are read: all that was delivered before
    await this.#handOver([])
    let heardAt = performance.now()
    while (!this.#abandoned) {
      const { done, value: events } = pieces.next()
      if (done === true) return
      if (events !== undefined) await this.#handOver(events)
      if (events !== undefined && performance.now() - heardAt < DEAF_MS) continue
      await new Promise(resolve => setImmediate(resolve))
      heardAt = performance.now()
    }
    pieces.return(undefined)
  }

  /** Delivers events; resolves when they are taken, or nobody wants them. */
  async #handOver(events: readonly ScanEvent[]): Promise<void> {
    if (this.#abandoned) return
    await new Promise<void>(resolve => {
      this.#letGo = resolve
      this.#deliver(events, resolve)
    })
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
      ...(this.#ruleSide?.fullParts && { fullParts: this.#ruleSide.fullParts }),
      ...(fault === undefined ? {} : { fault }),
      ...(this.#spaces?.virtual && { virtual: this.#spaces.virtual.context }),
    }
    return pack(context)
  }

  #plan({ jobs, blockBytes, runs }: Shape, slow: boolean): Partition[] {
    const asked = this.#request.tuning?.partitionBytes
    const bytes = totalBytes(runs)
    const size =
      asked === undefined ? partitionSize(bytes, jobs, blockBytes, slow) : Math.max(asked, blockBytes)
    const partitions = planPartitions(runs, size, blockBytes)
    const more = this.#spaces?.virtual?.partitions(partitions.length, jobs) ?? []
    return [...partitions, ...more]
  }

  *#eventsOf(batch: Batch): Generator<ScanEvent> {
    const { contextBytes = 0 } = this.#request
    const partition = this.#partitions[batch.partition]
    this.#ruleSide?.add(batch)
    const patterns = this.#compiled?.patterns ?? []
    const holdAll = this.#request.sort === true && this.#ruleSide !== undefined
    for (const match of matchesOf(batch, patterns, contextBytes > 0, this.#placing(partition))) {
      if (holdAll || (this.#request.sort === true && this.#spaces?.virtual !== undefined)) {
        this.#gate.hold(match)
        continue
      }
      if (this.#gate.isFull) break
      const told = this.#gate.pass(match)
      if (told !== undefined) yield told
    }
    if (this.#gate.isFull) this.cancel()
  }

  /** How matches of a partition become what is told; `laid-out`: those of rules, which are in no partition. */
  #placing(partition: Partition | 'laid-out' | undefined): MatchPlacing | undefined {
    if (this.#folded) return { folded: true }
    const spaces = this.#spaces
    if (spaces === undefined || partition === undefined) return undefined
    const { virtual } = spaces
    return {
      ...(this.#request.owners === true && { owners: gpa => spaces.ownersOf(gpa) }),
      ...(virtual && {
        places: (address, length, pattern) => virtual.placesOf(partition, address, length, pattern),
        admits: (match, ambiguity) => this.#gate.admits(match, ambiguity),
      }),
    }
  }

  /** Rules are evaluated once everything has been searched. */
  #eventsOfRules(): RuleEvents | undefined {
    const side = this.#ruleSide
    if (side === undefined) return undefined
    const nobody = [this.#folded ? 0 : undefined]
    return new RuleEvents({
      side,
      gate: this.#gate,
      sort: this.#request.sort === true,
      placing: this.#placing('laid-out'),
      pidsAt: address => this.#spaces?.virtual?.pidsAt(address) ?? nobody,
      isStopped: () => this.#stop,
      stop: () => {
        this.#stop = true
      },
      onHint: line => this.#request.onHint?.(line),
    })
  }

  *#ending(
    compiled: CompiledScan,
    shape: Shape,
    startTime: Date,
    seconds: () => number,
  ): Generator<readonly ScanEvent[] | undefined> {
    if (this.#live?.paused !== true && this.#ruleEvents !== undefined) yield* this.#ruleEvents.verdict()
    for (const { told, isFull } of this.#gate.heldBack()) {
      if (isFull) this.#stop = true
      yield told
    }
    if (this.#live !== undefined) yield* together(this.#live.rest())
    yield* together(this.#coverage.rest())
    let absentBytes = 0
    for (const gaps of together(this.#spaces?.absent() ?? [])) {
      for (const gap of gaps) {
        absentBytes += gap.length
        this.#coverage.countAbsent(gap)
      }
      yield gaps
    }
    const virtual = this.#spaces?.virtual
    const limited = this.#ruleSide?.limited() ?? []
    const summary: SummaryEvent = {
      type: 'summary',
      target: this.#target.path,
      bytesTotal: virtual === undefined ? shape.bytesTotal : virtual.plan.union.bytes + absentBytes,
      ...this.#coverage.bytes,
      matches: this.#gate.count,
      rules: this.#ruleEvents?.held ?? 0,
      ...(limited.length > 0 && { limitedStrings: limited }),
      seconds: seconds(),
      jobs: shape.jobs,
      matcher: enginesOf(compiled, this.#request.matcher),
      ...(this.#spaces && { spaces: this.#spaces.counts }),
      ...this.#live?.findings,
      // of a space whose tables were cut, a part was never looked at
      complete: !this.#stop && (virtual === undefined || this.#spaces?.counts.truncated === 0),
      version: VERSION,
      startTime: startTime.toISOString(),
    }
    yield [summary]
  }

  #startProgress(started: number): NodeJS.Timeout | undefined {
    const every = this.#request.progressSeconds
    if (every === undefined) return undefined
    // what is to be done: with virtual spaces, joints come on top of the frames
    const bytesTotal = this.#partitions.reduce((sum, { bytes }) => sum + bytes, 0)
    return setInterval(() => {
      const { bytesDone } = this.#flights
      const secondsElapsed = (performance.now() - started) / 1000
      const rate = bytesDone / secondsElapsed
      const left = rate > 0 ? { secondsLeft: (bytesTotal - bytesDone) / rate } : {}
      const counted = { bytesTotal, bytesDone, matches: this.#gate.count }
      this.#deliver([{ type: 'progress', ...counted, rate, secondsElapsed, ...left }], () => undefined)
    }, every * 1000)
  }
}

/** The engines in use, with their versions; where none had anything to look for, the one that was chosen. */
function enginesOf({ matcher, strings }: CompiledScan, choice?: MatcherChoice): string {
  const names = new Set<string>()
  if (matcher?.vectorscan !== undefined) names.add(`vectorscan ${matcher.vectorscan.version}`)
  if (matcher?.embedded !== undefined) names.add(`embedded ${matcher.embedded.version}`)
  if ((strings?.groups.length ?? 0) > 0) names.add(describeMatcher())
  if ((strings?.pairs.length ?? 0) > 0) names.add(describeMatcher('embedded'))
  if (names.size === 0) names.add(describeMatcher(choice))
  return [...names].join(', ')
}

/** Idle threads do not keep a process from ending, not even while what they posted last is still on its way. */
function keepAwake(): Disposable {
  const timer = setInterval(() => undefined, 2 ** 30)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
