/** Virtual memory that a target holds by virtual address only, as a space of addresses. */
import { VmsiftError } from './errors.js'
import { foldAddress, unfoldAddress } from './folded-address.js'
import { type PhysicalMemory, readInto } from './memory.js'
import { findRun } from './runs.js'
import type { Absent, VirtualMemory, VirtualRead } from './virtual-memory.js'

const MAX_READ_BYTES = 64 << 20

/** A piece that lies beside the target's own blocks. */
export interface MemoryPiece {
  readonly va: bigint
  readonly bytes: Uint8Array
}

/** Reads blocks at folded addresses, and pieces beside them where there is no block; the rest is absent (`not-present`). */
export class FoldedMemory implements VirtualMemory {
  readonly pointerBytes: 4 | 8
  readonly #memory: PhysicalMemory
  readonly #pieces: readonly MemoryPiece[]

  constructor(memory: PhysicalMemory, pointerBytes: 4 | 8, pieces: readonly MemoryPiece[] = []) {
    this.#memory = memory
    this.pointerBytes = pointerBytes
    this.#pieces = pieces
  }

  read(va: bigint, length: number): VirtualRead {
    if (!Number.isInteger(length) || length < 0 || length > MAX_READ_BYTES)
      throw new VmsiftError('bad-argument', `a read is 0 to ${MAX_READ_BYTES} bytes, not ${length}`)
    const bytes = new Uint8Array(length)
    const absent: Absent[] = []
    const start = foldAddress(va)
    if (start === undefined) {
      if (length > 0) absent.push({ va, length, reason: 'non-canonical' })
      return { bytes, absent }
    }
    const { runs } = this.#memory
    for (let done = 0; done < length; ) {
      const at = start + done
      const run = runs[findRun(runs, at)]
      if (run !== undefined) {
        const part = Math.min(length - done, run.gpa + run.length - at)
        for (const gap of readInto(this.#memory, at, bytes.subarray(done, done + part)))
          absent.push({
            va: unfoldAddress(gap.gpa),
            length: gap.length,
            reason: 'unreadable',
            gap: gap.reason,
          })
        done += part
        continue
      }
      const next = runs.find(each => each.gpa > at)?.gpa ?? Number.POSITIVE_INFINITY
      const missing = Math.min(length - done, next - at)
      this.#fill(va + BigInt(done), bytes.subarray(done, done + missing), absent)
      done += missing
    }
    return { bytes, absent }
  }

  /** What no block holds, from the pieces. */
  #fill(va: bigint, target: Uint8Array, absent: Absent[]): void {
    for (let done = 0; done < target.length; ) {
      const at = va + BigInt(done)
      const left = target.length - done
      const piece = this.#pieces.find(each => at >= each.va && at < each.va + BigInt(each.bytes.length))
      if (piece !== undefined) {
        const from = Number(at - piece.va)
        const part = piece.bytes.subarray(from, from + left)
        target.set(part, done)
        done += part.length
        continue
      }
      const next = this.#pieces.reduce((least, each) => {
        const distance = each.va > at ? Number(each.va - at) : left
        return Math.min(least, distance)
      }, left)
      absent.push({ va: at, length: next, reason: 'not-present' })
      done += next
    }
  }
}
