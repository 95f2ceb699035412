/**
 * A connection to a gdbstub: packets asked and answered one at a time, acknowledged, and stop replies, which come when they
 * come (GDB manual, "Packets", "Stop Reply Packets", "Packet Acknowledgment").
 */
import { createConnection, type NetConnectOpts, type Socket } from 'node:net'
import { VmsiftError } from '../core/errors.js'
import { encodePacket, PacketReader, type Received } from './gdbstub-packet.js'
import { parseStop, type StopReply } from './gdbstub-stop.js'
import { sendNow } from './send-now.js'

/** Where a stub listens. */
export type StubAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }

export interface LinkOptions {
  /** Milliseconds until an answer is given up; default 10 s. */
  readonly timeoutMs?: number
}

/** How often a packet is sent again after the stub called it broken. */
const MAX_RESENDS = 3
const TIMEOUT_MS = 10_000

interface Pending {
  readonly what: string
  /** Asked with `?`: a stop reply is the answer. */
  readonly takesStop: boolean
  resolve(text: string): void
  reject(error: VmsiftError): void
}

/** One packet is under way at a time: requests queue. */
export class GdbLink {
  readonly #where: string
  readonly #timeoutMs: number
  readonly #socket: Socket
  readonly #reader = new PacketReader()
  #acks = true
  #tail: Promise<unknown> = Promise.resolve()
  #pending: Pending | undefined
  #sent: Buffer | undefined
  #resends = 0
  #onAck: (() => void) | undefined
  #ended: VmsiftError | undefined
  /** The guest stopped, with everything the stub says of it; also when nobody asked. */
  onStop: (stop: StopReply) => void = () => undefined
  /** An answer that nobody waits for: a resume that failed. */
  onStray: (text: string) => void = () => undefined
  /** The connection ended; called once. */
  onEnd: (error: VmsiftError) => void = () => undefined

  private constructor(where: string, socket: Socket, timeoutMs: number) {
    this.#where = where
    this.#socket = socket
    this.#timeoutMs = timeoutMs
    socket.on('data', chunk => this.#receive(chunk))
    socket.on('error', error =>
      this.#end(`the connection to the gdbstub at ${where} broke: ${error.message}`),
    )
    socket.on('close', () =>
      this.#end(`the gdbstub at ${where} closed the connection: the guest may have ended`),
    )
  }

  /**
   * @throws VmsiftError `target-not-found` when nobody listens, `target-unreadable` when it must not be opened. Whether the
   * stub serves this client shows at the first request only: it keeps a second one waiting without a word.
   */
  static connect(address: StubAddress, options: LinkOptions = {}): Promise<GdbLink> {
    const where = address.kind === 'unix' ? address.path : `${address.host}:${address.port}`
    const to: NetConnectOpts =
      address.kind === 'unix'
        ? { path: address.path }
        : { host: address.host, port: address.port, noDelay: true }
    return new Promise((resolve, reject) => {
      const socket = createConnection(to)
      const fail = (cause: NodeJS.ErrnoException): void => {
        const denied = cause.code === 'EACCES' || cause.code === 'EPERM'
        reject(
          new VmsiftError(
            denied ? 'target-unreadable' : 'target-not-found',
            `cannot connect to the gdbstub at ${where}: ${cause.code ?? cause.message}${denied ? '; run vmsift as the user QEMU runs as, or as root' : ''}`,
            { detail: { where, errno: cause.code }, cause },
          ),
        )
      }
      socket.once('error', fail)
      socket.once('connect', () => {
        socket.off('error', fail)
        resolve(new GdbLink(where, socket, options.timeoutMs ?? TIMEOUT_MS))
      })
    })
  }

  /**
   * Sends a packet and returns its answer, escapes undone: bytes as latin1 characters. An empty answer means that the stub
   * doesn't know the packet.
   * @throws VmsiftError `monitor-failed` when no answer comes in time, which ends the connection: what would come later could
   * not be told from other answers. `guest-gone` when the connection ends.
   */
  ask(packet: string): Promise<string> {
    return this.#queue(
      () =>
        new Promise((resolve, reject) => {
          this.#pending = { what: packet, takesStop: packet === '?', resolve, reject }
          this.#write(packet)
        }),
      packet,
    )
  }

