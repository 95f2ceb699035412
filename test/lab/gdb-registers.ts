/** Registers through QEMU's gdbstub: an Arm processor's table registers are shown nowhere else. */
import { createConnection, type Socket } from 'node:net'

/** Names of the Arm registers that say where tables are (Arm ARM D19.2), as the stub describes them. */
export const ARM_TABLE_REGISTERS = ['TTBR0_EL1', 'TTBR1_EL1', 'TCR_EL1'] as const

/**
 * Reads registers of the first processor by name; names that the stub doesn't describe are left out. The guest should be
 * stopped: connecting would stop it. It stays stopped.
 */
export async function gdbRegisters(path: string, names: readonly string[]): Promise<Record<string, bigint>> {
  const stub = await GdbStub.connect(path)
  try {
    await stub.ask('qSupported:xmlRegisters=arm')
    const numbers = await registerNumbers(stub)
    const values: Record<string, bigint> = {}
    for (const name of names) {
      const number = numbers.get(name)
      const answer = number === undefined ? '' : await stub.ask(`p${number.toString(16)}`)
      // bytes in the guest's order: little endian
      if (/^[0-9a-f]{2,}$/.test(answer))
        values[name.toLowerCase()] = BigInt(`0x${Buffer.from(answer, 'hex').reverse().toString('hex')}`)
    }
    return values
  } finally {
    stub.close()
  }
}

/** Numbers by name out of target.xml and the files it includes: they count on where none is given. */
async function registerNumbers(stub: GdbStub): Promise<Map<string, number>> {
  const numbers = new Map<string, number>()
  const target = await stub.file('target.xml')
  let next = 0
  for (const [, include = ''] of target.matchAll(/<xi:include href="([^"]+)"/g)) {
    for (const [tag] of (await stub.file(include)).matchAll(/<reg [^>]*>/g)) {
      const name = /name="([^"]+)"/.exec(tag)?.[1] ?? ''
      next = Number(/regnum="(\d+)"/.exec(tag)?.[1] ?? next)
      numbers.set(name, next++)
    }
  }
  return numbers
}

/** The remote protocol, one packet asked, one answered: https://sourceware.org/gdb/current/onlinedocs/gdb.html/Overview.html */
class GdbStub {
  readonly #socket: Socket
  #received = ''
  #wake: () => void = () => undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('latin1').on('data', (text: string) => {
      this.#received += text
      this.#wake()
    })
    socket.on('close', () => this.#wake())
    socket.on('error', () => undefined)
  }

  static connect(path: string): Promise<GdbStub> {
    return new Promise((resolve, reject) => {
      const socket = createConnection(path)
      socket.once('error', reject)
      socket.once('connect', () => resolve(new GdbStub(socket)))
    })
  }

  /** A file of the stub's own, read piece by piece. */
  async file(name: string): Promise<string> {
    let text = ''
    for (;;) {
      const piece = await this.ask(`qXfer:features:read:${name}:${text.length.toString(16)},ffb`)
      text += piece.slice(1)
      if (piece[0] !== 'm') return text
    }
  }

  async ask(packet: string): Promise<string> {
    let sum = 0
    for (const byte of Buffer.from(packet, 'latin1')) sum = (sum + byte) % 256
    this.#socket.write(`$${packet}#${sum.toString(16).padStart(2, '0')}`)
    for (;;) {
      const match = /\$([^#]*)#[0-9a-f]{2}/.exec(this.#received)
      if (match !== null) {
        this.#received = this.#received.slice(match.index + match[0].length)
        this.#socket.write('+')
        // "}" escapes the byte behind it
        const text = (match[1] ?? '').replace(/\}(.)/gs, (_, byte: string) =>
          String.fromCharCode(byte.charCodeAt(0) ^ 0x20),
        )
        // what the stub says of itself when somebody connects
        if (/^[TS][0-9a-f]{2}/.test(text)) continue
        return text
      }
      if (this.#socket.destroyed) throw new Error('the gdbstub closed the connection')
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }

  close(): void {
    this.#socket.destroy()
  }
}
