/** QEMU guests that libvirt looks after: it owns their monitors, and passes commands on. */
import { VmsiftError } from '../core/errors.js'
import { type DomainHandle, hasLibvirt, type LibvirtConnection, openLibvirt } from '../ffi/libvirt.js'
import { CloseListeners } from './close-listeners.js'
import type { QemuGuest } from './discover.js'
import type { CommandOptions, LastWords, Monitor } from './monitor.js'
import { isRunning, type ProcessId, type QemuProcess, qemuProcesses } from './processes.js'
import { commandError, isRecord, refusal } from './qmp-error.js'

const COMMAND_MS = 10_000

/** Running domains; none where libvirt or its daemon is not there. */
export function listLibvirtGuests(): QemuGuest[] {
  if (!hasLibvirt()) return []
  try {
    using connection = openLibvirt()
    const processes = qemuProcesses()
    return connection.domains().map(({ name, uuid }) => guestOf(name, uuid, processes))
  } catch (error) {
    // no daemon runs: it looks after no guests
    if (error instanceof VmsiftError) return []
    throw error
  }
}

/**
 * The running domain of this name.
 * @throws VmsiftError `target-not-found`, `target-unreadable` when there is no daemon, `ffi-unavailable` without the libraries.
 */
export function findLibvirtGuest(name: string): QemuGuest {
  using connection = openLibvirt()
  using domain = connection.find(name)
  if (domain === undefined)
    throw new VmsiftError(
      'target-not-found',
      `libvirt runs no domain called ${name}; virsh list shows those that run`,
      { detail: { name } },
    )
  return guestOf(name, domain.domain.uuid, qemuProcesses())
}

/** libvirt gives QEMU the domain's uuid. */
function guestOf(name: string, uuid: string, processes: readonly QemuProcess[]): QemuGuest {
  const found = processes.find(({ commandLine }) => commandLine.uuid === uuid)
  return {
    target: `libvirt:${name}`,
    name,
    uuid,
    process: found && { pid: found.pid, startTicks: found.startTicks },
    qmpPaths: [],
    gdbPaths: found?.gdbPaths ?? [],
    libvirt: name,
  }
}

/** A domain's monitor. libvirt tells no events of it here. */
export class LibvirtMonitor implements Monitor, LastWords {
  readonly tellsEvents = false
  readonly #connection: LibvirtConnection
  readonly #domain: DomainHandle
  readonly #process: ProcessId | undefined
  readonly #closing = new CloseListeners()
  #hangs = false

  private constructor(connection: LibvirtConnection, domain: DomainHandle, process: ProcessId | undefined) {
    this.#connection = connection
    this.#domain = domain
    this.#process = process
  }

  /**
   * `process`: QEMU's, where it is known.
   * @throws VmsiftError as `findLibvirtGuest`.
   */
  static open(name: string, process: ProcessId | undefined): LibvirtMonitor {
    const connection = openLibvirt()
    const domain = connection.find(name)
    if (domain !== undefined) return new LibvirtMonitor(connection, domain, process)
    connection[Symbol.dispose]()
    throw new VmsiftError('guest-gone', `libvirt runs no domain called ${name} any more`)
  }

  async execute(
    command: string,
    args: Readonly<Record<string, unknown>> = {},
    options?: CommandOptions,
  ): Promise<unknown> {
    const line = JSON.stringify({ execute: command, arguments: args })
    const reply = parseReply(await this.#send(command, line, false, options))
    if ('error' in reply) throw commandError(command, refusal(reply['error']))
    return reply['return']
  }

  async human(commandLine: string, options?: CommandOptions): Promise<string> {
    const text = await this.#send(commandLine, commandLine, true, options)
    return text.replaceAll('\r\n', '\n')
  }

  executeNow(command: string): void {
    // it would wait for the same QEMU, and for ever
    if (this.#hangs) return
    try {
      this.#domain.commandNow(JSON.stringify({ execute: command }), false)
    } catch {
      // the process ends: nobody is left to hear of it
    }
  }

  onEvent(): () => void {
    return () => undefined
  }

  onClose(listener: () => void): () => void {
    return this.#closing.add(listener)
  }

  close(): void {
    if (this.#closing.ended) return
    this.#domain[Symbol.dispose]()
    this.#connection[Symbol.dispose]()
    this.#closing.end()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** libvirt hears of it a moment after the process has ended. */
  #hasEnded(): boolean {
    return (this.#process !== undefined && !isRunning(this.#process)) || !this.#domain.isActive()
  }

  async #send(what: string, line: string, human: boolean, options?: CommandOptions): Promise<string> {
    if (this.#closing.ended) throw new VmsiftError('guest-gone', 'the connection to libvirt is closed')
    const timeoutMs = options?.timeoutMs ?? COMMAND_MS
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.#hangs = true
        const words = `libvirt: no answer to ${what} in ${timeoutMs} ms`
        reject(new VmsiftError('monitor-failed', words, { detail: { command: what, timeoutMs } }))
      }, timeoutMs)
    })
    try {
      return await Promise.race([this.#domain.command(line, human), late])
    } catch (error) {
      if (this.#hangs || !this.#hasEnded()) throw error
      throw new VmsiftError('guest-gone', `libvirt: ${what}: the domain has ended`, { cause: error })
    } finally {
      clearTimeout(timer)
    }
  }
}

function parseReply(text: string): Readonly<Record<string, unknown>> {
  let cause: unknown
  try {
    const reply: unknown = JSON.parse(text)
    if (isRecord(reply)) return reply
  } catch (error) {
    cause = error
  }
  throw new VmsiftError('monitor-failed', "libvirt passed on an answer of QEMU's that makes no sense", {
    cause,
  })
}
