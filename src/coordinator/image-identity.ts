/** What tells one image file from another, and from itself after a change, without reading all of it. */
import { createHash } from 'node:crypto'
import { fstatSync, readSync } from 'node:fs'
import { resolve } from 'node:path'

const SAMPLE_BYTES = 4096
const SAMPLES = 16

/**
 * A name for the file's content as it is now: device, inode, size, times of change, and a hash over pages spread evenly over it. `salt`
 * is whatever else decides what is found in it. 64 hex digits.
 */
export function imageIdentity(fd: number, path: string, salt: readonly string[]): string {
  const stat = fstatSync(fd, { bigint: true })
  const hash = createHash('sha256')
  hash.update(
    JSON.stringify([
      resolve(path),
      ...[stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].map(String),
      ...salt,
    ]),
  )
  const size = Number(stat.size)
  const page = Buffer.alloc(SAMPLE_BYTES)
  for (let i = 0; i < SAMPLES; i++) {
    const offset = Math.floor(((size - SAMPLE_BYTES) * i) / (SAMPLES - 1) / SAMPLE_BYTES) * SAMPLE_BYTES
    const got = readSync(fd, page, 0, SAMPLE_BYTES, Math.max(0, offset))
    hash.update(page.subarray(0, got))
  }
  return hash.digest('hex')
}
