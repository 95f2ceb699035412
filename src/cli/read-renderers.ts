/** Three ways to print bytes, each in pieces of any length. */
import { hex } from '../core/address.js'
import { hexdump, LINE_BYTES } from '../core/hexdump.js'
import type { Output } from './output.js'
import { hexBytes } from './scan-json.js'
import { formatBytes } from './units.js'

/** A stretch that could not be read. */
export interface Missing {
  readonly address: bigint
  readonly length: number
  readonly reason: string
}

export interface ByteRenderer {
  /** Prints bytes; they are free again when the promise resolves. */
  bytes(output: Output, bytes: Uint8Array, address: bigint): Promise<void>
  gap(output: Output, gap: Missing): Promise<void>
  /** The last text. */
  end(gaps: readonly Missing[]): string
}

/**
 * The renderer for `--raw`, `--json`, or a hexdump. `length` is what memory holds from `address` on; gaps are named by
 * physical (`pa`) or virtual (`va`) addresses.
 */
export function chooseByteRenderer(
  options: { readonly raw?: boolean; readonly json?: boolean },
  address: bigint,
  length: number,
  kind: 'pa' | 'va',
): ByteRenderer {
  if (options.raw === true) return new RawRenderer()
  if (options.json === true) return new JsonByteRenderer(address, length, kind)
  return new HexdumpRenderer(address + BigInt(length))
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

  gap(output: Output, gap: Missing): Promise<void> {
    return inPieces(gap.length, piece => output.writeBytes(piece))
  }

  end(): string {
    return ''
  }
}

class JsonByteRenderer implements ByteRenderer {
  readonly #kind: 'pa' | 'va'
  #head: string

  constructor(address: bigint, length: number, kind: 'pa' | 'va') {
    this.#kind = kind
    this.#head = `{"address":"${hex(address)}","length":${length},"data":"`
  }

  async bytes(output: Output, bytes: Uint8Array): Promise<void> {
    await output.write(this.#takeHead() + hexBytes(bytes))
  }

  async gap(output: Output, gap: Missing): Promise<void> {
    await output.write(this.#takeHead())
    await inPieces(gap.length, piece => output.write(hexBytes(piece)))
  }

  end(gaps: readonly Missing[]): string {
    const fields = gaps.map(gap => ({
      [this.#kind]: hex(gap.address),
      length: gap.length,
      reason: gap.reason,
    }))
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

  constructor(end: bigint) {
    this.#digits = Math.max(8, (end - 1n).toString(16).length)
  }

  async bytes(output: Output, bytes: Uint8Array, address: bigint): Promise<void> {
    // In small steps: a line is five times as long as its bytes.
    const step = LINE_BYTES * 1024
    for (let start = 0; start < bytes.length; start += step) {
      const full = output.write(
        hexdump(bytes.subarray(start, start + step), address + BigInt(start), this.#digits),
      )
      if (full !== undefined) await full
    }
  }

  async gap(output: Output, gap: Missing): Promise<void> {
    const address = `0x${gap.address.toString(16).padStart(this.#digits, '0')}`
    await output.write(`${address}: -- ${formatBytes(gap.length)} not there: ${gap.reason} --\n`)
  }

  end(): string {
    return ''
  }
}
