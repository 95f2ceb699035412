/**
 * QEMU's Machine Protocol over a Unix socket (QEMU, docs/interop/qmp-spec): one JSON object a line. QEMU serves one client a
 * socket; whoever connects while another is there is kept waiting without a word.
 */

import { createConnection, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { VmsiftError } from '../core/errors.js'
import { peerPid } from '../ffi/unix-socket.js'
import { CloseListeners } from './close-listeners.js'
import type { CommandOptions, LastWords, Monitor, MonitorEvent } from './monitor.js'
import { commandError, isRecord, refusal } from './qmp-error.js'
import { descriptorOf, sendNow } from './send-now.js'
import { splitLines } from './split-lines.js'

/** QEMU greets at once; it is late only while its main loop is held up. */
const GREETING_MS = 2000
const COMMAND_MS = 10_000
const RETRY_MS = 20
/** The longest answers (`query-qmp-schema`, `info mtree` of large machines) are below a MiB. */
const MAX_LINE_BYTES = 16 << 20

export interface QmpOptions {
  /** Milliseconds to wait for QEMU's greeting; default 2 s. */
  readonly greetingMs?: number
}

interface Waiter {
  resolve(value: unknown): void
  reject(error: VmsiftError): void
}

/** A connection to a QMP socket. Commands may overlap; QEMU runs them in order. */
export class QmpMonitor implements Monitor, LastWords {
  readonly tellsEvents = true
  readonly #path: string
  readonly #socket: Socket
  readonly #waiting = new Map<number, Waiter>()
  readonly #eventListeners = new Set<(event: MonitorEvent) => void>()
  readonly #closing = new CloseListeners()
  #onGreeting: ((error?: VmsiftError) => void) | undefined
  #lastId = 0
  #ended: VmsiftError | undefined

  private constructor(path: string, socket: Socket) {
    this.#path = path
    this.#socket = socket
    const onData = splitLines(
      MAX_LINE_BYTES,
      line => this.#receive(line),
      () => this.#end(`${path} sent a line longer than ${MAX_LINE_BYTES} bytes`),
    )
    socket.on('data', onData)
    socket.on('error', error => this.#end(`connection to ${path} broke: ${error.message}`))
    socket.on('close', () => this.#end(`QEMU closed the connection to ${path}: it may have ended`))
  }

  /**
   * Connects, and leaves the negotiation mode.
   * @throws VmsiftError `target-not-found` when there is no such socket or nobody listens, `target-unreadable` when it must not
   * be opened, `monitor-busy` when no greeting comes: another client has it.
   */
  static async connect(path: string, options: QmpOptions = {}): Promise<QmpMonitor> {
    const until = performance.now() + (options.greetingMs ?? GREETING_MS)
    const monitor = new QmpMonitor(path, await connectSocket(path, until))
    try {
      await monitor.#greeting(Math.max(0, until - performance.now()))
      await monitor.execute('qmp_capabilities')
    } catch (error) {
      monitor.close()
      throw error
    }
    return monitor
  }

  /** The process that listens on the socket; undefined where that can't be told. */
  get peerPid(): number | undefined {
    const fd = descriptorOf(this.#socket)
    return fd === undefined ? undefined : peerPid(fd)
  }

  execute(
    command: string,
    args: Readonly<Record<string, unknown>> = {},
    { timeoutMs = COMMAND_MS }: CommandOptions = {},
  ): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        reject(
          new VmsiftError(
            'monitor-failed',
            `qmp ${command}: no answer from ${this.#path} in ${timeoutMs} ms`,
            {
              detail: { command, timeoutMs },
            },
          ),
        )
      }, timeoutMs)
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T) => {
          clearTimeout(timer)
          then(value)
        }
      this.#waiting.set(id, {
        resolve: settle(resolve),
        reject: settle(error => reject(commandError(command, error))),
      })
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`)
    })
  }

  async human(commandLine: string, options?: CommandOptions): Promise<string> {
    const text = await this.execute('human-monitor-command', { 'command-line': commandLine }, options)
    return typeof text === 'string' ? text.replaceAll('\r\n', '\n') : ''
  }

  executeNow(command: string): void {
    if (this.#ended === undefined) sendNow(this.#socket, `${JSON.stringify({ execute: command })}\n`)
  }

  onEvent(listener: (event: MonitorEvent) => void): () => void {
    this.#eventListeners.add(listener)
    return () => this.#eventListeners.delete(listener)
  }

  onClose(listener: () => void): () => void {
    return this.#closing.add(listener)
  }

  close(): void {
    this.#end(`the connection to ${this.#path} is closed`)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #greeting(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const why = `${this.#path} does not answer: another client holds this QMP socket, or QEMU hangs; end that client, or give QEMU a second -qmp socket`
        this.#onGreeting?.(new VmsiftError('monitor-busy', why, { detail: { path: this.#path } }))
      }, timeoutMs)
      this.#onGreeting = error => {
        clearTimeout(timer)
        this.#onGreeting = undefined
        if (error === undefined) resolve()
        else reject(error)
      }
    })
  }

  #receive(line: string): void {
    const message = parseObject(line)
    if (message === undefined)
      this.#end(`${this.#path} does not speak QMP: it sent a line that is no JSON object`)
    else if ('QMP' in message) this.#onGreeting?.()
    else if (typeof message['event'] === 'string') this.#tell(message['event'], message['data'])
    else this.#answer(message)
  }

  #answer(message: Readonly<Record<string, unknown>>): void {
    const id = message['id'] as number
    const waiter = this.#waiting.get(id)
    // an answer to a command that was given up
    if (waiter === undefined) return
    this.#waiting.delete(id)
    if ('error' in message) waiter.reject(refusal(message['error']))
    else waiter.resolve(message['return'])
  }

  #tell(event: string, data: unknown): void {
    const told = { event, data: isRecord(data) ? data : {} }
    for (const listener of [...this.#eventListeners]) listener(told)
  }

  #end(why: string): void {
    if (this.#ended !== undefined) return
    this.#ended = new VmsiftError('guest-gone', why, { detail: { path: this.#path } })
    this.#socket.destroy()
    this.#onGreeting?.(this.#ended)
    for (const waiter of this.#waiting.values()) waiter.reject(this.#ended)
    this.#waiting.clear()
    this.#eventListeners.clear()
    this.#closing.end()
  }
}

/** More than one client that waits is too many for QEMU's socket: it refuses the next, which tries again. */
async function connectSocket(path: string, until: number): Promise<Socket> {
  for (;;) {
    try {
      return await connectOnce(path)
    } catch (error) {
      const crowded = error instanceof VmsiftError && error.code === 'monitor-busy'
      if (!crowded || performance.now() >= until) throw error
      await sleep(RETRY_MS)
    }
  }
}

function connectOnce(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path)
    const fail = (cause: NodeJS.ErrnoException): void => {
      const denied = cause.code === 'EACCES' || cause.code === 'EPERM'
      // QEMU takes nobody in while it has a client, and few may wait
      const full = cause.code === 'EAGAIN'
      const why = denied
        ? 'permission denied; run vmsift as the user QEMU runs as, or as root'
        : cause.code === 'ENOENT'
          ? 'no such socket'
          : cause.code === 'ECONNREFUSED'
            ? 'nobody listens: the guest has ended'
            : full
              ? 'other clients wait for it already; end them, or give QEMU a second -qmp socket'
              : cause.message
      const code = denied ? 'target-unreadable' : full ? 'monitor-busy' : 'target-not-found'
      reject(
        new VmsiftError(code, `cannot connect to ${path}: ${why}`, {
          detail: { path, errno: cause.code },
          cause,
        }),
      )
    }
    socket.once('error', fail)
    socket.once('connect', () => {
      socket.off('error', fail)
      resolve(socket)
    })
  })
}

function parseObject(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return isRecord(value) ? value : undefined
  } catch {
    // not JSON: the caller says so
    return undefined
  }
}
