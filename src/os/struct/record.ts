/** The bytes of one structure, and its members by name. */
import { type Layout, storageBytes } from './layout.js'

const decoder = new TextDecoder()

/** Guest bytes as text: UTF-8, anything else becomes U+FFFD. Nothing is escaped here. */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}

/** Bytes up to the first NUL (all of them when there is none) as text. */
export function cString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  return decodeText(end < 0 ? bytes : bytes.subarray(0, end))
}

/**
 * One structure as it stood when it was read, in one read. Every getter gives undefined for a member that this kernel lacks or
 * whose bytes are absent.
 */
export class StructRecord<K extends string> {
  /** Kernel virtual address of the structure. */
  readonly address: bigint
  readonly layout: Layout<K>
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #pointerBytes: 4 | 8
  /** Offsets in the span at which bytes are absent, as [start, end) pairs. */
  readonly #absent: readonly number[]

  constructor(
    layout: Layout<K>,
    address: bigint,
    bytes: Uint8Array,
    absent: readonly number[],
    pointerBytes: 4 | 8,
  ) {
    this.layout = layout
    this.address = address
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#absent = absent
    this.#pointerBytes = pointerBytes
  }

  /** Unsigned; bit fields too. Beyond 2^53 it is rounded: use `bigint` where all 64 bits count. */
  number(name: K): number | undefined {
    const member = this.layout.member(name)
    if (member === undefined) return undefined
    if (member.bits !== undefined || member.bytes === 8) {
      const value = this.bigint(name)
      return value === undefined ? undefined : Number(value)
    }
    const at = this.#place(name, member.bytes)
    if (at === undefined) return undefined
    if (member.bytes === 4) return this.#view.getUint32(at, true)
    if (member.bytes === 2) return this.#view.getUint16(at, true)
    return member.bytes === 1 ? this.#view.getUint8(at) : undefined
  }

  /** Two's complement. Beyond 2^53 it is rounded. */
  signed(name: K): number | undefined {
    const value = this.bigint(name)
    const member = this.layout.member(name)
    if (value === undefined || member === undefined) return undefined
    return Number(BigInt.asIntN(member.bits?.count ?? member.bytes * 8, value))
  }

  /** Unsigned, exact, up to 64 bits; bit fields too. */
  bigint(name: K): bigint | undefined {
    const member = this.layout.member(name)
    if (member === undefined) return undefined
    const bytes = storageBytes(member)
    const at = bytes > 0 && bytes <= 9 ? this.#place(name, bytes) : undefined
    if (at === undefined) return undefined
    if (member.bits === undefined && bytes > 8) return undefined
    if (member.bits === undefined && bytes === 8) return this.#view.getBigUint64(at, true)
    let value = 0n
    for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#view.getUint8(at + i))
    if (member.bits === undefined) return value
    return BigInt.asUintN(member.bits.count, value >> BigInt(member.bits.first))
  }

  /** A pointer, or anything as wide as one (the first pointer of a list_head). */
  pointer(name: K): bigint | undefined {
    const at = this.#place(name, this.#pointerBytes)
    if (at === undefined) return undefined
    return this.#pointerBytes === 8
      ? this.#view.getBigUint64(at, true)
      : BigInt(this.#view.getUint32(at, true))
  }

  /** A pointer that is not NULL. */
  link(name: K): bigint | undefined {
    const value = this.pointer(name)
    return value === 0n ? undefined : value
  }

  /** An array of characters, up to its first NUL. */
  text(name: K): string | undefined {
    const bytes = this.bytes(name)
    return bytes === undefined ? undefined : cString(bytes)
  }

  /** The member's bytes: a view of the record, valid as long as it is. */
  bytes(name: K): Uint8Array | undefined {
    const member = this.layout.member(name)
    if (member === undefined) return undefined
    const at = this.#place(name, member.bytes)
    return at === undefined ? undefined : this.#bytes.subarray(at, at + member.bytes)
  }

  /** Kernel virtual address of the member itself. */
  addressOf(name: K): bigint | undefined {
    const offset = this.layout.offset(name)
    return offset === undefined ? undefined : this.address + BigInt(offset)
  }

  /** Where `length` bytes of the member stand in the span, when they are all there. */
  #place(name: K, length: number): number | undefined {
    const offset = this.layout.offset(name)
    if (offset === undefined) return undefined
    const at = offset - this.layout.spanOffset
    if (at + length > this.#bytes.length) return undefined
    for (let i = 0; i < this.#absent.length; i += 2) {
      const start = this.#absent[i] ?? 0
      const end = this.#absent[i + 1] ?? 0
      if (start < at + length && end > at) return undefined
    }
    return at
  }
}
