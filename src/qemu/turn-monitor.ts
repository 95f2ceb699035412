/**
 * A guest's only QMP socket, through which its memory is read too: a connection for each command, in turns with the threads that read
 * (blocking-qmp.ts). A call blocks this thread until the answer is there, as reading memory does: waiting for an event loop with the
 * turn in hand would keep the same thread from reading. No events come this way.
 */
import { VmsiftError } from '../core/errors.js'
import { askBlocking } from './blocking-qmp.js'
import type { LastWords, Monitor } from './monitor.js'
import { commandError, refusal } from './qmp-error.js'

export class TurnMonitor implements Monitor, LastWords {
  readonly #path: string
  readonly #turns: SharedArrayBuffer
  readonly #closeListeners = new Set<() => void>()
  #closed = false

  constructor(path: string, turns: SharedArrayBuffer) {
    this.#path = path
    this.#turns = turns
  }

  async execute(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const answer = askBlocking(this.#path, this.#turns, command, args)
    if (answer === undefined)
      throw new VmsiftError('guest-gone', `qmp ${command}: no answer from ${this.#path}`, {
        detail: { command, path: this.#path },
      })
    if ('error' in answer) throw commandError(command, refusal(answer['error']))
    return answer['return']
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
    if (this.#closed) listener()
    else this.#closeListeners.add(listener)
    return () => this.#closeListeners.delete(listener)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const listener of [...this.#closeListeners]) listener()
    this.#closeListeners.clear()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
