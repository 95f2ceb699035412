/** The snappy framing format (google/snappy framing_format.txt): chunk headers, without decompressing. */
import type { ByteSource } from '../core/bytes.js'
import { corrupt } from './corrupt.js'

/** A chunk's decompressed data is at most this (framing_format.txt 4.2). */
export const MAX_CHUNK_DATA = 65536
/** Bytes before a data chunk's payload: type, 24-bit length, checksum. */
export const CHUNK_HEADER_BYTES = 8
/** Largest payload of a compressed chunk: snappy's own bound for 65536 bytes. */
export const MAX_COMPRESSED = 32 + MAX_CHUNK_DATA + Math.floor(MAX_CHUNK_DATA / 6)

const COMPRESSED = 0x00
const UNCOMPRESSED = 0x01
const FIRST_SKIPPABLE = 0x80
const STREAM_IDENTIFIER = 0xff

/** A chunk as its header tells. `dataBytes` is its decompressed length, 0 for a chunk that carries no data. */
export interface ChunkHeader {
  readonly compressed: boolean
  /** Payload bytes behind `CHUNK_HEADER_BYTES`. */
  readonly payloadBytes: number
  readonly dataBytes: number
  /** Bytes of the whole chunk in the file. */
  readonly totalBytes: number
}

/** Reads chunk headers through one small buffer. */
export class ChunkHeaderReader {
  readonly #source: ByteSource
  readonly #bytes = Buffer.alloc(16)

  constructor(source: ByteSource) {
    this.#source = source
  }

  /**
   * The chunk at `offset`; `undefined` when the file ends inside it.
   * @throws VmsiftError `image-corrupt`: a reserved type, a length past the format's bounds.
   */
  read(offset: number): ChunkHeader | undefined {
    const bytes = this.#bytes
    const got = offset < this.#source.size ? this.#source.read(offset, bytes) : 0
    if (got < 4) return undefined
    const type = bytes.readUInt8(0)
    const length = bytes.readUIntLE(1, 3)
    const totalBytes = 4 + length
    if (offset + totalBytes > this.#source.size) return undefined
    if (type === STREAM_IDENTIFIER) {
      if (length !== 6 || bytes.toString('latin1', 4, 10) !== 'sNaPpY')
        throw corrupt(`not a snappy stream at offset ${offset}`, { offset, length })
      return { compressed: false, payloadBytes: 0, dataBytes: 0, totalBytes }
    }
    if (type >= FIRST_SKIPPABLE) return { compressed: false, payloadBytes: 0, dataBytes: 0, totalBytes }
    if (type !== COMPRESSED && type !== UNCOMPRESSED)
      throw corrupt(`snappy chunk of reserved type ${type} at offset ${offset}`, { offset, type })
    const payloadBytes = length - 4
    const compressed = type === COMPRESSED
    const dataBytes = compressed
      ? varint(bytes.subarray(CHUNK_HEADER_BYTES, Math.min(got, totalBytes)))
      : payloadBytes
    if (
      payloadBytes < 0 ||
      payloadBytes > MAX_COMPRESSED ||
      dataBytes === undefined ||
      dataBytes > MAX_CHUNK_DATA
    )
      throw corrupt(`snappy chunk at offset ${offset} is out of bounds: length=${length} data=${dataBytes}`, {
        offset,
        length,
        dataBytes,
      })
    return { compressed, payloadBytes, dataBytes, totalBytes }
  }
}

/** The decompressed length that a raw snappy block starts with (format_description.txt 1); `undefined` when it is none. */
export function varint(bytes: Uint8Array): number | undefined {
  let value = 0
  for (let i = 0; i < 5; i++) {
    const byte = bytes[i]
    if (byte === undefined) return undefined
    value += (byte & 127) * 2 ** (7 * i)
    if (byte < 128) return value < 2 ** 32 ? value : undefined
  }
  return undefined
}
