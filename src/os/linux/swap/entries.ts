/** What a swap entry of a page table says: which area, which slot. */
import { type AbsentDecoderName, absentDecoder } from '../../../paging/absent.js'
import type { PagingMode } from '../../../paging/mode.js'
import type { StructReader } from '../../struct/reader.js'
import type { SwapArea } from './areas.js'

/** A slot of an area that exists. */
export interface SwapPlace {
  readonly area: SwapArea
  /** In pages from the area's start. */
  readonly offset: number
}

/** A slot, and the layout by which the entry names it. */
interface Reading extends SwapPlace {
  readonly layout: AbsentDecoderName
}

/**
 * Reads swap entries of one guest. On aarch64 6.11 moved both fields, and nothing in a kernel says which layout it has but its
 * entries: one that makes sense in only one of them settles it. Until then the later is taken where both make sense, since every entry
 * of the later does so often, and of the earlier only one in sixteen.
 */
export class SwapEntries {
  readonly #layouts: readonly AbsentDecoderName[]
  readonly #areas: readonly SwapArea[]
  readonly #reader: StructReader | undefined
  #settled: AbsentDecoderName | undefined

  /** `reader`: where there is one, slots that nobody uses are not taken. */
  constructor(mode: PagingMode, areas: readonly SwapArea[], reader?: StructReader) {
    this.#layouts =
      mode.format === 'aarch64'
        ? ['linux-arm64-offset12', 'linux-arm64-offset8']
        : [mode.format === 'ia32' ? 'linux-i386' : 'linux-x86-64']
    this.#areas = areas
    this.#reader = reader
  }

  /** Layout that the entries seen so far prove. */
  get settled(): AbsentDecoderName | undefined {
    return this.#settled ?? (this.#layouts.length === 1 ? this.#layouts[0] : undefined)
  }

  /** Where the page of a swap entry (as it stands in the last table) is; undefined when it names no slot of an area that is in use. */
  place(entry: bigint): SwapPlace | undefined {
    const readings = this.#layouts.flatMap(layout => this.#reading(layout, entry) ?? [])
    if (readings.length === 1 && this.#layouts.length > 1) this.#settled ??= readings[0]?.layout
    const reading =
      this.#settled === undefined ? readings[0] : readings.find(({ layout }) => layout === this.#settled)
    return reading === undefined ? undefined : { area: reading.area, offset: reading.offset }
  }

  #reading(layout: AbsentDecoderName, entry: bigint): Reading | undefined {
    if (layout === 'linux-arm64-offset12' && (entry & LATER_CLEAR) !== 0n) return undefined
    const slot = absentDecoder(layout).slot(entry)
    const area = slot === undefined ? undefined : this.#areas.find(candidate => candidate.type === slot.type)
    // slot 0 is the area's header
    if (slot === undefined || area === undefined || slot.offset <= 0 || slot.offset >= area.slots)
      return undefined
    const used = this.#reader === undefined || isUsed(this.#reader, area, slot.offset)
    return used ? { area, offset: slot.offset, layout } : undefined
  }
}

/** Whether anybody uses the slot; true where nothing tells. */
function isUsed(reader: StructReader, area: SwapArea, offset: number): boolean {
  const count = area.map === undefined ? undefined : reader.bytes(area.map + BigInt(offset), 1)?.[0]
  return count === undefined || (count & SWAP_COUNT) !== 0
}

/** Bits that the later layout leaves clear: 4, 5 and 11 (arch/arm64/include/asm/pgtable.h). */
const LATER_CLEAR = 0x830n
/** Of a slot's byte, without SWAP_HAS_CACHE (include/linux/swap.h). */
const SWAP_COUNT = 0xbf
