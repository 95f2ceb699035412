/** A walker behind a TLB: the worker's path. */
import { levelShifts } from './mode.js'
import { FRAME_OUTSIDE, MAPPED, NON_CANONICAL } from './outcome.js'
import { TLB_MISS, type Tlb } from './tlb.js'
import type { Walker } from './walker.js'

/** One a thread and mode. What `find` found is in its fields, until the next `find`. */
export class CachedWalker {
  /** With MAPPED and FRAME_OUTSIDE: gpa of the page asked for, of the smallest size. */
  gpa = 0.5
  readonly walker: Walker
  readonly tlb: Tlb
  /** log2 of the bytes that an entry maps, by levels below it. */
  readonly #shifts: readonly number[]
  #lower = -1
  #upper = -1
  #lowerTag = 0
  #upperTag = 0
  #flags = 0
  #level = 0

  constructor(walker: Walker, tlb: Tlb) {
    this.walker = walker
    this.tlb = tlb
    this.#shifts = levelShifts(walker.mode).reverse()
  }

  /** WRITABLE, USER, ... of what was found. */
  get flags(): number {
    return this.#flags
  }

  /** How many levels lie below the entry that decided: more than 0 for a large page. */
  get level(): number {
    return this.#level
  }

  /** log2 of the bytes of the page that was found; else of what the entry that decided covers. */
  get pageShift(): number {
    return this.#shifts[this.#level] as number
  }

  /** The top tables from now on; see `Walker.use`. */
  use(table: number, upperTable = -1): void {
    this.walker.use(table, upperTable)
    this.#lower = table
    this.#upper = this.walker.mode.splitTables ? upperTable : table
    this.#readTags()
  }

  /** MAPPED, or why not; from the TLB where it is known, else walked and kept. */
  find(vpn: number): number {
    const { tlb } = this
    const tag = vpn < 0 ? this.#upperTag : this.#lowerTag
    const known = tlb.find(tag, vpn)
    if (known === TLB_MISS) return this.#walk(tag, vpn)
    this.gpa = tlb.gpa
    this.#flags = tlb.flags
    this.#level = tlb.level
    return known
  }

  /** Forgets what was found under the tables in use, and the copies of all tables: the guest ran meanwhile. */
  flush(): void {
    this.tlb.flush(this.#lower)
    this.tlb.flush(this.#upper)
    this.walker.tables.clear()
    this.#readTags()
  }

  #walk(tag: number, vpn: number): number {
    const { walker } = this
    const result = walker.walk(vpn)
    this.gpa = walker.gpa
    this.#flags = walker.flags
    this.#level = walker.level
    if (result === NON_CANONICAL) return result
    const whole =
      result !== FRAME_OUTSIDE && (result !== MAPPED || walker.level === 0 || this.#wholeInMemory(vpn))
    this.tlb.add(tag, vpn, result, walker.gpa, walker.flags, walker.level, whole)
    return result
  }

  /** Whether the whole large page that the walker stands in is memory. */
  #wholeInMemory(vpn: number): boolean {
    const { walker } = this
    const pages = 2 ** (walker.pageShift - walker.mode.pageShift)
    const start = walker.gpa - (vpn - Math.floor(vpn / pages) * pages) * 2 ** walker.mode.pageShift
    return walker.tables.memoryFrom(start) >= 2 ** walker.pageShift
  }

  #readTags(): void {
    this.#lowerTag = this.tlb.tagOf(this.#lower)
    this.#upperTag = this.tlb.tagOf(this.#upper)
  }
}
