/** Physical memory as a space of addresses, so that the same typed reads work on it. */
import { MAX_PHYSICAL_BYTES } from '../core/address.js'
import { VmsiftError } from '../core/errors.js'
import { type PhysicalMemory, readInto } from '../core/memory.js'
import { findRun } from '../core/runs.js'
import type { Absent, VirtualMemory, VirtualRead } from '../core/virtual-memory.js'

const MAX_READ_BYTES = 64 << 20

/** Guest physical addresses; holes are absent (`out-of-memory`). */
export class PhysicalSpace implements VirtualMemory {
  readonly pointerBytes: 4 | 8
  readonly #memory: PhysicalMemory

  constructor(memory: PhysicalMemory, pointerBytes: 4 | 8) {
    this.#memory = memory
    this.pointerBytes = pointerBytes
  }

  read(address: bigint, length: number): VirtualRead {
    if (!Number.isInteger(length) || length < 0 || length > MAX_READ_BYTES)
      throw new VmsiftError('bad-argument', `a read is 0 to ${MAX_READ_BYTES} bytes, not ${length}`)
    const bytes = new Uint8Array(length)
    if (address < 0n || address >= BigInt(MAX_PHYSICAL_BYTES))
      return { bytes, absent: length === 0 ? [] : [{ va: address, length, reason: 'non-canonical' }] }
    const absent: Absent[] = []
    const start = Number(address)
    const { runs } = this.#memory
    for (let done = 0; done < length; ) {
      const gpa = start + done
      const run = runs[findRun(runs, gpa)]
      if (run === undefined) {
        const next = runs.find(candidate => candidate.gpa > gpa)?.gpa ?? Number.POSITIVE_INFINITY
        const missing = Math.min(length - done, next - gpa)
        absent.push({ va: BigInt(gpa), length: missing, reason: 'out-of-memory' })
        done += missing
        continue
      }
      const part = Math.min(length - done, run.gpa + run.length - gpa)
      for (const gap of readInto(this.#memory, gpa, bytes.subarray(done, done + part)))
        absent.push({ va: BigInt(gap.gpa), length: gap.length, reason: 'unreadable', gap: gap.reason })
      done += part
    }
    return { bytes, absent }
  }
}
