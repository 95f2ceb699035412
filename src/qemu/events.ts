/**
 * A guest's events: breakpoints, watchpoints and single steps, one after the other, the guest at rest while each is told.
 *
 * A processor that continues where a breakpoint stands would stop there again, so it is stepped over it first, while the others
 * stand still; QEMU ignores breakpoints in a step. x86 stops after the access that a watchpoint saw, Arm before it: there the watchpoint is
 * taken out for that step. Registers come from the monitor, as `vmsift regs` shows them: the stub leaves out segments.
 */
import { VmsiftError } from '../core/errors.js'
import { Debugger } from './control.js'
import type { GdbStub, StopPoint } from './gdbstub.js'
import type { StubSession } from './gdbstub-session.js'
import { SIGNAL_INTERRUPT, SIGNAL_TRAP, type StopReply, type WatchAccess } from './gdbstub-stop.js'
import type { Monitor } from './monitor.js'
import { instructionAddress } from './registers.js'
import { hasMoved, mayRun, runState } from './run-state.js'

/** Which events; at least one place, or steps. */
export interface EventRequest {
  /** Virtual addresses: the event comes before the instruction there runs, on any vCPU, in any process. */
  readonly breakpoints?: readonly bigint[]
  /** Virtual addresses whose bytes are read or written. */
  readonly watchpoints?: readonly Watchpoint[]
  /** Single steps after each of those events, on the vCPU that had it. Without any place: so many steps in all. */
  readonly steps?: number
  /** Which vCPU is stepped where no place is given; default 0. */
  readonly vcpu?: number
}

export interface Watchpoint {
  readonly address: bigint
  /** Bytes; KVM watches 1, 2, 4 or 8 that are aligned. */
  readonly length: number
  readonly access: WatchAccess
}

export interface GuestEvent {
  readonly kind: 'break' | 'watch' | 'step'
  readonly vcpu: number
  /** The breakpoint's address, the watchpoint's address, or after a step that of the next instruction. */
  readonly address: bigint
  /** What the watchpoint looks for. */
  readonly access?: WatchAccess
  /** The vCPU's registers at this moment: before the instruction of a breakpoint, after the access on x86 (before it on aarch64). */
  readonly registers: Readonly<Record<string, bigint>>
  /**
   * Keeps the guest at rest beyond this call, until the result is disposed. To be called while the event is handled.
   * @throws VmsiftError `bad-argument` when that is over: the guest may run already.
   */
  hold(): HeldGuest
}

/** A guest at rest after an event, to be looked into and changed; disposing lets it go on. */
export interface HeldGuest extends AsyncDisposable {
  readonly debugger: Debugger
}

type Stopped = Extract<StopReply, { kind: 'stopped' }>

/** Points a processor can have under KVM are four; TCG has no bound but this. */
const MAX_POINTS = 1024
/** How often a guest that somebody else paused is looked at. */
const ELSEWHERE_MS = 250
/** Steps over an instruction that repeats itself (`rep movs`) without leaving its address. */
const MAX_REPEATS = 1024

/** @throws VmsiftError `bad-argument` for a request that makes no sense. */
export function checkEventRequest(request: EventRequest): void {
  const { breakpoints = [], watchpoints = [], steps = 0, vcpu = 0 } = request
  const fail = (why: string): never => {
    throw new VmsiftError('bad-argument', why)
  }
  const points = breakpoints.length + watchpoints.length
  if (points === 0 && steps === 0) fail('no event is asked for: give a breakpoint, a watchpoint or steps')
  if (points > MAX_POINTS) fail(`${points} breakpoints and watchpoints are more than ${MAX_POINTS}`)
  if (!Number.isSafeInteger(steps) || steps < 0) fail(`steps must be a whole number, not ${steps}`)
  if (!Number.isSafeInteger(vcpu) || vcpu < 0) fail(`vcpu must be a whole number, not ${vcpu}`)
  for (const { length } of watchpoints)
    if (!Number.isInteger(length) || length < 1 || length > 4096)
      fail(`a watchpoint covers 1 to 4096 bytes, not ${length}`)
}

/**
 * Sets the points, lets the guest run, and calls `deliver` for each event until `signal` is aborted, or the steps are done. On return
 * the guest stands still and has no points; the session's end lets it run.
 * @throws VmsiftError `guest-gone` when the guest ends, `monitor-failed` when a point can't be set or QEMU stops the guest for an error.
 */
