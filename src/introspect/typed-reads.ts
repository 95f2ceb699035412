/** Reads of values by address: what a LibVMI program does with vmi_read_32_va and its kin. */
import { VmsiftError } from '../core/errors.js'
import type { VirtualMemory, VirtualRead } from '../core/virtual-memory.js'

/** Longest string looked for, unless another bound is asked for. */
const DEFAULT_STRING_BYTES = 4096
const STRING_PIECE_BYTES = 256
const MAX_STRING_BYTES = 1 << 20

/** How a string's bytes are to be read; `latin1` maps each byte to one character. */
export type TextEncoding = 'utf8' | 'latin1' | 'utf16'

/** A counted string as a structure: its length first, then (Windows' UNICODE_STRING, ANSI_STRING) its room and a pointer. */
export interface CountedStringLayout {
  readonly encoding: TextEncoding
  /** Bytes of the length field; default 2. */
  readonly lengthBytes?: 1 | 2 | 4
  /** Where the pointer to the text lies; absent: the text follows the length field. */
  readonly pointerOffset?: number
}

/** One of many reads. */
export interface ReadRequest {
  readonly address: bigint
  readonly length: number
}

/** Values from a space of addresses, little endian. `undefined`: not all bytes are there; `read` tells which. */
export class TypedReader {
  readonly memory: VirtualMemory

  constructor(memory: VirtualMemory) {
    this.memory = memory
  }

  /** Bytes with what is absent among them. */
  read(address: bigint, length: number): VirtualRead {
    return this.memory.read(address, length)
  }

  /** Many reads; the results stand in the order of the requests. */
  readMany(requests: readonly ReadRequest[]): VirtualRead[] {
    return requests.map(({ address, length }) => this.memory.read(address, length))
  }

  /** Exactly `length` bytes, or undefined when any of them is absent. */
  bytes(address: bigint, length: number): Buffer | undefined {
    const { bytes, absent } = this.memory.read(address, length)
    return absent.length === 0 ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) : undefined
  }

  u8(address: bigint): number | undefined {
    return this.bytes(address, 1)?.readUInt8()
  }

  u16(address: bigint): number | undefined {
    return this.bytes(address, 2)?.readUInt16LE()
  }

  u32(address: bigint): number | undefined {
    return this.bytes(address, 4)?.readUInt32LE()
  }

  u64(address: bigint): bigint | undefined {
    return this.bytes(address, 8)?.readBigUInt64LE()
  }

  i8(address: bigint): number | undefined {
    return this.bytes(address, 1)?.readInt8()
  }

  i16(address: bigint): number | undefined {
    return this.bytes(address, 2)?.readInt16LE()
  }

  i32(address: bigint): number | undefined {
    return this.bytes(address, 4)?.readInt32LE()
  }

  i64(address: bigint): bigint | undefined {
    return this.bytes(address, 8)?.readBigInt64LE()
  }

  /** A pointer of the guest's width. */
  pointer(address: bigint): bigint | undefined {
    if (this.memory.pointerBytes === 8) return this.u64(address)
    const value = this.u32(address)
    return value === undefined ? undefined : BigInt(value)
  }

  /** Follows pointers: reads one at `address + offsets[0]`, one at what that gave + `offsets[1]`, and so on. */
  follow(address: bigint, offsets: readonly number[]): bigint | undefined {
    let at: bigint | undefined = address
    for (const offset of offsets) at = at === undefined ? undefined : this.pointer(at + BigInt(offset))
    return at
  }

  /**
   * Text up to its NUL. Undefined when a byte before the NUL is absent, or there is no NUL within `maxBytes` (default 4096,
   * at most 1 MiB).
   */
  cString(
    address: bigint,
    maxBytes = DEFAULT_STRING_BYTES,
    encoding: TextEncoding = 'utf8',
  ): string | undefined {
    checkLength(maxBytes)
    const unit = encoding === 'utf16' ? 2 : 1
    const pieces: Buffer[] = []
    for (let done = 0; done < maxBytes; ) {
      const length = Math.min(STRING_PIECE_BYTES, maxBytes - done)
      const { bytes, absent } = this.memory.read(address + BigInt(done), length)
      const known = absent[0] === undefined ? length : Number(absent[0].va - address) - done
      const piece = Buffer.from(bytes.buffer, bytes.byteOffset, known)
      const end = endOf(piece, unit)
      if (end >= 0) return decode(Buffer.concat([...pieces, piece.subarray(0, end)]), encoding)
      if (known < length) return undefined
      pieces.push(piece)
      done += length
    }
    return undefined
  }

  /** `length` bytes of UTF-16LE, or undefined. */
  utf16(address: bigint, length: number): string | undefined {
    checkLength(length)
    return this.bytes(address, length)?.toString('utf16le')
  }

  /** A string that stands with its length in bytes; undefined when it is absent or longer than 1 MiB. */
  countedString(address: bigint, layout: CountedStringLayout): string | undefined {
    const { encoding, lengthBytes = 2, pointerOffset } = layout
    const length = this.bytes(address, lengthBytes)?.readUIntLE(0, lengthBytes)
    if (length === undefined || length > MAX_STRING_BYTES) return undefined
    if (length === 0) return ''
    const at =
      pointerOffset === undefined
        ? address + BigInt(lengthBytes)
        : this.pointer(address + BigInt(pointerOffset))
    const bytes = at === undefined ? undefined : this.bytes(at, length)
    return bytes === undefined ? undefined : decode(bytes, encoding)
  }
}

function checkLength(length: number): void {
  if (!Number.isInteger(length) || length < 0 || length > MAX_STRING_BYTES)
    throw new VmsiftError('bad-argument', `a string is at most ${MAX_STRING_BYTES} bytes, not ${length}`)
}

/** Offset of the first NUL of `unit` bytes, at a multiple of `unit`; -1 when there is none. */
function endOf(bytes: Buffer, unit: number): number {
  if (unit === 1) return bytes.indexOf(0)
  for (let at = 0; at + 1 < bytes.length; at += 2) if (bytes[at] === 0 && bytes[at + 1] === 0) return at
  return -1
}

function decode(bytes: Buffer, encoding: TextEncoding): string {
  return bytes.toString(encoding === 'utf16' ? 'utf16le' : encoding)
}