  /** Sends a packet that has no answer of its own (`vCont`); returns once the stub has it. */
  tell(packet: string): Promise<void> {
    return this.#queue(
      () =>
        new Promise((resolve, reject) => {
          this.#write(packet)
          if (!this.#acks) return resolve()
          this.#onAck = () => {
            this.#onAck = undefined
            this.#pending = undefined
            resolve()
          }
          // rejected when the connection ends
          this.#pending = { what: packet, takesStop: false, resolve: () => resolve(), reject }
        }),
      packet,
    )
  }

  /** Stops a guest that runs; the stop reply comes through `onStop`. */
  interrupt(): void {
    if (this.#ended === undefined) this.#socket.write('\x03')
  }

  /** Writes at once, in this very call, waiting for nothing: for a process that is about to end. */
  sendNow(bytes: string): void {
    if (this.#ended === undefined) sendNow(this.#socket, bytes)
  }

  /** From now on nobody acknowledges packets (`QStartNoAckMode` was accepted). */
  withoutAcks(): void {
    this.#acks = false
  }

  get ended(): VmsiftError | undefined {
    return this.#ended
  }

  /** Ends the connection because the stub does not keep to what it should do. */
  abandon(why: string): void {
    this.#end(why, 'monitor-failed')
  }

  close(): void {
    this.#end(`the connection to the gdbstub at ${this.#where} is closed`)
  }

  async #queue<T>(work: () => Promise<T>, packet: string): Promise<T> {
    const run = async (): Promise<T> => {
      if (this.#ended !== undefined) throw this.#ended
      const timer = setTimeout(() => {
        const name = packet.slice(0, 24)
        this.#end(
          `no answer from the gdbstub at ${this.#where} to '${name}' in ${this.#timeoutMs} ms: another debugger is connected, or QEMU hangs`,
          'monitor-failed',
        )
      }, this.#timeoutMs)
      try {
        return await work()
      } finally {
        clearTimeout(timer)
      }
    }
    const result = this.#tail.then(run)
    this.#tail = result.catch(() => undefined)
    return result
  }

  #write(packet: string): void {
    this.#sent = encodePacket(packet)
    this.#resends = 0
    this.#socket.write(this.#sent)
  }

  #receive(chunk: Buffer): void {
    for (const item of this.#reader.push(chunk)) {
      if (this.#ended !== undefined) return
      this.#handle(item)
    }
  }

  #handle(item: Received): void {
    switch (item.kind) {
      case 'noise':
        this.#end(`${this.#where} does not speak the gdb remote protocol`, 'monitor-failed')
        return
      case 'ack':
        this.#onAck?.()
        return
      case 'nak':
        if (this.#sent === undefined || ++this.#resends > MAX_RESENDS)
          this.#end(`the gdbstub at ${this.#where} calls every packet broken`, 'monitor-failed')
        else this.#socket.write(this.#sent)
        return
      case 'broken':
        if (++this.#resends > MAX_RESENDS)
          this.#end(`packets from the gdbstub at ${this.#where} arrive broken`, 'monitor-failed')
        else if (this.#acks) this.#socket.write('-')
        return
      case 'notification':
        return
      case 'packet':
        if (this.#acks) this.#socket.write('+')
        this.#packet(item.text)
    }
  }

  #packet(text: string): void {
    const stop = parseStop(text)
    const pending = this.#pending
    if (stop !== undefined && pending?.takesStop !== true) {
      this.onStop(stop)
      return
    }
    if (pending === undefined || this.#onAck !== undefined) {
      this.onStray(text)
      return
    }
    this.#pending = undefined
    pending.resolve(text)
  }

  #end(why: string, code: 'guest-gone' | 'monitor-failed' = 'guest-gone'): void {
    if (this.#ended !== undefined) return
    this.#ended = new VmsiftError(code, why, { detail: { where: this.#where } })
    this.#socket.destroy()
    this.#onAck = undefined
    const pending = this.#pending
    this.#pending = undefined
    pending?.reject(this.#ended)
    this.onEnd(this.#ended)
  }
}