export async function runEvents(
  session: StubSession,
  monitor: Monitor,
  request: EventRequest,
  deliver: (event: GuestEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const run = new EventRun(session, monitor, request, deliver, signal)
  await run.go()
}

class EventRun {
  readonly #session: StubSession
  readonly #stub: GdbStub
  readonly #monitor: Monitor
  readonly #debugger: Debugger
  readonly #request: EventRequest
  readonly #deliver: (event: GuestEvent) => void
  readonly #signal: AbortSignal
  readonly #breakpoints: ReadonlySet<bigint>
  /** Somebody else paused the guest: it is theirs to resume. */
  #pausedElsewhere = false

  constructor(
    session: StubSession,
    monitor: Monitor,
    request: EventRequest,
    deliver: (event: GuestEvent) => void,
    signal: AbortSignal,
  ) {
    this.#session = session
    this.#stub = session.stub
    this.#monitor = monitor
    this.#debugger = new Debugger(session.stub, monitor)
    this.#request = request
    this.#deliver = deliver
    this.#signal = signal
    this.#breakpoints = new Set(request.breakpoints)
  }

  async go(): Promise<void> {
    const { watchpoints = [], steps = 0, vcpu = 0 } = this.#request
    const points: StopPoint[] = [...this.#breakpoints].map(address => ({ kind: 'break', address }))
    for (const point of watchpoints) points.push({ kind: 'watch', ...point })
    // an abort while the guest runs has to stop it: nothing else ends the wait
    const onAbort = (): void => {
      if (!this.#pausedElsewhere) void this.#stub.interrupt().catch(() => undefined)
    }
    this.#signal.addEventListener('abort', onAbort)
    try {
      for (const point of points) await this.#stub.insert(point)
      if (points.length === 0) await this.#steps(vcpu, steps)
      else await this.#loop()
    } finally {
      this.#signal.removeEventListener('abort', onAbort)
    }
  }

  async #loop(): Promise<void> {
    while (!this.#signal.aborted) {
      const stop = await this.#nextStop()
      if (stop !== undefined) await this.#tell(stop)
    }
    if (this.#pausedElsewhere) this.#session.leavePaused()
  }

  /** Runs the guest until something stops it; undefined for a stop that is no event. */
  async #nextStop(): Promise<Stopped | undefined> {
    const elsewhere = this.#pausedElsewhere
    const stop = await (elsewhere ? this.#afterElsewhere() : this.#run())
    if (stop === undefined) return undefined
    if (stop instanceof VmsiftError) throw stop
    if (stop.kind === 'exited') throw new VmsiftError('guest-gone', 'the guest has ended')
    if (stop.signal === SIGNAL_TRAP) {
      this.#pausedElsewhere = false
      return stop
    }
    if (stop.signal !== SIGNAL_INTERRUPT) throw await this.#unexpected(stop.signal)
    // our own interrupt, or somebody's `stop`
    this.#pausedElsewhere = !elsewhere && !this.#signal.aborted
    return undefined
  }

  #run(): Promise<StopReply | VmsiftError> {
    return new Promise((resolve, reject) => {
      this.#stub.resume(resolve).catch(reject)
      // aborted between the loop's look at it and now
      if (this.#signal.aborted) void this.#stub.interrupt().catch(reject)
    })
  }

  /**
   * Waits until whoever paused the guest lets it run, and stops it then: newer QEMUs tell of stops only to a debugger that let the
   * guest run itself. Not every monitor tells events, so it is asked too; and once more at the end, or the guest would be left paused.
   */
  #afterElsewhere(): Promise<StopReply | VmsiftError | undefined> {
    return new Promise((resolve, reject) => {
      let over = false
      const end = (): void => {
        over = true
        offEvents()
        clearInterval(asking)
      }
      const settle = (stop: StopReply | VmsiftError | undefined): void => {
        end()
        resolve(stop)
      }
      const look = async (last: boolean): Promise<void> => {
        const { running } = await runState(this.#monitor)
        if (over) return
        if (running) await this.#stub.interrupt()
        else if (last) {
          this.#stub.expectNoStop()
          settle(undefined)
        }
      }
      const fail = (error: unknown): void => {
        if (over) return
        end()
        this.#stub.expectNoStop()
        reject(error)
      }
      const offEvents = this.#monitor.onEvent(({ event }) => {
        if (event === 'RESUME') void look(false).catch(fail)
      })
      const asking = setInterval(() => void look(false).catch(fail), ELSEWHERE_MS)
      this.#stub.expectStop(settle)
      void aborted(this.#signal)
        .then(() => look(true))
        .catch(fail)
    })
  }

  async #unexpected(signal: number): Promise<VmsiftError> {
    return stoppedItself((await runState(this.#monitor)).status, signal)
  }

  /**
   * Tells what stopped a vCPU, and the steps behind it; leaves the vCPU where it can run on without stopping at the same place again.
   */
  async #tell(stop: Stopped): Promise<void> {
    const vcpu = Math.max(0, this.#stub.threads.indexOf(stop.thread ?? ''))
    const { steps = 0 } = this.#request
    let watch = stop.watch
    let toTell = 0
    let stepped = false
    let before: bigint | undefined
    for (let repeats = 0; repeats < MAX_REPEATS; ) {
      let registers = await this.#debugger.registers(vcpu)
      let at = instructionAddress(registers)
      const kinds: GuestEvent['kind'][] = stepped ? ['step'] : []
      if (watch !== undefined) kinds.push('watch')
      // an instruction that repeats itself is executed once
      if (at !== before && this.#breakpoints.has(at)) kinds.push('break')
      if (kinds.length > (stepped ? 1 : 0)) toTell = steps
      for (const kind of kinds) {
        const address = kind === 'watch' && watch !== undefined ? watch.address : at
        const held = await this.#event(
          kind,
          vcpu,
          address,
          registers,
          kind === 'watch' ? watch?.access : undefined,
        )
        if (this.#signal.aborted) return
        if (held) registers = await this.#debugger.registers(vcpu)
      }
      // whoever held the guest may have sent it elsewhere
      at = instructionAddress(registers)
      if (toTell === 0 && !this.#breakpoints.has(at) && !(watch !== undefined && this.#stopsBefore)) return
      stepped = toTell > 0
      if (stepped) toTell--
      repeats = at === before && !stepped ? repeats + 1 : 0
      before = at
      const next = await this.#step(vcpu, watch)
      if (next.signal !== SIGNAL_TRAP) return
      watch = next.watch
    }
  }

  /** One step, with the watchpoint out of the way that would stop the access again before it happens. */
  async #step(vcpu: number, watch: Stopped['watch']): Promise<Stopped> {
    const inTheWay = this.#stopsBefore
      ? (this.#request.watchpoints ?? []).filter(({ address }) => address === watch?.address)
      : []
    for (const point of inTheWay) await this.#stub.remove({ kind: 'watch', ...point })
    const stop = await this.#stub.step(vcpu)
    for (const point of inTheWay) await this.#stub.insert({ kind: 'watch', ...point })
    return stop
  }

  /** Nothing but steps. */
  async #steps(vcpu: number, count: number): Promise<void> {
    this.#stub.checkVcpu(vcpu)
    for (let done = 0; done < count && !this.#signal.aborted; done++) {
      const { signal } = await this.#stub.step(vcpu)
      if (signal !== SIGNAL_TRAP) return
      const registers = await this.#debugger.registers(vcpu)
      await this.#event('step', vcpu, instructionAddress(registers), registers)
    }
  }

  /** Delivers an event, and waits while it is held; tells whether it was. */
  async #event(
    kind: GuestEvent['kind'],
    vcpu: number,
    address: bigint,
    registers: Readonly<Record<string, bigint>>,
    access?: WatchAccess,
  ): Promise<boolean> {
    let handled = false
    const held: Promise<void>[] = []
    const hold = (): HeldGuest => {
      if (handled)
        throw new VmsiftError('bad-argument', 'the event is over: hold a guest while its event is handled')
      let release: () => void = () => undefined
      held.push(
        new Promise(resolve => {
          release = resolve
        }),
      )
      return { debugger: this.#debugger, [Symbol.asyncDispose]: async () => release() }
    }
    this.#deliver({ kind, vcpu, address, registers, hold, ...(access === undefined ? {} : { access }) })
    handled = true
    if (held.length === 0) return false
    // nobody who unsubscribes has to let go as well
    await Promise.race([Promise.all(held), aborted(this.#signal)])
    // it may have been held for long
    const state = await runState(this.#monitor)
    if (!mayRun(state)) throw stoppedItself(state.status)
    return true
  }

  /** Arm tells of an access before it happens. */
  get #stopsBefore(): boolean {
    return this.#stub.description.architecture === 'aarch64'
  }
}

/** QEMU stopped the guest for a reason of its own. */
function stoppedItself(status: string, signal?: number): VmsiftError {
  if (status === 'shutdown') return new VmsiftError('guest-gone', 'the guest has shut down')
  if (hasMoved({ running: false, status }))
    return new VmsiftError('guest-gone', 'the guest has migrated to another host')
  return new VmsiftError('monitor-failed', `QEMU stopped the guest: ${status}`, {
    detail: { signal, status },
  })
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
