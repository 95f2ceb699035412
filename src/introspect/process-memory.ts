/** Memory of a process, with pages that were swapped to compressed memory (zram) read from there. */
import type { Absent, VirtualMemory, VirtualRead } from '../core/virtual-memory.js'
import type { Swap } from '../os/linux/swap.js'
import type { AddressSpace } from '../paging/address-space.js'

/** Reads as the address space does, then fills what was swapped out and can be had. */
export class ProcessMemory implements VirtualMemory {
  readonly pointerBytes: 4 | 8
  readonly #space: AddressSpace
  readonly #swap: () => Swap

  /** `swap` is asked for when a swapped page is met. */
  constructor(space: AddressSpace, swap: () => Swap) {
    this.pointerBytes = space.pointerBytes
    this.#space = space
    this.#swap = swap
  }

  read(va: bigint, length: number): VirtualRead {
    const { bytes, absent } = this.#space.read(va, length)
    if (!absent.some(({ reason }) => reason === 'swapped')) return { bytes, absent }
    const left: Absent[] = []
    for (const hole of absent) {
      if (hole.reason === 'swapped') this.#fill(va, bytes, hole, left)
      else left.push(hole)
    }
    return { bytes, absent: left }
  }

  /** Fills a hole page by page; what stays absent goes to `left`. */
  #fill(va: bigint, bytes: Uint8Array, hole: Absent, left: Absent[]): void {
    const pageBytes = 2 ** this.#space.mode.pageShift
    for (let done = 0; done < hole.length; ) {
      const at = hole.va + BigInt(done)
      const inPage = Number(at % BigInt(pageBytes))
      const length = Math.min(pageBytes - inPage, hole.length - done)
      const page = this.#pageAt(at)
      if (page !== undefined) bytes.set(page.subarray(inPage, inPage + length), Number(at - va))
      else lose(left, { ...hole, va: at, length })
      done += length
    }
  }

  #pageAt(va: bigint): Uint8Array | undefined {
    const place = this.#space.translate(va)
    if (place.kind === 'mapped' || place.entry === undefined) return undefined
    return this.#swap().page(place.entry)?.bytes
  }
}

function lose(left: Absent[], hole: Absent): void {
  const last = left.at(-1)
  if (last !== undefined && last.reason === hole.reason && last.va + BigInt(last.length) === hole.va)
    left[left.length - 1] = { ...last, length: last.length + hole.length }
  else left.push(hole)
}
