/** Random access to the bytes of an image file, and bounded little- and big-endian readers over them. */
import { VmsiftError } from './errors.js'

/** Random-access bytes: a file, a buffer, a flattened dump put back in order. Reads are synchronous. */
export interface ByteSource {
  /** Bytes in all. */
  readonly size: number
  /** Copies up to `target.length` bytes from `offset`; returns how many there were (fewer only at the end, or where the source stops). */
  read(offset: number, target: Uint8Array): number
}

/** A source over bytes already in memory. */
export function bufferSource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    read(offset, target) {
      const part = bytes.subarray(offset, offset + target.length)
      target.set(part)
      return part.length
    },
  }
}

/**
 * Reads exactly `length` bytes.
 * @throws VmsiftError `image-corrupt` naming `what` when the source ends before.
 */
export function readExact(source: ByteSource, offset: number, length: number, what: string): Buffer {
  const bytes = Buffer.alloc(length)
  const got = offset >= 0 && offset <= source.size ? source.read(offset, bytes) : 0
  if (got < length)
    throw new VmsiftError(
      'image-corrupt',
      `${what} is cut short: ${length} bytes wanted at offset ${offset}, ${got} there`,
      {
        detail: { offset, length, got },
      },
    )
  return bytes
}

/**
 * A 64-bit little-endian unsigned integer as a number.
 * Values beyond 2^53 lose precision but stay huge, so range checks still refuse them.
 */
export function u64le(bytes: Buffer, offset: number): number {
  return bytes.readUInt32LE(offset + 4) * 2 ** 32 + bytes.readUInt32LE(offset)
}

/** As `u64le`, big-endian. */
export function u64be(bytes: Buffer, offset: number): number {
  return bytes.readUInt32BE(offset) * 2 ** 32 + bytes.readUInt32BE(offset + 4)
}
