/** Writes AVML version 2 images: snappy frame streams. */
import { compressSync } from 'snappy'
import { maskedCrc32c } from '../../src/formats/crc32c.js'
import { rangeHeader } from './lime.js'
import type { ImageRun } from './runs.js'

const AVML_MAGIC = 0x4c4d5641
const STREAM_IDENTIFIER = Buffer.from('\xff\x06\0\0sNaPpY', 'latin1')

export interface AvmlOptions {
  /** Data bytes a chunk; at most 65536, the default. */
  readonly chunkBytes?: number
  /** Stores chunks uncompressed. */
  readonly stored?: boolean
  /** Adds a padding chunk and an empty data chunk to every stream. */
  readonly oddChunks?: boolean
}

/** AVML version 2, ranges in the order given. */
export function writeAvml(runs: readonly ImageRun[], options: AvmlOptions = {}): Buffer {
  return Buffer.concat(
    runs.flatMap(({ gpa, bytes }) => {
      const stream = writeSnappyFrames(bytes, options)
      const trailer = Buffer.alloc(8)
      trailer.writeBigUInt64LE(BigInt(stream.length))
      return [rangeHeader(AVML_MAGIC, 2, BigInt(gpa), BigInt(gpa + bytes.length - 1)), stream, trailer]
    }),
  )
}

/** A snappy frame stream of `bytes`. */
export function writeSnappyFrames(bytes: Uint8Array, options: AvmlOptions = {}): Buffer {
  const { chunkBytes = 65536, stored = false, oddChunks = false } = options
  const parts: Buffer[] = [STREAM_IDENTIFIER]
  if (oddChunks) parts.push(Buffer.from([0xfe, 3, 0, 0, 0, 0, 0]), dataChunk(new Uint8Array(0), true))
  for (let at = 0; at < bytes.length; at += chunkBytes)
    parts.push(dataChunk(bytes.subarray(at, at + chunkBytes), stored))
  return Buffer.concat(parts)
}

function dataChunk(data: Uint8Array, stored: boolean): Buffer {
  const packed = stored ? data : compressSync(Buffer.from(data))
  // As the writer does: a chunk that doesn't shrink is stored.
  const useStored = stored || packed.length >= data.length
  const payload = useStored ? data : packed
  const header = Buffer.alloc(8)
  header.writeUInt32LE((payload.length + 4) * 256 + (useStored ? 1 : 0), 0)
  header.writeUInt32LE(maskedCrc32c(data), 4)
  return Buffer.concat([header, payload])
}
