/** What every part of a guest is built with: memory, the kernel's address space, offsets, and writing by virtual address. */
import type { Facts } from './facts.js'
import type { GuestMemory } from './guest-memory.js'
import { type Access, type Paging, Tables } from './tables.js'

const PAGE = 4096n

/** An address space that can be written to: the kernel's, or a process's with the kernel's behind it. */
export class Space {
  readonly tables: Tables
  readonly #memory: GuestMemory
  readonly #kernel: Tables
  readonly pointerBytes: 4 | 8

  constructor(memory: GuestMemory, tables: Tables, kernel: Tables, pointerBytes: 4 | 8) {
    this.tables = tables
    this.pointerBytes = pointerBytes
    this.#memory = memory
    this.#kernel = kernel
  }

  /** The tables that map `va`. */
  #tablesOf(va: bigint): Tables {
    return va >> (this.pointerBytes === 8 ? 63n : 31n) === 0n ? this.tables : this.#kernel
  }

  /** Maps fresh frames from `va` on, rounded to pages. Pages that are mapped stay. */
  map(va: bigint, bytes: number, access: Access = {}): void {
    const tables = this.#tablesOf(va)
    const end = va + BigInt(bytes)
    for (let page = va - (va % PAGE); page < end; page += PAGE) {
      if (tables.translate(page) !== undefined) continue
      const gpa = this.#memory.frame()
      this.#memory.page(gpa)
      tables.map(page, gpa, access)
    }
  }

  translate(va: bigint): number | undefined {
    return this.#tablesOf(va).translate(va)
  }

  write(va: bigint, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const at = va + BigInt(done)
      const gpa = this.translate(at)
      if (gpa === undefined) throw new Error(`nothing mapped at 0x${at.toString(16)}`)
      const part = bytes.subarray(done, done + 4096 - (gpa % 4096))
      this.#memory.write(gpa, part)
      done += part.length
    }
  }

  read(va: bigint, length: number): Buffer {
    const bytes = Buffer.alloc(length)
    for (let done = 0; done < length; ) {
      const gpa = this.translate(va + BigInt(done))
      if (gpa === undefined) throw new Error(`nothing mapped at 0x${(va + BigInt(done)).toString(16)}`)
      const part = Math.min(length - done, 4096 - (gpa % 4096))
      bytes.set(this.#memory.read(gpa, part), done)
      done += part
    }
    return bytes
  }

  /** Writes a little-endian integer of `size` bytes. */
  integer(va: bigint, value: bigint | number, size: number): void {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)))
    this.write(va, bytes.subarray(0, size))
  }

  pointer(va: bigint, value: bigint | number): void {
    this.integer(va, value, this.pointerBytes)
  }

  readPointer(va: bigint): bigint {
    const bytes = this.read(va, this.pointerBytes)
    return this.pointerBytes === 8 ? bytes.readBigUInt64LE() : BigInt(bytes.readUInt32LE())
  }

  /** UNICODE_STRING at `va` over text that is written to `buffer`. Returns the text's bytes, its NUL with them. */
  string(va: bigint, text: string, buffer: bigint): number {
    const bytes = Buffer.from(`${text}\0`, 'utf16le')
    this.write(buffer, bytes)
    this.integer(va, bytes.length - 2, 2)
    this.integer(va + 2n, bytes.length, 2)
    this.pointer(va + BigInt(this.pointerBytes), buffer)
    return bytes.length
  }

  /** Makes the LIST_ENTRYs a ring in this order. */
  ring(...entries: readonly bigint[]): void {
    entries.forEach((entry, i) => {
      const next = entries[(i + 1) % entries.length] as bigint
      this.pointer(entry, next)
      this.pointer(next + BigInt(this.pointerBytes), entry)
    })
  }

  /** The entry at `va` leads to itself. */
  emptyList(va: bigint): void {
    this.ring(va)
  }
}

export interface BuilderOptions {
  readonly memory: GuestMemory
  readonly facts: Facts
  readonly paging: Paging
  /** Build number, such as 19041. */
  readonly build: number
  /** A bit that is set in every entry that is not valid. */
  readonly maskBit?: number
  /** Index of the top table's entry that leads to itself. */
  readonly selfIndex: number
  /** Pools grow from here. */
  readonly nonPagedPool: bigint
  readonly pagedPool: bigint
}

export class Builder {
  readonly memory: GuestMemory
  readonly facts: Facts
  readonly paging: Paging
  readonly build: number
  readonly selfIndex: number
  readonly pointerBytes: 4 | 8
  /** System's tables, which have all of the kernel's half. */
  readonly tables: Tables
  readonly kernel: Space
  readonly nonPaged: Pool
  readonly paged: Pool
  /** InvalidPteMask. */
  readonly #mask: bigint
  /** Top tables of PAE, 32 bytes each, share frames. */
  #paeTops = 0
  #paeFrame = -1
  readonly #spaces: Tables[] = []
  readonly #userTables: Tables[] = []

  constructor(options: BuilderOptions) {
    const { memory, facts, paging, build, selfIndex } = options
    this.memory = memory
    this.#mask = options.maskBit === undefined ? 0n : 1n << BigInt(options.maskBit)
    this.facts = facts
    this.paging = paging
    this.build = build
    this.selfIndex = selfIndex
    this.pointerBytes = paging === '4-level' ? 8 : 4
    this.tables = this.newTables()
    this.kernel = new Space(memory, this.tables, this.tables, this.pointerBytes)
    this.nonPaged = new Pool(this, options.nonPagedPool, 2)
    this.paged = new Pool(this, options.pagedPool, 3)
  }

