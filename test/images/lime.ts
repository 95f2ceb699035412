/** Writes LiME images: version 1, and "padded", which has no headers. */
import type { ImageRun } from './runs.js'

const LIME_MAGIC = 0x4c694d45

/** The 32-byte header of LiME (version 1) and AVML (version 2). `last` is inclusive. */
export function rangeHeader(magic: number, version: number, first: bigint, last: bigint): Buffer {
  const header = Buffer.alloc(32)
  header.writeUInt32LE(magic, 0)
  header.writeUInt32LE(version, 4)
  header.writeBigUInt64LE(first, 8)
  header.writeBigUInt64LE(last, 16)
  return header
}

/** LiME version 1, ranges in the order given. */
export function writeLime(runs: readonly ImageRun[]): Buffer {
  return Buffer.concat(
    runs.flatMap(({ gpa, bytes }) => [
      rangeHeader(LIME_MAGIC, 1, BigInt(gpa), BigInt(gpa + bytes.length - 1)),
      bytes,
    ]),
  )
}

/** LiME `format=padded`: offset is address, holes are zeros. Also what a raw dump is. */
export function writePadded(runs: readonly ImageRun[]): Buffer {
  const image = Buffer.alloc(Math.max(...runs.map(({ gpa, bytes }) => gpa + bytes.length)))
  for (const { gpa, bytes } of runs) image.set(bytes, gpa)
  return image
}
