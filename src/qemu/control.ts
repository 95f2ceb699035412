/** What can be done to a running guest beside reading its memory. */
import type { CpuState } from '../core/cpu-state.js'
import { VmsiftError } from '../core/errors.js'
import type { GdbStub } from './gdbstub.js'
import { mendStub, openStubSession, type StubSession } from './gdbstub-session.js'
import { SIGNAL_TRAP } from './gdbstub-stop.js'
import type { Monitor } from './monitor.js'
import { type PauseGuard, pauseGuest } from './pause-guard.js'
import { instructionAddress, lacksTables, monitorRegisters, withStub } from './registers.js'
import { writeStubRegisters } from './registers-stub.js'
import { type RunState, runState } from './run-state.js'

export interface ControlOptions {
  /** Milliseconds until an answer of the gdbstub is given up; default 10 s. */
  readonly timeoutMs?: number
}

/** How a guest is reached. */
export interface ControlLink extends ControlOptions {
  /** QEMU's process, where it is known. */
  readonly pid?: number | undefined
  /** Ends the connection to the monitor. */
  close(): void
}

/** Steps in one call: a guest must not be stepped for ever by a typing mistake. */
const MAX_STEPS = 1_000_000

/**
 * A guest under control: through its monitor, and its gdbstub where the monitor can't. Nothing is changed until it is asked for, and
 * everything is put back: a guest that ran runs again.
 */
export class GuestControl implements AsyncDisposable {
  readonly #monitor: Monitor
  readonly #link: ControlLink
  readonly #running = new Set<Promise<unknown>>()
  readonly #guards = new Set<PauseGuard>()

  /** @internal */
  constructor(monitor: Monitor, link: ControlLink) {
    this.#monitor = monitor
    this.#link = link
  }

