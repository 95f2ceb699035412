/** The host's end of the control port: shell commands run in the guest (see guest/init). */
import { connectLines, type LineSocket } from './line-socket.js'

const FREEZE_TRIES = 20

export class GuestControl {
  readonly #socket: LineSocket
  #count = 0
  #tail: Promise<unknown> = Promise.resolve()
  #thawed: () => void = () => undefined

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

  /**
   * Has the guest tell all it knows of itself (guest/witness.c) and wait: stop it now, and its memory is what it told.
   * `thaw` lets it go on; until then no other command runs.
   */
  freeze(): Promise<string> {
    const frozen = this.#tail.then(() => this.#freeze())
    this.#tail = frozen.then(
      () =>
        new Promise<void>(resolve => {
          this.#thawed = resolve
        }),
      () => undefined,
    )
    return frozen
  }

  /** Ends what `freeze` began. */
  async thaw(): Promise<void> {
    await this.#endWitness(this.#count)
    this.#thawed()
  }

  async #freeze(): Promise<string> {
    for (let tries = 1; ; tries++) {
      const id = ++this.#count
      this.#socket.send(`${id} witness <&3`)
      while ((await this.#socket.next()) !== `@@begin ${id}`);
      const lines: string[] = []
      for (;;) {
        const line = await this.#socket.next()
        if (line === '@@frozen') return lines.join('\n')
        if (line === '@@changed') break
        if (line.startsWith('@@end ')) throw new Error(`the guest's witness failed: ${lines.at(-1)}`)
        lines.push(line)
      }
      await this.#endWitness(id)
      if (tries === FREEZE_TRIES) throw new Error(`the guest changed while it told of itself, ${tries} times`)
    }
  }

  async #endWitness(id: number): Promise<void> {
    this.#socket.send('')
    while (!(await this.#socket.next()).startsWith(`@@end ${id} `));
  }

  close(): void {
    this.#socket.close()
  }
}
