/** A QEMU Machine Protocol client: one command at a time, events dropped. */
import { connectLines, type LineSocket } from './line-socket.js'

export class QmpClient {
  readonly #socket: LineSocket
  #tail: Promise<unknown> = Promise.resolve()

  private constructor(socket: LineSocket) {
    this.#socket = socket
  }

  /** Connects and leaves the negotiation mode. */
  static async connect(path: string, signal: AbortSignal): Promise<QmpClient> {
    const client = new QmpClient(await connectLines(path, signal))
    await client.#socket.next()
    await client.execute('qmp_capabilities')
    return client
  }

  /**
   * Runs a command and returns its result; commands queue.
   * @throws Error with QEMU's own words.
   */
  execute(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const run = async (): Promise<unknown> => {
      this.#socket.send(JSON.stringify({ execute: command, arguments: args }))
      for (;;) {
        const reply = JSON.parse(await this.#socket.next()) as {
          return?: unknown
          error?: { desc: string }
        }
        if (reply.error !== undefined) throw new Error(`qmp ${command}: ${reply.error.desc}`)
        if ('return' in reply) return reply.return
      }
    }
    const result = this.#tail.then(run)
    this.#tail = result.catch(() => undefined)
    return result
  }

  close(): void {
    this.#socket.close()
  }
}
