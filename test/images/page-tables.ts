/** Builds real page tables of every mode. Entries are made with bigint, from the manuals, without the walker's code. */
import type { PagingMode } from '../../src/paging/mode.js'
import type { SparseMemory } from './page-tables-memory.js'

export interface Permissions {
  readonly writable?: boolean
  readonly user?: boolean
  readonly executable?: boolean
}

export class PageTables {
  readonly mode: PagingMode
  /** gpa of the top table; of the lower half where the halves have one each. */
  readonly root: number
  readonly upperRoot: number
  readonly #memory: SparseMemory
  #next: number

  /** Tables are taken from `start` on, one behind the other. */
  constructor(mode: PagingMode, memory: SparseMemory, start: number) {
    this.mode = mode
    this.#memory = memory
    this.#next = start
    this.root = this.allocate(0)
    this.upperRoot = mode.splitTables ? this.allocate(0) : this.root
  }

  /** Where the next table would lie. */
  get end(): number {
    return this.#next
  }

  /** An empty table of a level, counted from the top. */
  allocate(level: number): number {
    const bytes = Math.max(4096, 2 ** this.mode.indexBits[level]! * this.mode.entryBytes)
    const at = Math.ceil(this.#next / bytes) * bytes
    this.#next = at + bytes
    return at
  }

  /** log2 of what an entry of `level` maps. */
  shift(level: number): number {
    return this.mode.indexBits
      .slice(level + 1)
      .reduce((sum, bits) => sum + bits, this.mode.pageShift as number)
  }

  /** Where the entry of `level` for `va` stands; tables above it are made as needed. */
  entryAddress(va: bigint, level: number): number {
    let table = va >> 63n === 1n ? this.upperRoot : this.root
    for (let above = 0; ; above++) {
      const index = (va >> BigInt(this.shift(above))) & ((1n << BigInt(this.mode.indexBits[above]!)) - 1n)
      const at = table + Number(index) * this.mode.entryBytes
      if (above === level) return at
      const entry = this.read(at)
      if (entry === 0n) {
        table = this.allocate(above + 1)
        this.write(at, this.tableEntry(table, above))
      } else table = this.tableOf(entry)
    }
  }

  /** Maps one page of `2 ** shift(level)` bytes; the smallest size by default. */
  map(
    va: bigint,
    gpa: number,
    permissions: Permissions = {},
    level = this.mode.indexBits.length - 1,
  ): number {
    const at = this.entryAddress(va, level)
    this.write(at, this.pageEntry(gpa, level, va >> 63n === 1n, permissions))
    return at
  }

  read(at: number): bigint {
    const page = this.#memory.page(at)
    return this.mode.entryBytes === 4 ? BigInt(page.readUInt32LE(at % 4096)) : page.readBigUInt64LE(at % 4096)
  }

  write(at: number, entry: bigint): void {
    const page = this.#memory.page(at)
    if (this.mode.entryBytes === 4) page.writeUInt32LE(Number(entry), at % 4096)
    else page.writeBigUInt64LE(entry, at % 4096)
  }

  /** The entry of `level` that points to a table. */
  tableEntry(table: number, level: number): bigint {
    if (this.mode.format === 'aarch64') return this.#armAddress(table) | 3n
    return BigInt(table) | (level < this.mode.bareLevels ? 1n : 7n)
  }

  /** The table that such an entry points to. */
  tableOf(entry: bigint): number {
    if (this.mode.format !== 'aarch64') return Number(entry & 0xf_ffff_ffff_f000n)
    let address = entry & ((1n << 48n) - (1n << BigInt(this.mode.pageShift)))
    if (this.mode.highBits === 'lpa') address |= ((entry >> 12n) & 15n) << 48n
    if (this.mode.highBits === 'lpa2') address |= (entry & (3n << 48n)) | (((entry >> 8n) & 3n) << 50n)
    return Number(address)
  }

  pageEntry(gpa: number, level: number, upper: boolean, permissions: Permissions): bigint {
    const { writable = true, user = true, executable = true } = permissions
    const last = level === this.mode.indexBits.length - 1
    const bit = (on: boolean, at: bigint): bigint => (on ? 1n << at : 0n)
    if (this.mode.format === 'aarch64')
      return (
        this.#armAddress(gpa) |
        (last ? 3n : 1n) |
        0x400n |
        bit(user, 6n) |
        bit(!writable, 7n) |
        bit(!executable, upper ? 53n : 54n)
      )
    const flags = 1n | bit(writable, 1n) | bit(user, 2n) | bit(!last, 7n)
    if (this.mode.format === 'x86-64') return BigInt(gpa) | flags | bit(!executable, 63n)
    const high = BigInt(gpa) >> 32n
    return (BigInt(gpa) & 0xffff_ffffn) | flags | (high << 13n)
  }

  #armAddress(gpa: number): bigint {
    const address = BigInt(gpa)
    if (this.mode.highBits === 'lpa') return (address & ((1n << 48n) - 1n)) | ((address >> 48n) << 12n)
    if (this.mode.highBits === 'lpa2') return (address & ((1n << 50n) - 1n)) | ((address >> 50n) << 8n)
    return address
  }
}
