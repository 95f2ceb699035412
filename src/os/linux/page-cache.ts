/** Which file a frame of the page cache belongs to: frame, `struct page`, address space, inode, name. */

import { type Problem, Problems } from '../problem.js'
import { structArray } from '../struct/array.js'
import { structSpec } from '../struct/layout.js'
import { StructReader } from '../struct/reader.js'
import type { StructRecord } from '../struct/record.js'
import type { LinuxKernel } from './kernel.js'
import { type InodeName, inodeName } from './page/inode-names.js'
import { findPageStructs, type PageStructs } from './page/page-structs.js'
import { INODE } from './path/structs.js'
import { PathReader } from './paths.js'

/** The file whose bytes a frame holds. */
export interface PageCacheOwner extends InodeName {
  /** Of the frame's first byte in the file; absent for hugetlbfs, whose pages count differently from kernel to kernel. */
  readonly offset?: number
  /** Kernel virtual address of the inode. */
  readonly inodeAddress: bigint
}

const PAGE = structSpec('page', {
  mapping: 'mapping',
  index: ['index', '__folio_index'],
  head: ['compound_head', 'compound_info'],
})
type PageKey = keyof (typeof PAGE)['members']
const ADDRESS_SPACE = structSpec('address_space', { host: 'host' })
const INODE_MAPPING = structSpec('inode', { mapping: 'i_mapping', own: 'i_data' })

/** Low bits of `page.mapping` that say it is none of a file: anonymous, movable, KSM (include/linux/page-flags.h). */
const NOT_A_FILE = 3n
const MAX_KEPT = 65_536
/** `struct page`s that are read at once: frames are asked for in order, mostly. */
const GROUP = 64
/** Largest compound page: 16 GiB of 4 KiB pages. */
const MAX_COMPOUND_PAGES = 1n << 22n

/** Answers for many frames, fastest in ascending order; keeps the names of files it met, so make a new one where the guest has run meanwhile. */
export class PageCache {
  readonly #reader: StructReader
  readonly #paths: PathReader
  readonly #problems = new Problems()
  readonly #pages: PageStructs | undefined
  readonly #pageBytes: number
  #group: { readonly first: number; readonly page: ReturnType<typeof structArray<PageKey>> } | undefined
  readonly #files = new Map<bigint, (InodeName & { readonly inodeAddress: bigint }) | undefined>()

  constructor(kernel: LinuxKernel, reader = new StructReader(kernel)) {
    this.#reader = reader
    this.#paths = new PathReader(reader, this.#problems)
    this.#pages = findPageStructs(kernel, reader)
    this.#pageBytes = 2 ** kernel.paging.pageShift
    if (this.#pages === undefined)
      this.#problems.add('unknown', 'page cache: where the kernel describes its frames is not known')
  }

  /** False when this kernel's array of pages was not found: then no frame has an owner. */
  get available(): boolean {
    return this.#pages !== undefined
  }

  get problems(): readonly Problem[] {
    return this.#problems.list
  }

  /** Owner of a frame, by its number (gpa / bytes of the smallest page); undefined when it holds no file's bytes. */
  owner(gfn: number): PageCacheOwner | undefined {
    const pages = this.#pages
    if (pages === undefined || !Number.isSafeInteger(gfn) || gfn < 0) return undefined
    const record = this.#page(pages, gfn)
    if (record === undefined) return undefined
    const { address } = record
    const head = headOf(address, record.pointer('head') ?? 0n, BigInt(pages.sizeBytes))
    const page = head === address ? record : this.#reader.record(PAGE, head)
    const mapping = page?.link('mapping')
    const index = page?.number('index')
    if (mapping === undefined || index === undefined || (mapping & NOT_A_FILE) !== 0n) return undefined
    const file = this.#file(mapping)
    if (file === undefined) return undefined
    const offset = (index + Number((address - head) / BigInt(pages.sizeBytes))) * this.#pageBytes
    const known = file.fileSystem !== 'hugetlbfs' && Number.isSafeInteger(offset)
    return known ? { ...file, offset } : file
  }

  /** Owners of many frames; those without one are not in the result. */
  owners(gfns: Iterable<number>): Map<number, PageCacheOwner> {
    const found = new Map<number, PageCacheOwner>()
    for (const gfn of gfns) {
      const owner = this.owner(gfn)
      if (owner !== undefined) found.set(gfn, owner)
    }
    return found
  }

  #page(pages: PageStructs, gfn: number): StructRecord<PageKey> | undefined {
    const first = gfn - (gfn % GROUP)
    if (this.#group?.first !== first) {
      const address = pages.base + BigInt(first) * BigInt(pages.sizeBytes)
      this.#group = { first, page: structArray(this.#reader, PAGE, address, GROUP) }
    }
    return this.#group.page(gfn - first)
  }

  #file(mapping: bigint): (InodeName & { readonly inodeAddress: bigint }) | undefined {
    if (this.#files.has(mapping)) return this.#files.get(mapping)
    const inodeAddress = this.#inodeOf(mapping)
    const name =
      inodeAddress === undefined
        ? undefined
        : inodeName(this.#reader, this.#paths, inodeAddress, this.#problems)
    const file = name === undefined || inodeAddress === undefined ? undefined : { ...name, inodeAddress }
    if (this.#files.size >= MAX_KEPT) this.#files.clear()
    this.#files.set(mapping, file)
    return file
  }

  /** The inode must point back: `struct page` is a union, and frames of other uses hold other things there. */
  #inodeOf(mapping: bigint): bigint | undefined {
    const inode = this.#reader.record(ADDRESS_SPACE, mapping)?.link('host')
    if (inode === undefined || !this.#reader.isKernelAddress(inode)) return undefined
    const record = this.#reader.record(INODE_MAPPING, inode)
    const mine = record?.link('mapping') === mapping || record?.addressOf('own') === mapping
    return mine && this.#reader.record(INODE, inode)?.link('superBlock') !== undefined ? inode : undefined
  }
}

/** Owner of one frame; for many make a `PageCache`. */
export function pageCacheOwner(kernel: LinuxKernel, gfn: number): PageCacheOwner | undefined {
  return new PageCache(kernel).owner(gfn)
}

/**
 * The first page of a compound one. A tail's word has bit 0 set; the rest is the head's address, or (where the size of `struct page`
 * is a power of two, since 7.1) the mask that makes it of the tail's.
 */
function headOf(page: bigint, word: bigint, sizeBytes: bigint): bigint {
  if ((word & 1n) === 0n) return page
  for (const head of [word - 1n, page & word]) {
    const distance = page - head
    if (distance >= 0n && distance <= MAX_COMPOUND_PAGES * sizeBytes && distance % sizeBytes === 0n)
      return head
  }
  return page
}
