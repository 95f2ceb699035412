/** The bytes of an open file as a `ByteSource`, with one read-ahead buffer for parsers that hop from header to header. */
import { fstatSync, readSync } from 'node:fs'
import type { ByteSource } from '../core/bytes.js'

const BUFFER_BYTES = 65536

/**
 * Reads through `fd`, which stays the caller's. Small reads are served from a 64 KiB buffer; large ones go straight
 * through. An error of the disk reads as the end of the bytes: the caller sees a short read.
 */
export function fileSource(fd: number, bufferBytes = BUFFER_BYTES): ByteSource {
  const buffer = Buffer.allocUnsafeSlow(bufferBytes)
  let start = 0
  let end = 0
  return {
    size: fstatSync(fd).size,
    read(offset, target) {
      if (target.length >= bufferBytes / 2) return readFully(fd, target, offset)
      if (offset < start || offset + target.length > end) {
        start = offset
        end = offset + readFully(fd, buffer, offset)
      }
      const got = Math.max(0, Math.min(target.length, end - offset))
      target.set(buffer.subarray(offset - start, offset - start + got))
      return got
    },
  }
}

/** pread(2) until `target` is full, the file ends, or the disk fails; returns the bytes read. */
export function readFully(fd: number, target: Uint8Array, offset: number): number {
  let done = 0
  while (done < target.length) {
    let got: number
    try {
      got = readSync(fd, target, done, Math.min(target.length - done, 0x4000_0000), offset + done)
    } catch (error) {
      if (isDiskError(error)) return done
      throw error
    }
    if (got === 0) return done
    done += got
  }
  return done
}

function isDiskError(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code
  return code === 'EIO' || code === 'ENODATA' || code === 'EUCLEAN' || code === 'EBADMSG' || code === 'ESTALE'
}
