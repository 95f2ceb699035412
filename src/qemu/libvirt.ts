/** QEMU guests that libvirt looks after: it owns their monitors, and passes commands on. */
import { VmsiftError } from '../core/errors.js'
import { type DomainHandle, hasLibvirt, type LibvirtConnection, openLibvirt } from '../ffi/libvirt.js'
import type { QemuGuest } from './discover.js'
import type { CommandOptions, LastWords, Monitor } from './monitor.js'
import { type QemuProcess, qemuProcesses } from './processes.js'

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
  readonly #connection: LibvirtConnection
  readonly #domain: DomainHandle
  readonly #closeListeners = new Set<() => void>()
  #closed = false

  private constructor(connection: LibvirtConnection, domain: DomainHandle) {
    this.#connection = connection
    this.#domain = domain
  }

  /** @throws VmsiftError as `findLibvirtGuest`. */
  static open(name: string): LibvirtMonitor {
    const connection = openLibvirt()
    const domain = connection.find(name)
    if (domain !== undefined) return new LibvirtMonitor(connection, domain)
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
    if (reply.error === undefined) return reply.return
    const words = typeof reply.error.desc === 'string' ? reply.error.desc : 'unknown error'
    throw new VmsiftError('monitor-failed', `qmp ${command}: ${words}`, {
      detail: { command, class: reply.error.class },
    })
  }

  async human(commandLine: string, options?: CommandOptions): Promise<string> {
    const text = await this.#send(commandLine, commandLine, true, options)
    return text.replaceAll('\r\n', '\n')
  }

  executeNow(command: string): void {
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
    if (this.#closed) listener()
    else this.#closeListeners.add(listener)
    return () => this.#closeListeners.delete(listener)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#domain[Symbol.dispose]()
    this.#connection[Symbol.dispose]()
    for (const listener of [...this.#closeListeners]) listener()
    this.#closeListeners.clear()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async #send(what: string, line: string, human: boolean, options?: CommandOptions): Promise<string> {
    if (this.#closed) throw new VmsiftError('guest-gone', 'the connection to libvirt is closed')
    const timeoutMs = options?.timeoutMs ?? COMMAND_MS
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const words = `libvirt: no answer to ${what} in ${timeoutMs} ms`
        reject(new VmsiftError('monitor-failed', words, { detail: { command: what, timeoutMs } }))
      }, timeoutMs)
    })
    try {
      return await Promise.race([this.#domain.command(line, human), late])
    } finally {
      clearTimeout(timer)
    }
  }
}

interface Reply {
  readonly return?: unknown
  readonly error?: { readonly class?: unknown; readonly desc?: unknown }
}

function parseReply(text: string): Reply {
  try {
    return JSON.parse(text) as Reply
  } catch (cause) {
    throw new VmsiftError('monitor-failed', "libvirt passed on an answer of QEMU's that is no JSON", {
      cause,
    })
  }
}
