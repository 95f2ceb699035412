/** Pages that were swapped out: where they went, and their bytes where memory still has them (zram). */
import type { PhysicalMemory } from '../../core/memory.js'
import type { Problem } from '../problem.js'
import { StructReader } from '../struct/reader.js'
import type { LinuxKernel } from './kernel.js'
import { type SwapArea, swapAreas } from './swap/areas.js'
import { SwapEntries, type SwapPlace } from './swap/entries.js'
import { ZramDisk } from './swap/zram.js'

export { type SwapArea, swapAreas } from './swap/areas.js'
export { SwapEntries, type SwapPlace } from './swap/entries.js'

/** A page in swap. */
export interface SwappedPage {
  readonly place: SwapPlace
  /** Its bytes, where they are in memory. */
  readonly bytes?: Uint8Array
  /** How they were compressed; `none` and `same` (one word, over and over) too. */
  readonly compressor?: string
  /** Why there are no bytes: `on-disk` where the area is no zram; `no-types` where nothing tells how the driver's structures lie. */
  readonly missing?: 'on-disk' | 'no-types' | 'empty' | 'written-back' | 'unsupported' | 'broken'
}

const SECTOR_BYTES = 512

/** The swap areas of a guest as they stood when this was made, and the pages in them. */
export class Swap {
  readonly areas: readonly SwapArea[]
  readonly problems: readonly Problem[]
  readonly #kernel: LinuxKernel
  readonly #memory: PhysicalMemory
  readonly #entries: SwapEntries
  readonly #disks = new Map<bigint, ZramDisk | undefined>()

  constructor(kernel: LinuxKernel, memory: PhysicalMemory, reader = new StructReader(kernel)) {
    this.#kernel = kernel
    this.#memory = memory
    const { items, problems } = swapAreas(kernel, reader)
    this.areas = items
    this.problems = problems
    this.#entries = new SwapEntries(kernel.paging, items, reader)
  }

  /**
   * Which area and slot a swap entry of a page table names. On aarch64 the layout of entries is learnt from them: ask for all entries
   * of a process once before the answers are used, or hand them to `learn`.
   */
  place(entry: bigint): SwapPlace | undefined {
    return this.#entries.place(entry)
  }

  /** Looks at entries until the layout is settled. */
  learn(entries: Iterable<bigint>): void {
    for (const entry of entries) {
      if (this.#entries.settled !== undefined) return
      this.#entries.place(entry)
    }
  }

  /** The page of a swap entry; undefined when it names no slot of an area in use. */
  page(entry: bigint): SwappedPage | undefined {
    const place = this.place(entry)
    return place === undefined ? undefined : this.pageAt(place)
  }

  /** Whether pages of an area may be held in memory: it is a zram disk. */
  mayHold({ kind, disk, diskPrivate }: SwapArea): boolean {
    return kind === 'partition' && diskPrivate !== undefined && /^zram\d+$/.test(disk ?? '')
  }

  /** The page in a slot. */
  pageAt(place: SwapPlace): SwappedPage {
    const { area, offset } = place
    if (area.diskPrivate === undefined || !this.mayHold(area)) return { place, missing: 'on-disk' }
    const disk = this.#disk(area.diskPrivate)
    if (disk === undefined) return { place, missing: 'no-types' }
    const pageBytes = 2 ** this.#kernel.paging.pageShift
    const page = disk.page(offset + Math.floor(((area.firstSector ?? 0) * SECTOR_BYTES) / pageBytes))
    if (page.kind === 'none') return { place, missing: page.reason }
    return { place, bytes: page.bytes, compressor: page.compressor }
  }

  #disk(address: bigint): ZramDisk | undefined {
    if (!this.#disks.has(address))
      this.#disks.set(address, ZramDisk.open(this.#kernel, this.#memory, address))
    return this.#disks.get(address)
  }
}
