/** Three ways to print bytes, each in pieces of any length. */
import { hex } from '../core/address.js'
import type { Gap } from '../core/memory.js'
import { hexdump, LINE_BYTES } from './hexdump.js'
import type { Output } from './output.js'
import { hexBytes } from './scan-json.js'
import { formatBytes } from './units.js'

export interface ByteRenderer {
  /** Prints bytes; they are free again when the promise resolves. */
  bytes(output: Output, bytes: Uint8Array, gpa: number): Promise<void>
  gap(output: Output, gap: Gap): Promise<void>
  /** The last text. */
  end(gaps: readonly Gap[]): string
}

/** The renderer for `--raw`, `--json`, or a hexdump. `length` is what memory holds from `address` on. */
export function chooseByteRenderer(
  options: { readonly raw?: boolean; readonly json?: boolean },
  address: number,
  length: number,
): ByteRenderer {
  if (options.raw === true) return new RawRenderer()
  if (options.json === true) return new JsonByteRenderer(address, length)
  return new HexdumpRenderer(address + length)
}

const ZEROS = Buffer.alloc(64 * 1024)

async function inPieces(length: number, write: (piece: Buffer) => Promise<void> | undefined): Promise<void> {
  for (let left = length; left > 0; left -= ZEROS.length)
    await write(ZEROS.subarray(0, Math.min(left, ZEROS.length)))
}

/** Bytes as they are; zeros where there are none, so that offsets stay right. */
class RawRenderer implements ByteRenderer {
  bytes(output: Output, bytes: Uint8Array): Promise<void> {
    return output.writeBytes(bytes)
  }

  gap(output: Output, gap: Gap): Promise<void> {
    return inPieces(gap.length, piece => output.writeBytes(piece))
  }

  end(): string {
    return ''
  }
}

class JsonByteRenderer implements ByteRenderer {
  #head: string

  constructor(address: number, length: number) {
    this.#head = `{"address":"${hex(address)}","length":${length},"data":"`
  }

  async bytes(output: Output, bytes: Uint8Array): Promise<void> {
    await output.write(this.#takeHead() + hexBytes(bytes))
  }

  async gap(output: Output, gap: Gap): Promise<void> {
    await output.write(this.#takeHead())
    await inPieces(gap.length, piece => output.write(hexBytes(piece)))
  }

  end(gaps: readonly Gap[]): string {
    const fields = gaps.map(gap => ({ pa: hex(gap.gpa), length: gap.length, reason: gap.reason }))
    return `${this.#takeHead()}"${gaps.length === 0 ? '' : `,"gaps":${JSON.stringify(fields)}`}}\n`
  }

  // Once: the object is written in pieces, as its data can be larger than any string.
  #takeHead(): string {
    const head = this.#head
    this.#head = ''
    return head
  }
}

class HexdumpRenderer implements ByteRenderer {
  readonly #digits: number

  constructor(end: number) {
    this.#digits = Math.max(8, (end - 1).toString(16).length)
  }

  async bytes(output: Output, bytes: Uint8Array, gpa: number): Promise<void> {
    // In small steps: a line is five times as long as its bytes.
    const step = LINE_BYTES * 1024
    for (let start = 0; start < bytes.length; start += step) {
      const full = output.write(hexdump(bytes.subarray(start, start + step), gpa + start, this.#digits))
      if (full !== undefined) await full
    }
  }

  async gap(output: Output, gap: Gap): Promise<void> {
    const address = `0x${gap.gpa.toString(16).padStart(this.#digits, '0')}`
    await output.write(`${address}: -- ${formatBytes(gap.length)} not there: ${gap.reason} --\n`)
  }

  end(): string {
    return ''
  }
}
