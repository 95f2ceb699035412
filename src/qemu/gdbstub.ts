/**
 * A client of QEMU's gdbstub (QEMU, docs/system/gdb.rst; gdbstub/gdbstub.c). Whoever connects stops the guest; what is sent while
 * it runs stops it too, so everything but `interrupt` asks for a guest that stands still.
 */
import { hex } from '../core/address.js'
import { VmsiftError } from '../core/errors.js'
import { readDescription, type StubDescription, type StubRegister } from './gdbstub-description.js'
import { GdbLink, type LinkOptions, type StubAddress } from './gdbstub-link.js'
import { SIGNAL_TRAP, type StopReply, type WatchAccess } from './gdbstub-stop.js'

/** A place that stops the guest: before the instruction there runs, or when memory there is accessed. */
export type StopPoint =
  | { readonly kind: 'break'; readonly address: bigint }
  | {
      readonly kind: 'watch'
      readonly address: bigint
      /** Bytes; KVM watches 1, 2, 4 or 8 that are aligned. */
      readonly length: number
      readonly access: WatchAccess
    }

type Stopped = Extract<StopReply, { kind: 'stopped' }>

/** Linux allows 8192 processors. */
const MAX_THREADS = 8192
const MEMORY_PIECE_BYTES = 1024
const WATCH_TYPE = { w: 2, r: 3, rw: 4 } as const
/** Bits of `qemu.sstep`: 1 step, 2 without interrupts, 4 without timers. */
const STEP_WITH_TIMERS = '0x3'
const STEP_PLAIN = '0x7'
/** A few milliseconds, unless each answer comes at the last moment: the guest stands still meanwhile. */
const OPEN_MS = 30_000
/** An idle Linux sleeps for a few seconds at most. */
const HALTED_MS = 30_000

/** One debugger's connection; `detach` and `closeStopped` end it in good order. */
export class GdbStub {
  readonly description: StubDescription
  /** The stub's names of the processors; the index is the vCPU's number. */
  readonly threads: readonly string[]
  readonly #link: GdbLink
  readonly #timeoutMs: number
  readonly #byName: ReadonlyMap<string, StubRegister>
  #selected = -1
  #running = false
  #stopListener: ((stop: StopReply | VmsiftError) => void) | undefined

