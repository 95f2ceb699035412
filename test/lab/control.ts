/** The host's end of the control port: shell commands run in the guest (see guest/init). */
import { connectLines, type LineSocket } from './line-socket.js'

export class GuestControl {
  readonly #socket: LineSocket
  #count = 0
  #tail: Promise<unknown> = Promise.resolve()

  private constructor(socket: LineSocket) {
    this.#socket = socket
  }

  static async connect(path: string, signal: AbortSignal): Promise<GuestControl> {
    return new GuestControl(await connectLines(path, signal))
  }

  /** Resolves when the guest's init has planted everything. */
  async ready(): Promise<void> {
    while ((await this.#socket.next()) !== '@@ready');
  }

  /**
   * Runs one line of shell in the guest and returns what it printed; commands queue.
   * @throws Error when its exit status is not 0, or the guest goes away.
   */
  shell(command: string): Promise<string> {
    const result = this.#tail.then(() => this.#run(command))
    this.#tail = result.catch(() => undefined)
    return result
  }

  async #run(command: string): Promise<string> {
    if (command.includes('\n')) throw new Error('a guest command is one line')
    const id = ++this.#count
    this.#socket.send(`${id} ${command}`)
    while ((await this.#socket.next()) !== `@@begin ${id}`);
    const lines: string[] = []
    for (;;) {
      const line = await this.#socket.next()
      if (line.startsWith(`@@end ${id} `)) {
        const text = lines.join('\n')
        if (line !== `@@end ${id} 0`) throw new Error(`guest command failed: ${command}\n${text}`)
        return text
      }
      lines.push(line)
    }
  }

  close(): void {
    this.#socket.close()
  }
}
