/** Memory of a compressed image: blocks decompressed on demand, with a bounded cache. */
import { hex } from '../core/address.js'
import { VmsiftError } from '../core/errors.js'
import type { MemoryRun, PhysicalMemory, ReadStop, Span, Window } from '../core/memory.js'
import { findRun } from '../core/runs.js'
import { blockFailure } from '../formats/corrupt.js'
import type { BlockReader } from '../formats/image.js'
import { BlockCache } from './block-cache.js'

const MAX_WINDOW = 64 << 20
/** Blocks are joined to spans no longer than this: whoever asks again and again must not pay for all that follows. */
const MAX_JOINED = 4 * 2 ** 20
const CACHE_BYTES = 4 << 20
/** Requests below this are page walks and structures, which come back to the same blocks; above, a scan that won't. */
const SCAN_BYTES = 64 << 10

/** Memory over `reader`, one instance a thread. `cacheBytes` bounds the decompressed blocks kept. */
export function openBlockMemory(
  runs: readonly MemoryRun[],
  reader: BlockReader,
  cacheBytes = CACHE_BYTES,
): PhysicalMemory {
  return new BlockMemory(runs, reader, cacheBytes)
}

class BlockMemory implements PhysicalMemory {
  readonly runs: readonly MemoryRun[]
  readonly #reader: BlockReader
  readonly #cache: BlockCache
  #scratch = new Uint8Array(0)

  constructor(runs: readonly MemoryRun[], reader: BlockReader, cacheBytes: number) {
    this.runs = runs
    this.#reader = reader
    this.#cache = new BlockCache(cacheBytes, reader.maxBlockBytes)
  }

  spanAt(gpa: number, limit: number): Span {
    const end = Math.min(gpa + Math.min(limit, MAX_JOINED), this.#runEnd(gpa))
    const first = this.#at(gpa, end)
    if (first.kind !== 'data') return first
    let length = first.length
    while (gpa + length < end) {
      const next = this.#at(gpa + length, end)
      if (next.kind !== 'data') break
      length += next.length
    }
    return { kind: 'data', length }
  }

  window(gpa: number, length: number): Window {
    if (length > MAX_WINDOW || gpa + length > this.#runEnd(gpa))
      throw new VmsiftError(
        'out-of-range',
        `window of ${length} bytes at ${hex(gpa)} passes its run or 64 MiB`,
        {
          detail: { gpa, length },
        },
      )
    const bytes = this.#room(length + this.#reader.maxBlockBytes)
    let done = 0
    while (done < length) {
      const at = gpa + done
      const { start, span } = this.#reader.locate(at, length - done)
      const part = Math.min(length - done, start + span.length - at)
      if (span.kind === 'gap')
        return { bytes: bytes.subarray(0, done), stop: { reason: span.reason, length: part } }
      if (span.kind === 'zero') bytes.fill(0, done, done + part)
      else {
        const stop = this.#fill(bytes, done, start, at - start, part, span.length, length)
        if (stop !== undefined) return { bytes: bytes.subarray(0, done), stop }
      }
      done += part
    }
    return { bytes: bytes.subarray(0, length) }
  }

  [Symbol.dispose](): void {
    this.#cache.clear()
    this.#scratch = new Uint8Array(0)
  }

  /** Puts `part` bytes of the block at `start`, from `skip` on, at `done`; or says why not. */
  #fill(
    bytes: Uint8Array,
    done: number,
    start: number,
    skip: number,
    part: number,
    blockBytes: number,
    asked: number,
  ): ReadStop | undefined {
    try {
      const cached = this.#cache.get(start)
      // A whole block of a scan goes straight to its place: there is room for one behind the end.
      if (cached === undefined && part === blockBytes && asked >= SCAN_BYTES)
        this.#reader.decode(start, bytes.subarray(done, done + this.#reader.maxBlockBytes))
      else bytes.set((cached ?? this.#cache.add(start, this.#reader)).subarray(skip, skip + part), done)
      return undefined
    } catch (error) {
      return { reason: blockFailure(error), length: part }
    }
  }

  #at(gpa: number, end: number): Span {
    const { start, span } = this.#reader.locate(gpa, end - gpa)
    return { ...span, length: Math.min(start + span.length, end) - gpa }
  }

  #runEnd(gpa: number): number {
    const run = this.runs[findRun(this.runs, gpa)]
    if (run === undefined)
      throw new VmsiftError('out-of-range', `no memory at ${hex(gpa)}`, { detail: { gpa } })
    return run.gpa + run.length
  }

  #room(length: number): Uint8Array {
    if (this.#scratch.length < length) this.#scratch = new Uint8Array(length)
    return this.#scratch
  }
}
