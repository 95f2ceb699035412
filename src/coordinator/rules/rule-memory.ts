/**
 * What rules are evaluated over: memory at addresses of its own (guest physical, or a process laid out), and the offsets that YARA knows it
 * by. Holes hold nothing.
 */
import { unfoldAddress } from '../../core/folded-address.js'
import type { MemoryRun, PhysicalMemory } from '../../core/memory.js'
import { findRun } from '../../core/runs.js'
import type { OffsetColumns } from '../../rules/search/columns.js'
import type { RuleSpace, StringMatches } from '../../rules/space.js'
import {
  type LinearMemory,
  type LinearSlot,
  type LinearTable,
  linearExtentAt,
  linearRuns,
} from '../../space/linear-space.js'
import { virtualAddress } from '../../space/placement.js'

const NO_BYTES = new Uint8Array(0)
/** Bytes that are fetched together: more would be copied in vain where a string's matches lie far apart. */
const FETCH_BYTES = 1 << 10
/** Bytes before what is asked for that are fetched with it, for contexts. */
const BEFORE_BYTES = 256
/** Up to here a loop is faster than a call into native code. */
const FEW_BYTES = 24
const PAGE_BITS = 12n

/** Addresses and offsets, both ascending. */
export interface Offsets {
  offsetOf(address: number): bigint
  /** The lowest address at `offset` or behind; undefined behind the last one. `exact`: it stands there itself. */
  addressFrom(offset: bigint): { readonly address: number; readonly exact: boolean } | undefined
  readonly filesize: bigint | undefined
}

export class RuleMemory implements RuleSpace {
  readonly #memory: PhysicalMemory
  readonly runs: readonly MemoryRun[]
  readonly #offsets: Offsets
  #strings: ReadonlyMap<number, OffsetColumns> = new Map()
  /** What was fetched last, at the beginning of `#room`. */
  #fetched: Uint8Array = NO_BYTES
  #fetchedAt = 0
  #room = new Uint8Array(2 * FETCH_BYTES)

  constructor(memory: PhysicalMemory, runs: readonly MemoryRun[], offsets: Offsets) {
    this.#memory = memory
    this.runs = runs
    this.#offsets = offsets
  }

  get filesize(): bigint | undefined {
    return this.#offsets.filesize
  }

  /** What was found, by the strings' ids, at addresses. */
  set strings(strings: ReadonlyMap<number, OffsetColumns>) {
    this.#strings = strings
  }

  /** Ids of the strings that have matches. */
  get found(): Iterable<number> {
    return this.#strings.keys()
  }

  /** The matches of a string, at addresses. */
  columns(stringId: number): OffsetColumns | undefined {
    return this.#strings.get(stringId)
  }

  matches(stringId: number): StringMatches | undefined {
    const columns = this.#strings.get(stringId)
    if (columns === undefined) return undefined
    const offsets = this.#offsets
    return {
      count: columns.count,
      offsetAt: index => offsets.offsetOf(columns.offsetAt(index)),
      lengthAt: index => columns.lengthAt(index),
      firstFrom: offset => {
        const from = offsets.addressFrom(offset)
        return from === undefined ? columns.count : columns.firstFrom(from.address)
      },
    }
  }

  /** The address that an offset stands for. */
  addressAt(offset: bigint): number | undefined {
    const from = this.#offsets.addressFrom(offset)
    return from?.exact === true ? from.address : undefined
  }

  read(offset: bigint, length: number): Uint8Array {
    const address = this.addressAt(offset)
    return address === undefined ? NO_BYTES : this.peek(address, length)
  }

