/**
 * Guest memory that lies uncompressed in a file: lent from a mapping where the file can be held still, else copied.
 */

import { hex } from '../core/address.js'
import { VmsiftError } from '../core/errors.js'
import type { LeasedMemory, MemoryRun, PhysicalMemory, ReadStop, Span, Window } from '../core/memory.js'
import { EXCLUDED_EXTENT, type ExtentTable, ZERO_EXTENT } from '../formats/image.js'
import type { FileHoles } from './file-holes.js'
import type { FileMap } from './file-map.js'
import { readFully } from './file-source.js'
import type { PageCache } from './page-cache.js'

/** Shorter reads are of page tables and structures, here and there: to read ahead of them, or ask for holes, costs more than they do. */
const STREAMED_BYTES = 256 * 1024
/** Bytes tried again one by one after a read failed: the smallest unit a disk loses. */
const RETRY_BYTES = 4096

/** What the machine offers beside pread; each may be missing. Looked at when first needed, but for `map`. */
export interface FileAids {
  readonly map?: FileMap
  readonly holes?: FileHoles | undefined
  readonly cache?: PageCache | undefined
}

export class DirectMemory implements PhysicalMemory, LeasedMemory {
  readonly runs: readonly MemoryRun[]
  readonly #extents: ExtentTable
  readonly #fd: number
  readonly #size: () => number
  readonly #aids: FileAids
  #last = 0
  #entered = false
  #scratch = new Uint8Array(0)

  /** `fd` stays the caller's; `size` tells the file's size at the moment it is called. */
  constructor(
    runs: readonly MemoryRun[],
    extents: ExtentTable,
    fd: number,
    size: () => number,
    aids: FileAids = {},
  ) {
    this.runs = runs
    this.#extents = extents
    this.#fd = fd
    this.#size = size
    this.#aids = aids
  }

  get wanted(): boolean {
    return this.#aids.map?.wanted ?? false
  }

  giveBack(): void {
    this.#aids.map?.giveBack()
  }

  spanAt(gpa: number, limit: number): Span {
    const first = this.#spanInExtent(gpa, limit)
    if (first.kind === 'gap') return first
    let length = first.length
    while (length < limit) {
      if (this.#find(gpa + length) < 0) break
      const next = this.#spanInExtent(gpa + length, limit - length)
      if (next.kind !== first.kind) break
      length += next.length
    }
    return { kind: first.kind, length }
  }

  #spanInExtent(gpa: number, limit: number): Span {
    const index = this.#extentAt(gpa)
    const into = gpa - (this.#extents.gpa[index] as number)
    const left = Math.min(limit, (this.#extents.length[index] as number) - into)
    const offset = this.#extents.offset[index] as number
    if (offset === EXCLUDED_EXTENT) return { kind: 'gap', length: left, reason: 'excluded' }
    if (offset === ZERO_EXTENT) return { kind: 'zero', length: left }
    const holes = this.#aids.holes
    if (holes === undefined) return { kind: 'data', length: left }
    const hole = holes.holeAt(offset + into, left)
    if (hole > 0) return { kind: 'zero', length: hole }
    return { kind: 'data', length: holes.dataAt(offset + into, left) }
  }

  window(gpa: number, length: number): Window {
    this.#aids.map?.yieldIfWanted()
    const index = this.#extentAt(gpa)
    const into = gpa - (this.#extents.gpa[index] as number)
    const offset = this.#extents.offset[index] as number
    if (offset >= 0 && into + length <= (this.#extents.length[index] as number)) {
      const bytes = this.#lend(offset + into, length)
      if (bytes !== undefined) return { bytes }
    }
    return this.#copy(gpa, length)
  }

  /** Reading a hole would fill the page cache with zeros. */
  #isHole(offset: number, length: number): boolean {
    return (this.#aids.holes?.holeAt(offset, length) ?? 0) === length
  }

  /** A view of the file, where it is mapped and in memory. */
  #lend(offset: number, length: number): Uint8Array | undefined {
    const { map } = this.#aids
    if (map === undefined || this.#isHole(offset, length)) return undefined
    // a file that is not in memory is copied, and needs no lease
    if (!this.#enter(offset)) return undefined
    return map.view(offset, length)
  }

  /** Tells the page cache what is read now; true when that is all in memory. */
  #enter(offset: number): boolean {
    this.#entered = true
    return this.#aids.cache?.enter(offset) ?? true
  }

  /** Puts the bytes together in scratch, extent by extent. */
  #copy(gpa: number, length: number): Window {
    if (this.#scratch.length < length) this.#scratch = new Uint8Array(new ArrayBuffer(length))
    let done = 0
    while (done < length) {
      const index = this.#find(gpa + done)
      if (index < 0) throw outOfRange(gpa, length)
      const into = gpa + done - (this.#extents.gpa[index] as number)
      const piece = Math.min(length - done, (this.#extents.length[index] as number) - into)
      const offset = this.#extents.offset[index] as number
      const target = this.#scratch.subarray(done, done + piece)
      if (offset === EXCLUDED_EXTENT)
        return { bytes: this.#scratch.subarray(0, done), stop: { reason: 'excluded', length: piece } }
      const streamed = piece >= STREAMED_BYTES
      if (offset === ZERO_EXTENT || (streamed && this.#isHole(offset + into, piece))) target.fill(0)
      else {
        if (streamed) this.#enter(offset + into)
        const got = readFully(this.#fd, target, offset + into)
        const bad = got < piece ? this.#short(target, got, offset + into) : undefined
        if (bad?.stop.reason === 'truncated') {
          // nothing more of this extent is there: one answer for all of it
          const rest = (this.#extents.length[index] as number) - into - bad.good
          return {
            bytes: this.#scratch.subarray(0, done + bad.good),
            stop: { reason: 'truncated', length: rest },
          }
        }
        if (bad !== undefined) return { bytes: this.#scratch.subarray(0, done + bad.good), stop: bad.stop }
      }
      done += piece
    }
    return { bytes: this.#scratch.subarray(0, length) }
  }

  /** A read that ended early: the file ends there, or the disk fails there. Undefined when a second try had it all. */
  #short(target: Uint8Array, got: number, offset: number): { good: number; stop: ReadStop } | undefined {
    if (offset + got >= this.#size())
      return { good: got, stop: { reason: 'truncated', length: target.length - got } }
    // the disk failed somewhere behind `got`: go on in small steps to lose no more than the bad one
    let good = got
    while (good < target.length) {
      const step = Math.min(RETRY_BYTES - ((offset + good) % RETRY_BYTES), target.length - good)
      const read = readFully(this.#fd, target.subarray(good, good + step), offset + good)
      if (read < step) return { good, stop: { reason: 'unreadable', length: step } }
      good += step
    }
    return undefined
  }

  #extentAt(gpa: number): number {
    const index = this.#find(gpa)
    if (index < 0) throw outOfRange(gpa, 1)
    return index
  }

  /** Index of the extent that holds `gpa`, or -1; the last one found is tried first. */
  #find(gpa: number): number {
    const { gpa: starts, length } = this.#extents
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
    this.#aids.map?.[Symbol.dispose]()
    if (this.#entered) this.#aids.cache?.leave()
  }
}

function outOfRange(gpa: number, length: number): VmsiftError {
  return new VmsiftError('out-of-range', `no memory at ${hex(gpa)}..${hex(gpa + length)}`, {
    detail: { gpa, length },
  })
}
