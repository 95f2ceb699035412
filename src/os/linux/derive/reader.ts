/** Kernel memory as numbers, for guessing at layouts: kept pages, signed addresses, and a bound on the work. */
import type { VirtualMemory } from '../../../core/virtual-memory.js'

/**
 * A kernel virtual address as a double: sign-extended for 64-bit kernels (`0xffff888000000000` is -0x778000000000), as it is for
 * 32-bit ones. Exact for 4-level paging, and for multiples of 8 with 57-bit addresses: keep an odd byte offset apart from it.
 */
export type Place = number

const PAGE_BYTES = 4096
/** 64 MiB of kept pages. */
const MAX_PAGES = 16_384
/** A page that has to be read costs as much as this many numbers. */
const MISS_COST = 24
/** Copying this many bytes costs about as much as reading a number. */
const BYTES_PER_UNIT = 32
/** Units of work one derivation may take: some hundred milliseconds. */
const DEFAULT_BUDGET = 6_000_000
/** Error values (`ERR_PTR`) lie in the last page. */
const ERROR_VALUES = 4096

/**
 * Reads numbers of a kernel's. What is absent reads as undefined; once the budget is spent everything is absent, so that no
 * structure of a hostile guest keeps its reader busy.
 */
export class PlaceReader {
  readonly pointerBytes: 4 | 8
  /** Lowest place that can be the kernel's. */
  readonly kernelStart: Place
  /** Behind the last place that a pointer may have. */
  readonly kernelEnd: Place
  readonly #memory: VirtualMemory
  readonly #lowest: Place
  readonly #highest: Place
  readonly #pages = new Map<number, DataView | undefined>()
  #left: number

  /** @param kernelStart where the kernel's half of a 32-bit address space begins; 64-bit kernels have the top bit set */
  constructor(memory: VirtualMemory, kernelStart: Place, budget = DEFAULT_BUDGET) {
    this.#memory = memory
    this.#left = budget
    this.pointerBytes = memory.pointerBytes
    this.#lowest = memory.pointerBytes === 8 ? -(2 ** 63) : 0
    this.#highest = memory.pointerBytes === 8 ? 2 ** 62 : 2 ** 32 - 1
    this.kernelStart = memory.pointerBytes === 8 ? -(2 ** 56) : kernelStart
    this.kernelEnd = (memory.pointerBytes === 8 ? 0 : 2 ** 32) - ERROR_VALUES
  }

  /** Whether the budget is spent: what was found until then stands, nothing more will be. */
  get exhausted(): boolean {
    return this.#left <= 0
  }

  /** Takes work that the caller does beside reading from the budget. */
  spend(units: number): void {
    this.#left -= units
  }

  place(address: bigint): Place {
    return Number(this.pointerBytes === 8 ? BigInt.asIntN(64, address) : BigInt.asUintN(32, address))
  }

  address(place: Place): bigint {
    return this.pointerBytes === 8 ? BigInt.asUintN(64, BigInt(place)) : BigInt(place)
  }

  /** Whether a value can be a pointer to a structure of the kernel's. */
  isPointer(place: Place | undefined): place is Place {
    return (
      place !== undefined &&
      place >= this.kernelStart &&
      place < this.kernelEnd &&
      place % this.pointerBytes === 0
    )
  }

  /** The pointer at a place that is a multiple of the pointer's size, `offset` behind it. */
  pointer(at: Place, offset = 0): Place | undefined {
    const place = at + offset
    const view = this.#page(place)
    if (view === undefined) return undefined
    const within = pageOffset(place)
    if (within + this.pointerBytes > PAGE_BYTES) return undefined
    return this.pointerBytes === 8
      ? view.getInt32(within + 4, true) * 2 ** 32 + view.getUint32(within, true)
      : view.getUint32(within, true)
  }

  /** `at` is a multiple of the pointer's size, `offset` of 4. */
  u32(at: Place, offset = 0): number | undefined {
    const place = at + Math.floor(offset / 8) * 8
    const within = pageOffset(place) + (offset - Math.floor(offset / 8) * 8)
    return within + 4 > PAGE_BYTES ? undefined : this.#page(place)?.getUint32(within, true)
  }

  u8(at: Place, offset = 0): number | undefined {
    // the place of a multiple of 8 is exact, also beyond 2^53
    const base = Math.floor(at / 8) * 8
    const behind = at - base + offset
    const place = base + Math.floor(behind / 8) * 8
    return this.#page(place)?.getUint8(pageOffset(place) + (behind % 8))
  }

  /** `length` bytes from a multiple of 4 on, zeros where absent; `length` ≤ 64 KiB. */
  bytes(at: Place, length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    this.#left -= length / BYTES_PER_UNIT
    for (let done = 0; done < length; ) {
      const within = pageOffset(at + done)
      const part = Math.min(PAGE_BYTES - within, length - done)
      const view = this.#page(at + done)
      if (view !== undefined) bytes.set(new Uint8Array(view.buffer, view.byteOffset + within, part), done)
      done += part
    }
    return bytes
  }

  /** Text up to a NUL, at most `limit` bytes; undefined when there is no NUL, a byte is absent, or one is no printable ASCII. */
  text(at: Place, limit: number): string | undefined {
    let text = ''
    for (let i = 0; i < limit; i++) {
      const byte = this.u8(at, i)
      if (byte === 0) return text
      if (byte === undefined || byte < 0x20 || byte > 0x7e) return undefined
      text += String.fromCharCode(byte)
    }
    return undefined
  }

  #page(place: Place): DataView | undefined {
    if (--this.#left <= 0 || place < this.#lowest || place > this.#highest) return undefined
    const number = Math.floor(place / PAGE_BYTES)
    if (this.#pages.has(number)) return this.#pages.get(number)
    this.#left -= MISS_COST
    const read = this.#memory.read(this.address(number * PAGE_BYTES), PAGE_BYTES)
    const { bytes } = read
    const view =
      read.absent.length === 0 ? new DataView(bytes.buffer, bytes.byteOffset, bytes.length) : undefined
    if (this.#pages.size >= MAX_PAGES) this.#pages.clear()
    this.#pages.set(number, view)
    return view
  }
}

function pageOffset(place: Place): number {
  return place - Math.floor(place / PAGE_BYTES) * PAGE_BYTES
}
