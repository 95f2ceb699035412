/** Handle tables: the same structure for a process's handles and for the table of process and thread ids. */
import { hex } from '../../core/address.js'
import type { Problems } from '../problem.js'
import { structSpec } from '../struct/layout.js'
import type { StructReader } from '../struct/reader.js'
import type { WindowsKernel } from './kernel.js'
import { isAtLeast } from './layout/version.js'

const TABLE = structSpec('_HANDLE_TABLE', { code: 'TableCode', owner: 'UniqueProcessId' })

/** An entry in use. */
export interface HandleEntry {
  readonly handle: number
  /** What it leads to: an object's header, or in the table of ids the object itself. */
  readonly address: bigint
  readonly access: number
}

const PAGE_BYTES = 4096
const MAX_ENTRIES = 1 << 20
const MAX_PAGES = 1 << 15

/** Walks the table at `address`; broken parts are told and left out. */
export function walkHandles(
  kernel: WindowsKernel,
  reader: StructReader,
  address: bigint,
  what: string,
  problems: Problems,
): HandleEntry[] {
  const code = reader.record(TABLE, address)?.pointer('code')
  if (code === undefined) {
    problems.add('absent', `${what}: table ${hex(address)} is not in memory`, address)
    return []
  }
  return new Walk(kernel, reader, what, problems).run(code)
}

/** How far an address is shifted in a 64-bit entry: in 6.2, and since 6.3; before, it is there with flags below (_HANDLE_TABLE_ENTRY of PDBs). */
export const SHIFT_8 = 19n
export const SHIFT_SINCE_81 = 16n

/** The address in the topmost bits of an entry, which are its own from bit 4 on; the highest of them is the sign. */
export function packedAddress(entry: bigint, shift: bigint): bigint {
  return BigInt.asUintN(64, BigInt.asIntN(64, entry) >> shift) & ~0xfn
}

class Walk {
  readonly #kernel: WindowsKernel
  readonly #reader: StructReader
  readonly #what: string
  readonly #problems: Problems
  readonly #entryBytes: number
  readonly #found: HandleEntry[] = []
  readonly #seen = new Set<bigint>()
  #lost = 0

  constructor(kernel: WindowsKernel, reader: StructReader, what: string, problems: Problems) {
    this.#kernel = kernel
    this.#reader = reader
    this.#what = what
    this.#problems = problems
    this.#entryBytes = reader.pointerBytes === 8 ? 16 : 8
  }

  run(code: bigint): HandleEntry[] {
    const level = Number(code & 3n)
    if (level > 2) {
      this.#problems.add('broken', `${this.#what}: a table of ${level + 1} levels`, code)
      return []
    }
    this.#visit(code & ~7n, level, 0)
    if (this.#lost > 0)
      this.#problems.add('absent', `${this.#what}: ${this.#lost} pages of the table are not in memory`)
    return this.#found
  }

  /** A page of the table; `first` is the index of its first entry. */
  #visit(page: bigint, level: number, first: number): void {
    if (!this.#reader.isKernelAddress(page)) {
      this.#problems.add('broken', `${this.#what}: a page at ${hex(page)} is outside the kernel`, page)
      return
    }
    if (this.#seen.has(page)) {
      this.#problems.add('loop', `${this.#what}: page ${hex(page)} stands in it twice`, page)
      return
    }
    if (this.#seen.size >= MAX_PAGES || this.#found.length >= MAX_ENTRIES) {
      if (this.#seen.size === MAX_PAGES) this.#problems.add('cut', `${this.#what}: cut at ${MAX_PAGES} pages`)
      return
    }
    this.#seen.add(page)
    if (level === 0) this.#entries(page, first)
    else {
      const span =
        (PAGE_BYTES / this.#entryBytes) * (level === 2 ? PAGE_BYTES / this.#reader.pointerBytes : 1)
      const pages = this.#reader.pointers(page, PAGE_BYTES / this.#reader.pointerBytes)
      if (pages.every(each => each === undefined)) this.#lost++
      pages.forEach((each, index) => {
        if (each !== undefined && each !== 0n) this.#visit(each & ~7n, level - 1, first + index * span)
      })
    }
  }

  #entries(page: bigint, first: number): void {
    const { bytes, absent } = this.#reader.memory.read(page, PAGE_BYTES)
    if (absent.length > 0) {
      this.#lost++
      return
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    // the first entry of a page is the table's own
    for (let i = 1; i < PAGE_BYTES / this.#entryBytes; i++) {
      const at = i * this.#entryBytes
      const address =
        this.#reader.pointerBytes === 8
          ? this.#wide(view.getBigUint64(at, true))
          : narrow(view.getUint32(at, true))
      if (address === undefined) continue
      const access = view.getUint32(at + this.#entryBytes / 2, true) & 0x1ff_ffff
      this.#found.push({ handle: (first + i) * 4, address, access })
    }
  }

  #wide(value: bigint): bigint | undefined {
    const { version } = this.#kernel
    let address = value & ~7n
    if (isAtLeast(version, 6, 3)) address = packedAddress(value, SHIFT_SINCE_81)
    else if (isAtLeast(version, 6, 2)) address = packedAddress(value, SHIFT_8)
    return address >= this.#reader.kernelStart && value !== 0n ? address : undefined
  }
}

function narrow(value: number): bigint | undefined {
  const address = (value & ~7) >>> 0
  return address >= 0x8000_0000 ? BigInt(address) : undefined
}