  private constructor(
    link: GdbLink,
    description: StubDescription,
    threads: readonly string[],
    timeoutMs: number,
  ) {
    this.#link = link
    this.#timeoutMs = timeoutMs
    this.description = description
    this.threads = threads
    this.#byName = new Map(description.registers.map(each => [each.name, each]))
    link.onStop = stop => this.#stopped(stop)
    link.onStray = text => {
      // the answer to a vCont that failed
      if (this.#running) this.#stopped(refused('resume', text))
    }
    link.onEnd = error => this.#stopListener?.(error)
  }

  /**
   * Connects, which stops the guest, and removes breakpoints that an earlier debugger left behind.
   * @throws VmsiftError `monitor-failed` when the stub does not serve this client; else as `GdbLink.connect`.
   */
  static async open(address: StubAddress, options: LinkOptions = {}): Promise<GdbStub> {
    const link = await GdbLink.connect(address, options)
    const late = setTimeout(
      () => link.abandon(`the gdbstub took longer than ${OPEN_MS} ms to be asked what it has`),
      OPEN_MS,
    )
    try {
      const offers = await link.ask('qSupported:xmlRegisters=i386,arm;vContSupported+')
      if (offers.includes('QStartNoAckMode+') && (await link.ask('QStartNoAckMode')) === 'OK')
        link.withoutAcks()
      const description = await readDescription(packet => link.ask(packet))
      const threads = await readThreads(packet => link.ask(packet))
      await forgetPoints(packet => link.ask(packet), threads)
      return new GdbStub(link, description, threads, options.timeoutMs ?? 10_000)
    } catch (error) {
      link.close()
      throw error
    } finally {
      clearTimeout(late)
    }
  }

  /** Whether the guest runs, as far as this client let it. */
  get running(): boolean {
    return this.#running
  }

  /** Why the connection ended; undefined while it stands. */
  get ended(): VmsiftError | undefined {
    return this.#link.ended
  }

  /**
   * Registers that the stub tells at once (`g`), by its own names: on x86 all of them, on aarch64 the general ones. Values that it
   * calls unavailable are absent, wide vector registers are whole.
   */
  async registers(vcpu: number): Promise<Map<string, bigint>> {
    await this.#select(vcpu)
    const answer = await this.#ask('g')
    const values = new Map<string, bigint>()
    let at = 0
    for (const { name, bits } of this.description.registers) {
      const end = at + Math.ceil(bits / 8) * 2
      if (end > answer.length) break
      const value = littleEndian(answer.slice(at, end))
      if (value !== undefined) values.set(name, value)
      at = end
    }
    return values
  }

  /** One register by the stub's own name; undefined when it has none of that name, or can't tell its value. */
  async register(vcpu: number, name: string): Promise<bigint | undefined> {
    const register = this.#byName.get(name)
    if (register === undefined) return undefined
    await this.#select(vcpu)
    const answer = await this.#ask(`p${register.number.toString(16)}`)
    return littleEndian(answer)
  }

  /** @throws VmsiftError `bad-argument` for a name the stub hasn't, or a value too wide. */
  checkWrite(name: string, value: bigint): StubRegister {
    const register = this.#byName.get(name)
    if (register === undefined)
      throw new VmsiftError('bad-argument', `the guest's processor has no register ${name}`)
    if (value < 0n || value >> BigInt(register.bits) !== 0n)
      throw new VmsiftError(
        'bad-argument',
        `${hex(value)} does not fit ${name}, which has ${register.bits} bits`,
      )
    return register
  }

  /**
   * Writes a register, by the stub's own name.
   * @throws VmsiftError as `checkWrite`; `monitor-failed` when it refuses.
   */
  async writeRegister(vcpu: number, name: string, value: bigint): Promise<void> {
    const register = this.checkWrite(name, value)
    await this.#select(vcpu)
    const bytes = Buffer.from(
      value.toString(16).padStart(Math.ceil(register.bits / 8) * 2, '0'),
      'hex',
    ).reverse()
    const answer = await this.#ask(`P${register.number.toString(16)}=${bytes.toString('hex')}`)
    if (answer !== 'OK') throw refused(`write ${name}`, answer)
  }

  /** Bytes at a virtual address, as the vCPU sees it; undefined when not all of them are mapped. */
  async readMemory(vcpu: number, address: bigint, length: number): Promise<Buffer | undefined> {
    await this.#select(vcpu)
    const parts: Buffer[] = []
    for (let done = 0; done < length; done += MEMORY_PIECE_BYTES) {
      const bytes = Math.min(MEMORY_PIECE_BYTES, length - done)
      const answer = await this.#ask(`m${(address + BigInt(done)).toString(16)},${bytes.toString(16)}`)
      if (!/^([0-9a-f]{2})+$/i.test(answer) || answer.length !== bytes * 2) return undefined
      parts.push(Buffer.from(answer, 'hex'))
    }
    return Buffer.concat(parts)
  }

  /**
   * Writes bytes at a virtual address, read-only pages too.
   * @throws VmsiftError `monitor-failed` when it is not mapped.
   */
  async writeMemory(vcpu: number, address: bigint, bytes: Uint8Array): Promise<void> {
    await this.#select(vcpu)
    for (let done = 0; done < bytes.length; done += MEMORY_PIECE_BYTES) {
      const piece = Buffer.from(bytes.subarray(done, done + MEMORY_PIECE_BYTES))
      const at = address + BigInt(done)
      const answer = await this.#ask(
        `M${at.toString(16)},${piece.length.toString(16)}:${piece.toString('hex')}`,
      )
      if (answer !== 'OK') throw refused(`write memory at ${hex(at)}`, answer)
    }
  }

  /** @throws VmsiftError `monitor-failed` when the processor has no room for another one (KVM: four), or can't watch this length. */
  insert(point: StopPoint): Promise<void> {
    return this.#point('Z', point)
  }

  remove(point: StopPoint): Promise<void> {
    return this.#point('z', point)
  }

  /** Lets all vCPUs run; `stopped` is called once with what stops them, or with what ended the connection. */
  async resume(stopped: (stop: StopReply | VmsiftError) => void): Promise<void> {
    this.#mustStandStill()
    this.#running = true
    this.#stopListener = stopped
    await this.#link.tell('vCont;c')
  }

