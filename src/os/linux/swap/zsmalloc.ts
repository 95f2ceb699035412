/**
 * Objects of the zsmalloc allocator (mm/zsmalloc.c), in which zram and zswap keep compressed pages. A handle points to a word that
 * holds frame and index of the object; pages of one `zspage` are chained, an object may lie across two.
 */
import { type PhysicalMemory, readInto } from '../../../core/memory.js'
import { findRun } from '../../../core/runs.js'
import type { TypeTable } from '../../../symbols/contract.js'
import { structSpec } from '../../struct/layout.js'
import { StructReader } from '../../struct/reader.js'
import type { PageStructs } from '../page/page-structs.js'

/** In newer kernels zsmalloc has its own view of `struct page`; the places are the same. */
const ZS_PAGE = structSpec('zpdesc', { next: 'next', zspage: 'zspage' })
const PAGE = structSpec('page', { next: ['index', '__folio_index'], zspage: 'private' })
const ZSPAGE = structSpec('zspage', {
  huge: 'huge',
  class: 'class',
  magic: 'magic',
  first: ['first_zpdesc', 'first_page'],
})
const POOL = structSpec('zs_pool', { classes: 'size_class' })
const CLASS = structSpec('size_class', { size: 'size', objects: 'objs_per_zspage' })

/** ZSPAGE_MAGIC of mm/zsmalloc.c. */
const MAGIC = 0x58
/** Bits of a frame number in the word: 52, 48, 46, 36 or 32 bits of address, by architecture and configuration. */
const ADDRESS_BITS = [52, 48, 46, 36, 32]

export interface ZsmallocOptions {
  readonly reader: StructReader
  readonly types: TypeTable
  readonly memory: PhysicalMemory
  readonly pages: PageStructs
  readonly pageBytes: number
}

interface Place {
  readonly pfn: number
  readonly index: number
}

/** Reads objects of one guest's pools. */
export class Zsmalloc {
  readonly #reader: StructReader
  readonly #memory: PhysicalMemory
  readonly #pages: PageStructs
  readonly #pageBytes: number

  constructor({ reader, types, memory, pages, pageBytes }: ZsmallocOptions) {
    this.#reader = new StructReader({ memory: reader.memory, types })
    this.#memory = memory
    this.#pages = pages
    this.#pageBytes = pageBytes
  }

  /** The first `length` bytes of an object; undefined when the handle leads to none. */
  object(pool: bigint, handle: bigint, length: number): Uint8Array | undefined {
    const word = this.#reader.isKernelAddress(handle) ? this.#reader.pointer(handle) : undefined
    if (word === undefined || length <= 0 || length > this.#pageBytes) return undefined
    for (const place of this.#places(word)) {
      const bytes = this.#at(pool, handle, place, length)
      if (bytes !== undefined) return bytes
    }
    return undefined
  }

  /** What the word can mean: how many bits its parts have is the kernel's configuration. */
  *#places(word: bigint): Generator<Place> {
    const wordBits = this.#reader.pointerBytes * 8
    const pageShift = Math.log2(this.#pageBytes)
    for (const tagBits of [1, 0]) {
      for (const addressBits of ADDRESS_BITS) {
        const indexBits = wordBits - (addressBits - pageShift) - tagBits
        if (indexBits <= 0 || addressBits > wordBits + pageShift) continue
        const value = word >> BigInt(tagBits)
        yield {
          pfn: Number(value >> BigInt(indexBits)),
          index: Number(BigInt.asUintN(indexBits, value)),
        }
      }
    }
  }

  #at(pool: bigint, handle: bigint, { pfn, index }: Place, length: number): Uint8Array | undefined {
    const page = this.#page(this.#pageAddress(pfn))
    const zspage = page?.zspage === undefined ? undefined : this.#reader.record(ZSPAGE, page.zspage)
    if (page === undefined || zspage === undefined || zspage.number('magic') !== MAGIC) return undefined
    const huge = zspage.number('huge') === 1
    const size = huge ? this.#pageBytes : this.#classSize(pool, zspage.number('class') ?? -1, index)
    if (size === undefined) return undefined
    const head = huge ? 0 : this.#reader.pointerBytes
    if (length + head > size) return undefined
    const offset = huge ? 0 : (size * index) % this.#pageBytes
    const bytes = new Uint8Array(length + head)
    const inFirst = Math.min(bytes.length, this.#pageBytes - offset)
    if (!this.#copy(pfn, offset, bytes.subarray(0, inFirst))) return undefined
    if (inFirst < bytes.length) {
      const next = page.next === undefined ? undefined : this.#pfnOf(page.next)
      if (next === undefined || !this.#copy(next, 0, bytes.subarray(inFirst))) return undefined
    }
    if (huge) return bytes
    // an object starts with its handle, the lowest bit says that it is in use
    const view = new DataView(bytes.buffer)
    const owner = head === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true))
    return (owner & ~1n) === (handle & ~1n) ? bytes.subarray(head) : undefined
  }

  #classSize(pool: bigint, index: number, object: number): number | undefined {
    const member = this.#reader.layout(POOL).member('classes')
    const width = this.#reader.pointerBytes
    if (member === undefined || index < 0 || (index + 1) * width > member.bytes) return undefined
    const address = this.#reader.pointer(pool + BigInt(member.offset + index * width))
    const sizes = address === undefined ? undefined : this.#reader.record(CLASS, address)
    const size = sizes?.number('size') ?? 0
    if (size <= 0 || size > this.#pageBytes || object >= (sizes?.number('objects') ?? 0)) return undefined
    return size
  }

  #page(address: bigint): { readonly next?: bigint; readonly zspage?: bigint } | undefined {
    const record = this.#reader.record(ZS_PAGE, address) ?? this.#reader.record(PAGE, address)
    const next = record?.link('next')
    const zspage = record?.link('zspage')
    if (record === undefined || zspage === undefined || !this.#reader.isKernelAddress(zspage))
      return undefined
    return { zspage, ...(next === undefined ? {} : { next }) }
  }

  #pageAddress(pfn: number): bigint {
    return this.#pages.base + BigInt(pfn) * BigInt(this.#pages.sizeBytes)
  }

  #pfnOf(page: bigint): number | undefined {
    const distance = page - this.#pages.base
    const size = BigInt(this.#pages.sizeBytes)
    return distance >= 0n && distance % size === 0n ? Number(distance / size) : undefined
  }

  #copy(pfn: number, offset: number, target: Uint8Array): boolean {
    const gpa = pfn * this.#pageBytes + offset
    const run = this.#memory.runs[findRun(this.#memory.runs, gpa)]
    if (run === undefined || gpa + target.length > run.gpa + run.length) return false
    return readInto(this.#memory, gpa, target).length === 0
  }
}