  /** Bytes at an address, as far as they are there: until the next call. */
  peek(address: number, length: number): Uint8Array {
    const into = address - this.#fetchedAt
    if (into >= 0 && into + length <= this.#fetched.length) return this.#fetched.subarray(into, into + length)
    const run = this.runs[findRun(this.runs, address)]
    if (run === undefined) return NO_BYTES
    const end = run.gpa + run.length
    const wanted = Math.min(length, end - address)
    const from = Math.max(run.gpa, address - BEFORE_BYTES)
    this.#fetch(from, Math.min(Math.max(FETCH_BYTES, wanted + address - from), end - from))
    // something that can't be read lies before it
    if (from + this.#fetched.length <= address) this.#fetch(address, wanted)
    const start = address - this.#fetchedAt
    return this.#fetched.subarray(start, start + wanted)
  }

  /** Copies what `peek` tells to `target`, from `at` on; returns how many bytes there were. */
  copy(address: number, length: number, target: Uint8Array, at: number): number {
    const bytes = this.peek(address, length)
    if (bytes.length > FEW_BYTES) target.set(bytes, at)
    else for (let i = 0; i < bytes.length; i++) target[at + i] = bytes[i] as number
    return bytes.length
  }

  /**
   * Makes ready what is asked for next: bytes before and behind an address, as far as they lie in its run. They are the memory's own, not
   * copied: `letGo` is to be called before anybody else uses it.
   */
  fetchAhead(address: number, before: number, behind: number): void {
    const run = this.runs[findRun(this.runs, address)]
    if (run === undefined) return
    const from = Math.max(run.gpa, address - before)
    this.#fetched = this.#memory.window(from, Math.min(run.gpa + run.length, address + behind) - from).bytes
    this.#fetchedAt = from
  }

  /** Forgets what was fetched ahead. */
  letGo(): void {
    this.#fetched = NO_BYTES
  }

  #fetch(address: number, length: number): void {
    const { bytes } = this.#memory.window(address, length)
    if (this.#room.length < bytes.length) this.#room = new Uint8Array(bytes.length)
    this.#room.set(bytes)
    this.#fetched = this.#room.subarray(0, bytes.length)
    this.#fetchedAt = address
  }

  /** The run that holds an address. */
  runAt(address: number): MemoryRun | undefined {
    return this.runs[findRun(this.runs, address)]
  }

  /** Where the run that holds an address begins. */
  runStart(address: number): number {
    return this.runs[findRun(this.runs, address)]?.gpa ?? address
  }

  /** Where the run that holds an address ends. */
  runEnd(address: number): number {
    const run = this.runs[findRun(this.runs, address)]
    return run === undefined ? address : run.gpa + run.length
  }
}

/** An image: offsets count from its lowest address. `folded`: its addresses are virtual ones, folded, and so are the offsets. */
export function imageSpace(memory: PhysicalMemory, runs: readonly MemoryRun[], folded: boolean): RuleMemory {
  const base = folded ? 0 : (runs[0]?.gpa ?? 0)
  const last = runs.at(-1)
  const size = last === undefined ? 0 : last.gpa + last.length - base
  return new RuleMemory(memory, runs, {
    offsetOf: address => (folded ? unfoldAddress(address) : BigInt(address - base)),
    addressFrom: offset => {
      if (folded) return lowestFrom(runs, offset)
      const known = offset < BigInt(size)
      return known ? { address: base + Number(offset < 0n ? 0n : offset), exact: offset >= 0n } : undefined
    },
    filesize: folded ? undefined : BigInt(size),
  })
}

function lowestFrom(
  runs: readonly MemoryRun[],
  offset: bigint,
): { readonly address: number; readonly exact: boolean } | undefined {
  for (const { gpa, length } of runs) {
    const start = unfoldAddress(gpa)
    if (offset < start) return { address: gpa, exact: false }
    if (offset < start + BigInt(length)) return { address: gpa + Number(offset - start), exact: true }
  }
  return undefined
}

/** One space out of several that are laid out: offsets are its virtual addresses. */
export function laidOutSpace(memory: LinearMemory, table: LinearTable, slot: LinearSlot): RuleMemory {
  const { address, vpn, length } = table
  const { firstExtent: first, endExtent: end } = slot
  const offsetOf = (at: number): bigint => {
    const extent = linearExtentAt(table, at)
    return virtualAddress(vpn[extent] as number, at - (address[extent] as number))
  }
  return new RuleMemory(memory, linearRuns(table, first, end), {
    offsetOf,
    addressFrom: offset => {
      const page = Number(BigInt.asIntN(64, offset) >> PAGE_BITS)
      let low = first
      let high = end
      while (low < high) {
        const middle = (low + high) >>> 1
        if ((vpn[middle] as number) + (length[middle] as number) / 4096 <= page) low = middle + 1
        else high = middle
      }
      if (low >= end) return undefined
      const start = address[low] as number
      if (page < (vpn[low] as number)) return { address: start, exact: false }
      const into = Number(BigInt.asUintN(64, offset - virtualAddress(vpn[low] as number, 0)))
      return into < (length[low] as number)
        ? { address: start + into, exact: true }
        : { address: start + into, exact: false }
    },
    filesize: undefined,
  })
}