  /** The same for a guest that somebody else may let run: nothing is sent. `interrupt` stops it then. */
  expectStop(stopped: (stop: StopReply | VmsiftError) => void): void {
    this.#mustStandStill()
    this.#running = true
    this.#stopListener = stopped
  }

  /** Ends what `expectStop` began: the guest still stands still. */
  expectNoStop(): void {
    this.#running = false
    this.#stopListener = undefined
  }

  /**
   * Runs one instruction of a vCPU; the others stand still, and interrupts wait. A halted processor goes on when something wakes it,
   * which may take seconds in an idle guest.
   * @returns what stopped it: signal TRAP, unless somebody interrupted the step.
   * @throws VmsiftError `monitor-failed` when it doesn't come to an end in time.
   */
  async step(vcpu: number): Promise<Stopped> {
    const halted = await this.#isHalted(vcpu)
    if (halted) await this.#ask(`Qqemu.sstep=${STEP_WITH_TIMERS}`)
    try {
      const what = halted ? `a step of vcpu ${vcpu}, which is halted` : `a step of vcpu ${vcpu}`
      const stop = this.#untilStopped(what, halted ? Math.max(HALTED_MS, this.#timeoutMs) : this.#timeoutMs)
      await this.#link.tell(`vCont;s:${this.#thread(vcpu)}`)
      return await stop
    } finally {
      if (halted && this.#link.ended === undefined && !this.#running)
        await this.#ask(`Qqemu.sstep=${STEP_PLAIN}`)
    }
  }

  /** QEMU says so in the words that a debugger shows of a thread. */
  async #isHalted(vcpu: number): Promise<boolean> {
    const answer = await this.#ask(`qThreadExtraInfo,${this.#thread(vcpu)}`)
    return Buffer.from(answer, 'hex').toString('latin1').includes('[halted')
  }

  /** Lets all vCPUs run until a breakpoint stops one; undefined when the time is over first. Then the guest stands still. */
  async runFor(timeoutMs: number): Promise<Stopped | undefined> {
    const stop = new Promise<StopReply | VmsiftError>((resolve, reject) => this.resume(resolve).catch(reject))
    const late = setTimeout(() => void this.interrupt().catch(() => undefined), timeoutMs)
    try {
      const result = await stop
      if (result instanceof VmsiftError) throw result
      if (result.kind === 'exited') throw gone()
      return result.signal === SIGNAL_TRAP ? result : undefined
    } finally {
      clearTimeout(late)
    }
  }

