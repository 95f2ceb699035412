/**
 * A guest's only QMP socket, through which its memory is read too: a connection for each command, in turns with the threads that read
 * (blocking-qmp.ts). A call blocks this thread until the answer is there, as reading memory does: waiting for an event loop with the
 * turn in hand would keep the same thread from reading. No events come this way.
 */
import { VmsiftError } from '../core/errors.js'
import { connectBlocking } from '../ffi/unix-socket.js'
import { askBlocking } from './blocking-qmp.js'
import { CloseListeners } from './close-listeners.js'
import type { LastWords, Monitor } from './monitor.js'
import { commandError, refusal } from './qmp-error.js'

const CONNECT_MS = 200

export class TurnMonitor implements Monitor, LastWords {
  readonly tellsEvents = false
  readonly #path: string
  readonly #turns: SharedArrayBuffer
  readonly #closing = new CloseListeners()

  constructor(path: string, turns: SharedArrayBuffer) {
    this.#path = path
    this.#turns = turns
  }

  async execute(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const answer = askBlocking(this.#path, this.#turns, command, args)
    if (answer === undefined) throw this.#noAnswer(command)
    if ('error' in answer) throw commandError(command, refusal(answer['error']))
    return answer['return']
  }

  /** Only where nobody listens any more has the guest ended: one that is paused would be forgotten else. */
  #noAnswer(command: string): VmsiftError {
    using socket = connectBlocking(this.#path, CONNECT_MS)
    const [code, why] =
      socket === undefined
        ? (['guest-gone', 'nobody listens there: QEMU may have ended'] as const)
        : (['monitor-busy', 'another client holds it, or QEMU hangs'] as const)
    return new VmsiftError(code, `qmp ${command}: no answer from ${this.#path}: ${why}`, {
      detail: { command, path: this.#path },
    })
  }

  async human(commandLine: string): Promise<string> {
    const text = await this.execute('human-monitor-command', { 'command-line': commandLine })
    return typeof text === 'string' ? text.replaceAll('\r\n', '\n') : ''
  }

  executeNow(command: string): void {
    askBlocking(this.#path, this.#turns, command, {})
  }

  onEvent(): () => void {
    return () => undefined
  }

  onClose(listener: () => void): () => void {
    return this.#closing.add(listener)
  }

  close(): void {
    this.#closing.end()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
