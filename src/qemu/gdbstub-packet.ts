/**
 * Packets of the GDB remote serial protocol: `$data#checksum`, `}` escapes, `*` repeats
 * (GDB manual, "Remote Protocol": https://sourceware.org/gdb/current/onlinedocs/gdb.html/Overview.html).
 */

const DOLLAR = 0x24
const HASH = 0x23
const PERCENT = 0x25
const PLUS = 0x2b
const MINUS = 0x2d
const STAR = 0x2a
const ESCAPE = 0x7d
const REPEAT_BIAS = 29

/** Bytes of a packet after repeats: QEMU's own limit is 4 KiB, newer ones' 128 KiB. */
const MAX_PACKET_BYTES = 1 << 20
/** Bytes between packets that are none of the protocol's. */
const MAX_NOISE_BYTES = 4096

/** The packet's bytes on the wire; text is latin1, a byte each character. */
export function encodePacket(text: string): Buffer {
  const body: number[] = [DOLLAR]
  let sum = 0
  for (const byte of Buffer.from(text, 'latin1')) {
    const escaped = byte === DOLLAR || byte === HASH || byte === STAR || byte === ESCAPE
    if (escaped) {
      body.push(ESCAPE)
      sum += ESCAPE
    }
    const sent = escaped ? byte ^ 0x20 : byte
    body.push(sent)
    sum += sent
  }
  return Buffer.concat([
    Buffer.from(body),
    Buffer.from(`#${(sum % 256).toString(16).padStart(2, '0')}`, 'latin1'),
  ])
}

/** What comes off the wire. `broken`: a packet whose checksum is wrong; `noise`: bytes that are no protocol, or too many. */
export type Received =
  | { readonly kind: 'packet'; readonly text: string }
  | { readonly kind: 'notification'; readonly text: string }
  | { readonly kind: 'ack' }
  | { readonly kind: 'nak' }
  | { readonly kind: 'broken' }
  | { readonly kind: 'noise' }

/** Cuts the byte stream into packets. What it holds is bounded, whatever comes. */
export class PacketReader {
  /** Raw bytes of the packet being read, without frame; undefined between packets. */
  #raw: Buffer | undefined
  #length = 0
  #notification = false
  /** Characters of the checksum so far. */
  #sum: string | undefined
  #noise = 0

  /** Everything that `chunk` completes, in order. After `noise` the stream makes no sense any more. */
  push(chunk: Uint8Array): Received[] {
    const out: Received[] = []
    for (const byte of chunk) {
      const item = this.#byte(byte)
      if (item !== undefined) out.push(item)
      if (item?.kind === 'noise') break
    }
    return out
  }

  #byte(byte: number): Received | undefined {
    if (this.#raw === undefined) return this.#between(byte)
    if (this.#sum !== undefined) {
      this.#sum += String.fromCharCode(byte)
      return this.#sum.length === 2 ? this.#finish(this.#raw.subarray(0, this.#length), this.#sum) : undefined
    }
    if (byte === HASH) {
      this.#sum = ''
      return undefined
    }
    if (byte === DOLLAR) {
      // The sender began anew: what came before was cut off.
      this.#length = 0
      return undefined
    }
    if (this.#length === MAX_PACKET_BYTES) return { kind: 'noise' }
    if (this.#length === this.#raw.length) {
      const grown = Buffer.alloc(this.#raw.length * 2)
      this.#raw.copy(grown)
      this.#raw = grown
    }
    this.#raw[this.#length++] = byte
    return undefined
  }

  #between(byte: number): Received | undefined {
    if (byte === DOLLAR || byte === PERCENT) {
      this.#raw = Buffer.alloc(4096)
      this.#length = 0
      this.#notification = byte === PERCENT
      this.#noise = 0
      return undefined
    }
    if (byte === PLUS) return { kind: 'ack' }
    if (byte === MINUS) return { kind: 'nak' }
    return ++this.#noise > MAX_NOISE_BYTES ? { kind: 'noise' } : undefined
  }

  #finish(raw: Buffer, sum: string): Received {
    this.#raw = undefined
    this.#sum = undefined
    let actual = 0
    for (const byte of raw) actual += byte
    if (!/^[0-9a-f]{2}$/i.test(sum) || Number.parseInt(sum, 16) !== actual % 256) return { kind: 'broken' }
    const text = decode(raw)
    if (text === undefined) return { kind: 'noise' }
    return { kind: this.#notification ? 'notification' : 'packet', text }
  }
}

/** Undoes escapes and repeats; undefined when the result would be too long. */
function decode(raw: Buffer): string | undefined {
  const length = unpack(raw, undefined)
  if (length > MAX_PACKET_BYTES) return undefined
  const bytes = Buffer.alloc(length)
  unpack(raw, bytes)
  return bytes.toString('latin1')
}

/** Writes the bytes into `target`, where there is one, and returns how many they are. */
function unpack(raw: Buffer, target: Buffer | undefined): number {
  let length = 0
  let last = 0
  for (let at = 0; at < raw.length; at++) {
    const byte = raw[at] as number
    if (byte === STAR && length > 0 && at + 1 < raw.length) {
      at++
      const repeats = Math.max(0, (raw[at] as number) - REPEAT_BIAS)
      target?.fill(last, length, length + repeats)
      length += repeats
      continue
    }
    if (byte === ESCAPE) at++
    last = byte === ESCAPE ? (raw[at] ?? 0) ^ 0x20 : byte
    if (target !== undefined) target[length] = last
    length++
  }
  return length
}