  /** Stops the guest if it runs. What stopped it instead meanwhile goes to the listener of `resume`, as ever. */
  async interrupt(): Promise<void> {
    if (!this.#running) return
    const listener = this.#stopListener
    const stop = this.#untilStopped('an interrupt', this.#timeoutMs, listener)
    this.#link.interrupt()
    await stop
  }

  /** Removes all breakpoints, lets the guest run, and ends the connection. */
  async detach(): Promise<void> {
    if (this.#link.ended !== undefined) return
    try {
      await this.interrupt()
      await this.#ask('D')
    } finally {
      this.close()
    }
  }

  /** Removes all breakpoints, and ends the connection to a guest that stays stopped. */
  async closeStopped(): Promise<void> {
    if (this.#link.ended !== undefined) return
    try {
      await this.interrupt()
      await forgetPoints(packet => this.#ask(packet), this.threads)
    } finally {
      this.close()
    }
  }

  /** Ends the connection and nothing else: a guest that stands still stays so, and breakpoints stay too. */
  close(): void {
    this.#stopListener = undefined
    this.#link.close()
  }

  /** The same as `detach`, in one write and without waiting: for a process that ends now. */
  detachNow(): void {
    this.#link.sendNow('\x03$D#44')
  }

  #untilStopped(
    what: string,
    timeoutMs: number,
    also?: (stop: StopReply | VmsiftError) => void,
  ): Promise<Stopped> {
    this.#running = true
    const result = new Promise<Stopped>((resolve, reject) => {
      // the connection ends with it: a stop that came later could not be told from another one
      const late = (): void => this.#link.abandon(`the guest did not stop after ${what} in ${timeoutMs} ms`)
      const timer = setTimeout(late, timeoutMs)
      this.#stopListener = stop => {
        clearTimeout(timer)
        also?.(stop)
        if (stop instanceof VmsiftError) reject(stop)
        else if (stop.kind === 'exited') reject(gone())
        else resolve(stop)
      }
    })
    // the caller awaits it a moment later
    result.catch(() => undefined)
    return result
  }

  #stopped(stop: StopReply | VmsiftError): void {
    // told again, or told on connecting: nothing new
    if (!this.#running) return
    this.#running = false
    const listener = this.#stopListener
    this.#stopListener = undefined
    listener?.(stop)
  }

  async #point(letter: 'Z' | 'z', point: StopPoint): Promise<void> {
    const type = point.kind === 'break' ? 1 : WATCH_TYPE[point.access]
    const length =
      point.kind === 'break' ? (this.description.architecture === 'aarch64' ? 4 : 1) : point.length
    const answer = await this.#ask(`${letter}${type},${point.address.toString(16)},${length.toString(16)}`)
    if (answer !== 'OK')
      throw refused(
        `${letter === 'Z' ? 'set' : 'remove'} a ${point.kind}point at ${hex(point.address)}`,
        answer,
      )
  }

  async #select(vcpu: number): Promise<void> {
    const thread = this.#thread(vcpu)
    if (this.#selected === vcpu) return
    const answer = await this.#ask(`Hg${thread}`)
    if (answer !== 'OK') throw refused(`choose vcpu ${vcpu}`, answer)
    this.#selected = vcpu
  }

  /** @throws VmsiftError `out-of-range` for a vCPU that the guest hasn't. */
  checkVcpu(vcpu: number): void {
    this.#thread(vcpu)
  }

  #thread(vcpu: number): string {
    const thread = this.threads[vcpu]
    if (thread !== undefined) return thread
    throw new VmsiftError(
      'out-of-range',
      `there is no vcpu ${vcpu}: the guest has ${this.threads.length}, counted from 0`,
    )
  }

  async #ask(packet: string): Promise<string> {
    this.#mustStandStill()
    const answer = await this.#link.ask(packet)
    return answer
  }

  #mustStandStill(): void {
    if (this.#link.ended !== undefined) throw this.#link.ended
    if (this.#running) throw new VmsiftError('bad-argument', 'the guest runs: pause it before')
  }
}

/** Numbers are little endian; `x` digits mean that the value is not known. */
function littleEndian(digits: string): bigint | undefined {
  if (!/^([0-9a-f]{2})+$/i.test(digits)) return undefined
  return BigInt(`0x${Buffer.from(digits, 'hex').reverse().toString('hex')}`)
}

async function readThreads(ask: (packet: string) => Promise<string>): Promise<string[]> {
  const threads: string[] = []
  for (let answer = await ask('qfThreadInfo'); answer.startsWith('m'); answer = await ask('qsThreadInfo')) {
    const more = answer.slice(1).split(',')
    if (threads.length + more.length > MAX_THREADS)
      throw new VmsiftError('monitor-failed', `the gdbstub lists more than ${MAX_THREADS} processors`)
    threads.push(...more)
  }
  if (threads.length === 0) throw new VmsiftError('monitor-failed', 'the gdbstub lists no processor')
  return threads.sort((a, b) => Number.parseInt(a, 16) - Number.parseInt(b, 16))
}

/**
 * Removes every breakpoint and watchpoint. QEMU does that when it is asked why the guest stands still, as debuggers do when they
 * arrive; but only for the processor that is chosen for `c`.
 */
async function forgetPoints(
  ask: (packet: string) => Promise<string>,
  threads: readonly string[],
): Promise<void> {
  for (const thread of threads) {
    await ask(`Hc${thread}`)
    await ask('?')
  }
}

function refused(what: string, answer: string): VmsiftError {
  const said = answer === '' ? 'does not know how to' : `answered ${answer.slice(0, 40)} to:`
  return new VmsiftError('monitor-failed', `the gdbstub ${said} ${what}`, { detail: { answer } })
}

function gone(): VmsiftError {
  return new VmsiftError('guest-gone', 'the guest has ended')
}