  /** Whether the guest runs, and in QEMU's own word what it does. */
  state(): Promise<RunState> {
    return runState(this.#monitor)
  }

  /** Holds the guest still until the result is disposed, or this is; see `PauseGuard`. */
  async pause(): Promise<PauseGuard> {
    const guard = await pauseGuest(this.#monitor)
    this.#guards.add(guard)
    const resume = async (): Promise<void> => {
      this.#guards.delete(guard)
      await guard.resume()
    }
    return { wasRunning: guard.wasRunning, resume, [Symbol.asyncDispose]: resume }
  }

  /** Pauses the guest and leaves it so, also when this program ends. */
  async stop(): Promise<void> {
    if ((await this.state()).running) await this.#monitor.execute('stop')
  }

  /**
   * Lets the guest run, whoever paused it. Breakpoints that a vmsift which was killed left behind are removed.
   * @throws VmsiftError `monitor-busy` when a breakpoint of another debugger stopped it; `monitor-failed` in QEMU's words.
   */
  async resume(): Promise<void> {
    await mendStub(this.#monitor, this.#link.pid)
    if (!(await this.state()).running) await this.#monitor.execute('cont')
  }

  /**
   * Registers of all vCPUs, or of one, read while the guest stands still. On aarch64 those of the system come through the gdbstub,
   * unless a debugger is connected, or no stub can be had: then they are absent.
   * @throws VmsiftError `out-of-range` for a vCPU that the guest hasn't.
   */
  async registers(vcpu?: number): Promise<readonly CpuState[]> {
    return within(await this.pause(), async () => {
      const cpus = await monitorRegisters(this.#monitor, vcpu)
      if (!cpus.some(lacksTables)) return cpus
      const session = await this.#session().catch((error: unknown) => {
        if (error instanceof VmsiftError && error.code !== 'guest-gone') return undefined
        throw error
      })
      if (session === undefined) return cpus
      return within(session, async ({ stub }) => {
        const whole: CpuState[] = []
        for (const cpu of cpus) whole.push(await withStub(stub, cpu))
        return whole
      })
    })
  }

  /**
   * Writes registers of a vCPU and reads them back. Names are those of `registers`.
   * @throws VmsiftError `bad-argument` for a name or a value that doesn't fit, before anything is written; `monitor-busy` when a
   * debugger is connected; `monitor-failed` when a register doesn't hold what was written.
   */
  async writeRegisters(vcpu: number, values: Readonly<Record<string, bigint>>): Promise<void> {
    await this.debug(debug => debug.writeRegisters(vcpu, values))
  }

  /**
   * Takes the place of a debugger while `work` runs: the guest stands still from the start, and is as it was afterwards. One at a time.
   * @throws VmsiftError `monitor-busy` when a debugger is connected.
   */
  debug<T>(work: (debug: Debugger) => Promise<T>): Promise<T> {
    return this.withSession(({ stub }, monitor) => work(new Debugger(stub, monitor)))
  }

  /**
   * The same with everything that a debugger's session has.
   * @internal
   */
  async withSession<T>(work: (session: StubSession, monitor: Monitor) => Promise<T>): Promise<T> {
    const run = async (session: StubSession): Promise<T> => work(session, this.#monitor)
    const result = this.#session().then(session => within(session, run))
    const settled = result.catch(() => undefined)
    this.#running.add(settled)
    void settled.finally(() => this.#running.delete(settled))
    return result
  }

  /** Waits until everything that was started here has put the guest back, and ends the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#running)
    try {
      // the latest first: those before it found the guest paused
      for (const guard of [...this.#guards].reverse()) await guard.resume()
    } finally {
      this.#link.close()
    }
  }

  #session(): Promise<StubSession> {
    return openStubSession(this.#monitor, this.#link)
  }
}

/** As `await using`, but where both fail the error of `work` is told as it is: it says more than that of putting the guest back. */
async function within<S extends AsyncDisposable, T>(scope: S, work: (scope: S) => Promise<T>): Promise<T> {
  let result: T
  try {
    result = await work(scope)
  } catch (error) {
    await Promise.resolve(scope[Symbol.asyncDispose]()).catch(() => undefined)
    throw error
  }
  await scope[Symbol.asyncDispose]()
  return result
}

/** A guest that stands still, a vCPU and an instruction at a time. */
export class Debugger {
  readonly #stub: GdbStub
  readonly #monitor: Monitor

  /** @internal */
  constructor(stub: GdbStub, monitor: Monitor) {
    this.#stub = stub
    this.#monitor = monitor
  }

  /** How many vCPUs there are; they count from 0. */
  get vcpus(): number {
    return this.#stub.threads.length
  }

  /** @throws VmsiftError `out-of-range` for a vCPU that the guest hasn't. */
  async registers(vcpu: number): Promise<Readonly<Record<string, bigint>>> {
    this.#stub.checkVcpu(vcpu)
    const [cpu] = await monitorRegisters(this.#monitor, vcpu)
    return cpu === undefined ? {} : (await withStub(this.#stub, cpu)).registers
  }

  /** As `GuestControl.writeRegisters`. */
  writeRegisters(vcpu: number, values: Readonly<Record<string, bigint>>): Promise<void> {
    return writeStubRegisters(this.#stub, vcpu, values)
  }

  /** Bytes at a virtual address as the vCPU translates it now; undefined when not all of them are mapped. */
  readMemory(vcpu: number, address: bigint, length: number): Promise<Buffer | undefined> {
    return this.#stub.readMemory(vcpu, address, length)
  }

  /** @throws VmsiftError `monitor-failed` where the vCPU maps nothing. Read-only pages are written. */
  writeMemory(vcpu: number, address: bigint, bytes: Uint8Array): Promise<void> {
    return this.#stub.writeMemory(vcpu, address, bytes)
  }

  /**
   * Runs `count` instructions of a vCPU while the others stand still, and tells the address of the next one. Interrupts wait, but
   * for those that a halted processor waits for.
   * @throws VmsiftError `monitor-failed` when a step does not end: a halted processor that nothing wakes.
   */
  async step(vcpu: number, count = 1): Promise<bigint> {
    if (!Number.isInteger(count) || count < 1 || count > MAX_STEPS)
      throw new VmsiftError('bad-argument', `steps must be between 1 and ${MAX_STEPS}, not ${count}`)
    for (let done = 0; done < count; done++) {
      const { signal } = await this.#stub.step(vcpu)
      if (signal !== SIGNAL_TRAP)
        throw new VmsiftError(
          'monitor-failed',
          `step ${done + 1} of ${count} was interrupted: somebody paused the guest`,
        )
    }
    return this.address(vcpu)
  }

  /** Where the vCPU's next instruction lies. */
  async address(vcpu: number): Promise<bigint> {
    return instructionAddress(await this.registers(vcpu))
  }

  /**
   * Lets all vCPUs run until `address` is about to be executed, and tells which vCPU came there; undefined when `timeoutMs` passed
   * first. Then the guest stands still.
   */
  async runTo(address: bigint, timeoutMs: number): Promise<number | undefined> {
    const point = { kind: 'break', address } as const
    for (let vcpu = 0; vcpu < this.vcpus; vcpu++)
      if ((await this.address(vcpu)) === address) await this.#stub.step(vcpu)
    await this.#stub.insert(point)
    try {
      const stop = await this.#stub.runFor(timeoutMs)
      if (stop === undefined) return undefined
      const vcpu = this.#stub.threads.indexOf(stop.thread ?? '')
      return vcpu < 0 ? undefined : vcpu
    } finally {
      if (this.#stub.ended === undefined) await this.#stub.remove(point)
    }
  }
}