  /** An entry that is not valid as it is kept (MiSwizzleInvalidPte): bit 4 says that the mask was in it already. */
  invalid(entry: bigint): bigint {
    if (this.#mask === 0n) return entry
    return (entry & this.#mask) === 0n ? entry | this.#mask : entry | 0x10n
  }

  newTables(): Tables {
    if (this.paging !== 'pae') return new Tables(this.memory, this.paging, this.selfIndex)
    if (this.#paeTops % 64 === 0) this.#paeFrame = this.memory.frame()
    const root = this.#paeFrame + 0x20 + (this.#paeTops++ % 64) * 0x20
    return new Tables(this.memory, this.paging, this.selfIndex, root)
  }

  newSpace(): Space {
    const tables = this.newTables()
    this.#spaces.push(tables)
    return new Space(this.memory, tables, this.tables, this.pointerBytes)
  }

  /** Tables for user code beside `space`'s: the user half, and of the kernel's next to nothing. */
  newUserTables(space: Space): Tables {
    const tables = this.newTables()
    for (let i = 0; i < 256; i++)
      tables.write(tables.root + i * 8, space.tables.read(space.tables.root + i * 8))
    this.#userTables.push(tables)
    return tables
  }

  /** When all is mapped: every process gets the kernel's half, and user tables the page at `entry` of it. */
  finish(entry: bigint): void {
    for (const tables of this.#spaces) tables.share(this.tables)
    const gpa = this.tables.translate(entry)
    if (gpa !== undefined) for (const tables of this.#userTables) tables.map(entry, gpa)
  }

  /** Writes a member of a structure at `base`: a pointer unless `size` says otherwise; the first path that the build has. */
  put(
    base: bigint,
    path: string | readonly string[],
    value: bigint | number,
    size: number = this.pointerBytes,
    space = this.kernel,
  ): void {
    space.integer(this.at(base, path), value, size)
  }

  /** Sets bits of a member. */
  putBits(base: bigint, path: string, value: number, space = this.kernel): void {
    const [offset, first = 0, count = 8] = this.facts.fact(path)
    const at = base + BigInt(offset)
    const bytes = Math.ceil((first + count) / 8)
    const mask = ((1n << BigInt(count)) - 1n) << BigInt(first)
    const old = Buffer.alloc(8)
    old.set(space.read(at, bytes))
    space.integer(at, (old.readBigUInt64LE() & ~mask) | ((BigInt(value) << BigInt(first)) & mask), bytes)
  }

  /** Address of a member. */
  at(base: bigint, path: string | readonly string[]): bigint {
    return base + BigInt(this.facts.offset(...(typeof path === 'string' ? [path] : path)))
  }

  /** A counted string whose text lies in paged pool. */
  putString(at: bigint, text: string): void {
    const buffer = this.paged.alloc('Name', text.length * 2 + 2)
    this.kernel.string(at, text, buffer)
  }
}

/** A kernel pool: blocks with headers, one behind the other in pages (_POOL_HEADER). */
export class Pool {
  readonly #builder: Builder
  /** Of POOL_HEADER.PoolType: 2 nonpaged, 3 paged, both in use. */
  readonly #type: number
  #page: bigint
  #used = 4096
  #lastUnits = 0

  constructor(builder: Builder, start: bigint, type: number) {
    this.#builder = builder
    this.#page = start - 4096n
    this.#type = type
  }

  /** Allocates; returns the address behind the header. Blocks over a page have none, and are page aligned. */
  alloc(tag: string, bytes: number, inUse = true): bigint {
    const { kernel, facts, pointerBytes, build } = this.#builder
    const headerBytes = facts.size('_POOL_HEADER')
    const unit = pointerBytes * 2
    const size = Math.ceil((bytes + headerBytes) / unit) * unit
    if (size > 4096) {
      this.#closePage()
      const pages = Math.ceil(bytes / 4096)
      const at = this.#page + 4096n
      kernel.map(at, pages * 4096)
      this.#page = at + BigInt((pages - 1) * 4096)
      this.#used = 4096
      return at
    }
    if (this.#used + size > 4096) {
      this.#closePage()
      this.#page += 4096n
      kernel.map(this.#page, 4096)
      this.#used = 0
      this.#lastUnits = 0
    }
    const at = this.#page + BigInt(this.#used)
    this.#header(at, size / unit, inUse ? this.#type : 0, tag, build)
    this.#used += size
    return at + BigInt(headerBytes)
  }

  /** The rest of a page is one free block. */
  #closePage(): void {
    const unit = this.#builder.pointerBytes * 2
    if (this.#used < 4096)
      this.#header(
        this.#page + BigInt(this.#used),
        (4096 - this.#used) / unit,
        0,
        'Free',
        this.#builder.build,
      )
  }

  #header(at: bigint, units: number, type: number, tag: string, build: number): void {
    const builder = this.#builder
    builder.putBits(at, '_POOL_HEADER.PreviousSize', this.#lastUnits)
    builder.putBits(at, '_POOL_HEADER.BlockSize', units)
    // XP counts types from 1 and has no bit for "in use"
    builder.putBits(at, '_POOL_HEADER.PoolType', build < 6000 && type !== 0 ? type - 1 : type)
    const bytes = Buffer.from(tag.padEnd(4), 'latin1')
    builder.kernel.write(builder.at(at, '_POOL_HEADER.PoolTag'), bytes)
    this.#lastUnits = units
  }
}
