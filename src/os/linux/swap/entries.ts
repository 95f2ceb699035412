/** What a swap entry of a page table says: which area, which slot. */
import { type AbsentDecoderName, absentDecoder } from '../../../paging/absent.js'
import type { PagingMode } from '../../../paging/mode.js'
import type { StructReader } from '../struct/reader.js'
import type { SwapArea } from './areas.js'

/** A slot of an area that exists. */
export interface SwapPlace {
  readonly area: SwapArea
  /** In pages from the area's start. */
  readonly offset: number
}

/**
 * Layouts to try. On aarch64 6.11 moved both fields, and nothing in a kernel says which it is but its entries: offsets of the later
 * layout, read as the earlier, are multiples of 16, and an earlier entry read as a later one has most often a type that is none. So the
 * later comes first.
 */
function layouts(mode: PagingMode): readonly AbsentDecoderName[] {
  if (mode.format === 'aarch64') return ['linux-arm64-offset12', 'linux-arm64-offset8']
  return [mode.format === 'ia32' ? 'linux-i386' : 'linux-x86-64']
}

/**
 * Where the page of a swap entry (as it stands in the last table) is; undefined when it names no slot of an area that is in use.
 * `reader`: where there is one, slots that nobody uses are not taken either.
 */
export function swapPlace(
  mode: PagingMode,
  entry: bigint,
  areas: readonly SwapArea[],
  reader?: StructReader,
): SwapPlace | undefined {
  for (const layout of layouts(mode)) {
    if (layout === 'linux-arm64-offset12' && (entry & LATER_CLEAR) !== 0n) continue
    const slot = absentDecoder(layout).slot(entry)
    const area = slot === undefined ? undefined : areas.find(candidate => candidate.type === slot.type)
    // slot 0 is the area's header
    if (slot === undefined || area === undefined || slot.offset <= 0 || slot.offset >= area.slots) continue
    if (reader === undefined || isUsed(reader, area, slot.offset)) return { area, offset: slot.offset }
  }
  return undefined
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
