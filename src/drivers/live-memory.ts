/** A running guest's memory, put together from its sources: lent where a source can lend, else copied. */
import { hex } from '../core/address.js'
import { VmsiftError } from '../core/errors.js'
import type {
  ChangingMemory,
  MemoryRun,
  PhysicalMemory,
  Span,
  Window,
  WritableMemory,
} from '../core/memory.js'
import { findRun } from '../core/runs.js'
import type { CopyRoom } from '../ffi/process-vm.js'
import type { LiveSource } from './live-source.js'
import type { LivePieces } from './spec.js'

/** What was read longer ago is old: long enough for a list that is followed through tables read once, short for a person. */
const STALE_MS = 10
/** The unit in which memory that can't be read is passed. */
const RETRY_BYTES = 4096

export interface LiveParts {
  readonly runs: readonly MemoryRun[]
  readonly pieces: LivePieces
  readonly sources: readonly LiveSource[]
  /** Makes room to copy into. */
  readonly allocate: (length: number) => CopyRoom
}

export class LiveMemory implements PhysicalMemory, ChangingMemory {
  readonly runs: readonly MemoryRun[]
  protected readonly parts: LiveParts
  #room: CopyRoom | undefined
  #last = 0
  #open = true
  #freshFrom = performance.now()

  constructor(parts: LiveParts) {
    this.runs = parts.runs
    this.parts = parts
  }

  changed(): boolean {
    const now = performance.now()
    if (now - this.#freshFrom < STALE_MS) return false
    this.#freshFrom = now
    return true
  }

  spanAt(gpa: number, limit: number): Span {
    const index = this.find(gpa)
    if (index < 0) throw outOfRange(gpa, 1)
    const place = this.place(index, gpa)
    const most = Math.min(limit, this.end(index) - gpa)
    const source = this.source(index)
    const zeros = source.zerosAt(place, most)
    if (zeros > 0) return { kind: 'zero', length: zeros }
    return { kind: 'data', length: Math.max(1, Math.min(most, source.dataAt(place, most))) }
  }

  window(gpa: number, length: number): Window {
    const index = this.find(gpa)
    if (index < 0) throw outOfRange(gpa, length)
    if (gpa + length <= this.end(index)) {
      const source = this.source(index)
      const place = this.place(index, gpa)
      // showing memory that nobody has touched would take up memory of the host
      const bytes = source.zerosAt(place, length) < length ? source.lend(place, length) : undefined
      if (bytes !== undefined) return { bytes }
    }
    return this.#copy(gpa, length)
  }

  #copy(gpa: number, length: number): Window {
    const room = this.room(length)
    let done = 0
    while (done < length) {
      const index = this.find(gpa + done)
      if (index < 0) throw outOfRange(gpa, length)
      const source = this.source(index)
      const wanted = Math.min(length - done, this.end(index) - gpa - done)
      const got = source.copy(this.place(index, gpa + done), room, done, wanted)
      done += got
      if (got < wanted) return { bytes: room.bytes.subarray(0, done), stop: this.#stopAt(gpa + done, index) }
    }
    return { bytes: room.bytes.subarray(0, length) }
  }

  /** What follows the last byte that could be read: a page, or all of it when the guest is gone, or the rest of its file. */
  #stopAt(gpa: number, index: number): NonNullable<Window['stop']> {
    const source = this.source(index)
    const run = this.runs[findRun(this.runs, gpa)]
    const left = run === undefined ? RETRY_BYTES : run.gpa + run.length - gpa
    if (source.gone) return { reason: 'unreadable', length: left }
    if (source.endsBefore?.(this.place(index, gpa)) === true)
      return { reason: 'unreadable', length: this.end(index) - gpa }
    return { reason: 'unreadable', length: Math.min(left, RETRY_BYTES - (gpa % RETRY_BYTES)) }
  }

  /** Room for `length` bytes, kept for the next time. */
  protected room(length: number): CopyRoom {
    if (!this.#open) throw new VmsiftError('bad-argument', 'this memory is closed')
    if (this.#room === undefined || this.#room.bytes.length < length) this.#room = this.parts.allocate(length)
    return this.#room
  }

  protected source(index: number): LiveSource {
    return this.parts.sources[this.parts.pieces.source[index] as number] as LiveSource
  }

  protected end(index: number): number {
    const { gpa, length } = this.parts.pieces
    return (gpa[index] as number) + (length[index] as number)
  }

  protected place(index: number, gpa: number): number {
    const { gpa: starts, place } = this.parts.pieces
    return (place[index] as number) + gpa - (starts[index] as number)
  }

  /** Index of the piece that holds `gpa`, or -1; the last one found is tried first. */
  protected find(gpa: number): number {
    const { gpa: starts, length } = this.parts.pieces
    let low = 0
    let high = starts.length - 1
    let middle = this.#last
    while (low <= high) {
      const start = starts[middle] as number
      if (gpa < start) high = middle - 1
      else if (gpa >= start + (length[middle] as number)) low = middle + 1
      else {
        this.#last = middle
        return middle
      }
      middle = (low + high) >>> 1
    }
    return -1
  }

  [Symbol.dispose](): void {
    if (!this.#open) return
    this.#open = false
    for (const source of this.parts.sources) source[Symbol.dispose]()
    this.#room = undefined
  }
}

/** The same, where the guest's memory may be changed. */
export class WritableLiveMemory extends LiveMemory implements WritableMemory {
  write(gpa: number, bytes: Uint8Array): void {
    const parts = this.#partsOf(gpa, bytes.length)
    for (const { index, from, length } of parts) {
      const room = this.room(length)
      room.bytes.set(bytes.subarray(from, from + length))
      const done = this.source(index).write(this.place(index, gpa + from), room, length)
      if (done === length) continue
      const why = this.source(index).gone ? 'the guest has ended' : 'QEMU has no memory there any more'
      throw new VmsiftError(
        'out-of-range',
        `wrote ${from + done} of ${bytes.length} bytes at ${hex(gpa)}: ${why}`,
        { detail: { gpa, length: bytes.length, written: from + done } },
      )
    }
  }

  /** All of them, before anything is written. */
  #partsOf(gpa: number, length: number): { index: number; from: number; length: number }[] {
    const parts: { index: number; from: number; length: number }[] = []
    for (let from = 0; from < length; ) {
      const index = this.find(gpa + from)
      if (index < 0) throw outOfRange(gpa, length)
      const part = Math.min(length - from, this.end(index) - gpa - from)
      parts.push({ index, from, length: part })
      from += part
    }
    return parts
  }
}

function outOfRange(gpa: number, length: number): VmsiftError {
  return new VmsiftError('out-of-range', `no memory at ${hex(gpa)}..${hex(gpa + length)}`, {
    detail: { gpa, length },
  })
}
