/** Writes by address: what a LibVMI program does with vmi_write_32_va and its kin. */
import { MAX_PHYSICAL_BYTES } from '../core/address.js'
import { VmsiftError } from '../core/errors.js'
import type { WritableMemory } from '../core/memory.js'
import { findRun } from '../core/runs.js'
import type { Absent } from '../core/virtual-memory.js'
import type { AddressSpace } from '../paging/address-space.js'
import { flushTranslations } from '../paging/shared-tlb.js'
import { sharedTables } from '../paging/table-cache.js'

const MAX_WRITE_BYTES = 64 << 20

/**
 * Writes to one space of addresses, little endian. What a write could not reach is in its result: an empty list is success.
 * Page permissions don't matter: a read-only page is written, as a debugger does.
 */
export class SpaceWriter {
  readonly #memory: WritableMemory
  readonly #space: AddressSpace | undefined

  /** Without a `space`, addresses are physical. */
  constructor(memory: WritableMemory, space: AddressSpace | undefined) {
    this.#memory = memory
    this.#space = space
  }

  /**
   * Writes what is there of `address` ≤ byte < `address + bytes.length`, and tells what is not.
   * @throws VmsiftError `bad-argument` for more than 64 MiB; `out-of-range` where the target does not hold what stands beside the bytes.
   */
  write(address: bigint, bytes: Uint8Array): readonly Absent[] {
    if (bytes.length > MAX_WRITE_BYTES)
      throw new VmsiftError(
        'bad-argument',
        `a write is at most ${MAX_WRITE_BYTES} bytes, not ${bytes.length}`,
      )
    const absent: Absent[] = []
    for (let done = 0; done < bytes.length; ) {
      const va = address + BigInt(done)
      const left = bytes.length - done
      const place = this.#placeOf(va)
      const length = Math.min(left, place.length)
      if ('gpa' in place) this.#memory.write(place.gpa, bytes.subarray(done, done + length))
      else absent.push({ va, length, reason: place.reason })
      done += length
    }
    // what was written may have been a page table
    if (this.#space === undefined) flushTranslations(sharedTables(this.#memory))
    else this.#space.flush()
    return absent
  }

  u8(address: bigint, value: number): readonly Absent[] {
    return this.#number(address, 1, BigInt(value))
  }

  u16(address: bigint, value: number): readonly Absent[] {
    return this.#number(address, 2, BigInt(value))
  }

  u32(address: bigint, value: number): readonly Absent[] {
    return this.#number(address, 4, BigInt(value))
  }

  u64(address: bigint, value: bigint): readonly Absent[] {
    return this.#number(address, 8, value)
  }

  /** A pointer of the guest's width; without a space 8 bytes. */
  pointer(address: bigint, value: bigint): readonly Absent[] {
    return this.#number(address, this.#space?.pointerBytes ?? 8, value)
  }

  #number(address: bigint, length: number, value: bigint): readonly Absent[] {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64LE(BigInt.asUintN(length * 8, value))
    return this.write(address, bytes.subarray(0, length))
  }

  /** Where a byte stands, and for how many bytes that holds. */
  #placeOf(
    va: bigint,
  ):
    | { readonly gpa: number; readonly length: number }
    | { readonly reason: Absent['reason']; readonly length: number } {
    const space = this.#space
    if (space === undefined) return this.#physical(va)
    const pageBytes = 2 ** space.mode.pageShift
    const length = pageBytes - Number(va % BigInt(pageBytes))
    const found = space.translate(va)
    if (found.kind === 'absent') return { reason: found.reason, length }
    const place = this.#physical(BigInt(found.gpa))
    return { ...place, length: Math.min(length, place.length) }
  }

  #physical(
    address: bigint,
  ):
    | { readonly gpa: number; readonly length: number }
    | { readonly reason: Absent['reason']; readonly length: number } {
    const { runs } = this.#memory
    if (address < 0n || address >= BigInt(MAX_PHYSICAL_BYTES))
      return { reason: 'non-canonical', length: MAX_WRITE_BYTES }
    const gpa = Number(address)
    const run = runs[findRun(runs, gpa)]
    if (run !== undefined) return { gpa, length: run.gpa + run.length - gpa }
    const next = runs.find(candidate => candidate.gpa > gpa)?.gpa ?? Number.POSITIVE_INFINITY
    return { reason: 'out-of-memory', length: next - gpa }
  }
}
