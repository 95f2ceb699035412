/** The contract of the dump formats, and the loop that feeds them. */
import { setImmediate } from 'node:timers/promises'
import type { Gap, PhysicalMemory } from '../core/memory.js'

/** Takes memory in ascending order of address, every byte of every run exactly once. */
export interface MemoryWriter {
  /** Bytes at `gpa`, borrowed until the promise resolves. */
  data(gpa: number, bytes: Uint8Array): Promise<void>
  /** Zeros at `gpa`: part of the memory, but they take no room. */
  zeros(gpa: number, length: number): void
  /** Bytes that the source does not give. */
  gap(gap: Gap): void
  /** Writes headers and sets the file's length. */
  finish(): Promise<Finished>
}

export interface Finished {
  /** Ranges in the file. */
  readonly ranges: number
  /** The file's length, holes included. */
  readonly fileBytes: number
}

export interface CopyOptions {
  readonly signal?: AbortSignal
  /** Called after each piece with the bytes done so far. */
  readonly onProgress?: (bytesDone: number) => void
}

const PIECE_BYTES = 2 ** 20

/**
 * Hands all of `memory` to `writer`. Returns the gaps, neighbours with the same reason joined; when `signal` aborts it
 * stops between two pieces.
 */
export async function copyMemory(
  memory: PhysicalMemory,
  writer: MemoryWriter,
  options: CopyOptions = {},
): Promise<Gap[]> {
  const gaps: Gap[] = []
  const gap = (next: Gap) => {
    writer.gap(next)
    addGap(gaps, next)
  }
  let bytesDone = 0
  for (const run of memory.runs) {
    const end = run.gpa + run.length
    for (let gpa = run.gpa; gpa < end && options.signal?.aborted !== true; ) {
      const next = await copyPiece(memory, writer, gpa, end, gap)
      bytesDone += next - gpa
      gpa = next
      options.onProgress?.(bytesDone)
      // Pages of zeros are never awaited for: give signals their turn.
      await setImmediate()
    }
  }
  return gaps
}

/** Copies what stands at `gpa`; returns the address behind it. */
async function copyPiece(
  memory: PhysicalMemory,
  writer: MemoryWriter,
  gpa: number,
  end: number,
  gap: (gap: Gap) => void,
): Promise<number> {
  const span = memory.spanAt(gpa, end - gpa)
  if (span.kind === 'zero') writer.zeros(gpa, span.length)
  if (span.kind === 'gap') gap({ gpa, length: span.length, reason: span.reason })
  if (span.kind !== 'data') return gpa + span.length
  const { bytes, stop } = memory.window(gpa, dataLength(memory, gpa, span.length, end))
  if (bytes.length > 0) await writer.data(gpa, bytes)
  const done = gpa + bytes.length
  if (stop === undefined) return done
  const length = Math.min(stop.length, end - done)
  gap({ gpa: done, length, reason: stop.reason })
  return done + length
}

/** Data spans of compressed images are one small block each: reads go over several. */
function dataLength(memory: PhysicalMemory, gpa: number, first: number, end: number): number {
  let length = Math.min(first, PIECE_BYTES)
  while (length < PIECE_BYTES && gpa + length < end) {
    const next = memory.spanAt(gpa + length, Math.min(PIECE_BYTES - length, end - gpa - length))
    if (next.kind !== 'data') break
    length += next.length
  }
  return Math.min(length, PIECE_BYTES)
}

function addGap(gaps: Gap[], next: Gap): void {
  const last = gaps.at(-1)
  if (last !== undefined && last.gpa + last.length === next.gpa && last.reason === next.reason)
    gaps[gaps.length - 1] = { ...last, length: last.length + next.length }
  else gaps.push(next)
}
