/** One address space of a guest: its top table, and what can be asked of it. */
import { isChanging, type PhysicalMemory } from '../core/memory.js'
import type { VirtualMemory, VirtualRead } from '../core/virtual-memory.js'
import { type AbsentDecoderName, absentDecoder } from './absent.js'
import { CachedWalker } from './cached-walker.js'
import type { ExtentLimits } from './collect-extents.js'
import { type ExtentList, listExtents } from './extents.js'
import type { PagingMode } from './mode.js'
import { flushTranslations, sharedTlb } from './shared-tlb.js'
import { tableBase } from './table-base.js'
import { sharedTables, type TableCache } from './table-cache.js'
import { translateMany } from './translate-many.js'
import { nonCanonical, pageOffset, type Translation, translationOf, vpnOf } from './translation.js'
import { readVirtual } from './virtual-read.js'
import { type Walk, walkLevels } from './walk-levels.js'
import { Walker } from './walker.js'

export interface SpaceOptions {
  readonly mode: PagingMode
  /** The top table: an address, or a register as the processor holds it (bigint); flags are stripped. */
  readonly dtb: bigint | number
  /** Modes with split tables: the upper half's own table (TTBR1). Default: `dtb` serves both halves. */
  readonly kernelDtb?: bigint | number
  /** How to understand entries that are not present. Default `none`. */
  readonly absent?: AbsentDecoderName
  /** Copies of tables, one a thread. Default: the one that all spaces of this memory share. */
  readonly tables?: TableCache
}

/**
 * Translates and reads by virtual address. Addresses are unsigned, as the guest prints them. Not for a loop over millions: that is
 * what `walker`, `Tlb` and `collectExtents` are for.
 */
export class AddressSpace implements VirtualMemory {
  readonly mode: PagingMode
  readonly pointerBytes: 4 | 8
  /** gpa of the top table, without flags. */
  readonly dtb: number
  /** gpa of the upper half's top table: `dtb` itself but on modes with split tables. */
  readonly kernelDtb: number
  readonly #walker: Walker
  readonly #absent: AbsentDecoderName
  /** Made at the first read: most spaces that are opened in search of a kernel are looked at once. */
  #cached: CachedWalker | undefined

  constructor(walker: Walker, dtb: number, kernelDtb: number, absent: AbsentDecoderName) {
    this.#walker = walker
    this.#absent = absent
    this.mode = walker.mode
    this.pointerBytes = walker.mode.vaBits === 32 ? 4 : 8
    this.dtb = dtb
    this.kernelDtb = kernelDtb
  }

  /**
   * The walker, set to this space's tables. It belongs to the space: nothing else may set it to others.
   * @internal
   */
  get walker(): Walker {
    return this.#walker
  }

  /** Where a byte stands, or why nowhere. */
  translate(va: bigint): Translation {
    this.#renew()
    const vpn = vpnOf(this.mode, va)
    if (Number.isNaN(vpn)) return nonCanonical(this.mode)
    return translationOf(this.#walker, this.#walker.walk(vpn), pageOffset(this.mode, va))
  }

  /** Where many bytes stand, in the order of `vas`; each table is read once. */
  translateMany(vas: readonly bigint[]): Translation[] {
    this.#renew()
    return translateMany(this.#walker, vas)
  }

  /** As `translate`, with each entry on the way. */
  walk(va: bigint): Walk {
    this.#renew()
    return walkLevels(this.#walker, va)
  }

  /** What is mapped in `from` ≤ address < `to`, ascending and coalesced. Default: everything, the user's half first. */
  extents(from = 0n, to = 1n << 64n, limits: ExtentLimits = {}): ExtentList {
    this.#renew()
    return listExtents(this.#walker, from, to, limits)
  }

  read(va: bigint, length: number): VirtualRead {
    this.#renew()
    return readVirtual(this.#reader(), va, length)
  }

  /** Forgets translations and the copies of tables: the guest ran meanwhile. All spaces that share them forget them. */
  flush(): void {
    flushTranslations(this.#walker.tables)
  }

  /** A running guest changes its tables: what was kept of them is dropped once it has had time to. */
  #renew(): void {
    const { memory } = this.#walker.tables
    if (isChanging(memory) && memory.changed()) this.flush()
  }

  #reader(): CachedWalker {
    if (this.#cached === undefined) {
      const { tables, mode } = this.#walker
      this.#cached = new CachedWalker(this.#walker, sharedTlb(tables, mode, this.#absent))
      this.#cached.use(this.dtb, mode.splitTables ? this.kernelDtb : -1)
    }
    return this.#cached
  }
}

/** The address space under a top table. Nothing is read yet: a table that is no memory shows in what `translate` says. */
export function openAddressSpace(memory: PhysicalMemory, options: SpaceOptions): AddressSpace {
  const { mode, absent = 'none' } = options
  const walker = new Walker(options.tables ?? sharedTables(memory), mode, absentDecoder(absent))
  const dtb = tableBase(mode, options.dtb)
  const kernelDtb = mode.splitTables ? tableBase(mode, options.kernelDtb ?? options.dtb) : dtb
  walker.use(dtb, kernelDtb)
  return new AddressSpace(walker, dtb, kernelDtb, absent)
}
