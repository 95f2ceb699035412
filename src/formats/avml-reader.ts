/** Random access to the chunks of an AVML image. */
import { hex } from '../core/address.js'
import type { ByteSource } from '../core/bytes.js'
import { VmsiftError } from '../core/errors.js'
import type { Span } from '../core/memory.js'
import { lastAtOrBelow } from '../core/sorted.js'
import { snappyInto } from './codecs.js'
import { corrupt, truncatedBlock } from './corrupt.js'
import { maskedCrc32c } from './crc32c.js'
import { AVML_HOLE, AVML_TRUNCATED, type AvmlIndex, type BlockReader } from './image.js'
import { CHUNK_HEADER_BYTES, ChunkHeaderReader, MAX_CHUNK_DATA, MAX_COMPRESSED } from './snappy-frame.js'

/** Opens an AVML image's chunks; a block is one snappy chunk, at most 64 KiB. */
export function openAvml(index: AvmlIndex, source: ByteSource): BlockReader {
  const { gpa, offset } = index
  const headers = new ChunkHeaderReader(source)
  const scratch = Buffer.alloc(CHUNK_HEADER_BYTES + MAX_COMPRESSED)

  const entryAt = (address: number): number => {
    const entry = lastAtOrBelow(gpa, address)
    if (entry < 0 || offset[entry] === AVML_HOLE)
      throw new VmsiftError('out-of-range', `no memory at ${hex(address)}`, { detail: { gpa: address } })
    return entry
  }

  return {
    maxBlockBytes: MAX_CHUNK_DATA,

    locate(address, limit) {
      const entry = entryAt(address)
      const start = gpa[entry] as number
      const length = (gpa[entry + 1] as number) - start
      if (offset[entry] !== AVML_TRUNCATED) return { start, span: { kind: 'data', length } }
      const span: Span = {
        kind: 'gap',
        length: Math.min(length, address + limit - start),
        reason: 'truncated',
      }
      return { start, span }
    },

    decode(start, target) {
      const entry = entryAt(start)
      const at = offset[entry] as number
      const expected = (gpa[entry + 1] as number) - start
      const chunk = at >= 0 ? headers.read(at) : undefined
      if (chunk === undefined) throw truncatedBlock(`AVML chunk of ${hex(start)}`, at, expected, source.size)
      if (chunk.dataBytes !== expected)
        throw corrupt(`AVML chunk changed since the image was opened: ${hex(start)}`, { start, at })
      const bytes = scratch.subarray(0, CHUNK_HEADER_BYTES + chunk.payloadBytes)
      if (source.read(at, bytes) < bytes.length)
        throw truncatedBlock(`AVML chunk of ${hex(start)}`, at, bytes.length, source.size)
      const payload = bytes.subarray(CHUNK_HEADER_BYTES)
      const data = target.subarray(0, expected)
      if (chunk.compressed) snappyInto(payload, data)
      else data.set(payload)
      const crc = bytes.readUInt32LE(4)
      const actual = maskedCrc32c(data)
      if (actual !== crc)
        throw corrupt(
          `wrong checksum of the AVML chunk at offset ${at}: ${hex(actual)}, stored ${hex(crc)}`,
          {
            at,
            crc,
            actual,
          },
        )
      return expected
    },
  }
}
