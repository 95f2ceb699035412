/** `pagemap.bin` beside a dump: every page of every process, in records of 24 bytes, little endian. */
import type { PageRun } from './witness.js'

/** u32 pid, u32 flags, u64 virtual page number, u64 frame number (of a swapped page: type + offset * 32). */
export const PAGE_RECORD_BYTES = 24

export const PAGE_PRESENT = 1
export const PAGE_SWAPPED = 2
/** Of a file, or shared anonymous memory. */
export const PAGE_SHARED = 4
/** Mapped by this process alone. */
export const PAGE_EXCLUSIVE = 8

/** The file's bytes. */
export function writePages(runs: readonly PageRun[]): Buffer {
  const bytes = Buffer.alloc(runs.reduce((sum, run) => sum + run.count, 0) * PAGE_RECORD_BYTES)
  let at = 0
  for (const run of runs) {
    const flags =
      (run.swapped ? PAGE_SWAPPED : PAGE_PRESENT) |
      (run.shared ? PAGE_SHARED : 0) |
      (run.exclusive ? PAGE_EXCLUSIVE : 0)
    for (let i = 0; i < run.count; i++) {
      bytes.writeUInt32LE(run.pid, at)
      bytes.writeUInt32LE(flags, at + 4)
      bytes.writeBigUInt64LE(BigInt(run.page + i), at + 8)
      bytes.writeBigUInt64LE(BigInt(run.frame + i), at + 16)
      at += PAGE_RECORD_BYTES
    }
  }
  return bytes
}

export interface PageRecord {
  readonly pid: number
  readonly flags: number
  readonly page: number
  readonly frame: number
}

/** The file's records, in its order: by process, by address. */
export function* readPages(bytes: Uint8Array): Generator<PageRecord> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at + PAGE_RECORD_BYTES <= view.byteLength; at += PAGE_RECORD_BYTES) {
    yield {
      pid: view.getUint32(at, true),
      flags: view.getUint32(at + 4, true),
      page: Number(view.getBigUint64(at + 8, true)),
      frame: Number(view.getBigUint64(at + 16, true)),
    }
  }
}
