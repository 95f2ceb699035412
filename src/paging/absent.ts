/**
 * What an entry without its valid bit means to the guest's operating system: the processor ignores such an entry, the
 * system keeps swap slots there, and pages that nobody may touch.
 */

/** By name, so that it crosses threads. `none`: nothing is known, every such entry is not present. */
export type AbsentDecoderName =
  | 'none'
  /** 32-bit entries of Linux. */
  | 'linux-i386'
  /** 64-bit entries of Linux on x86, PAE included. */
  | 'linux-x86-64'
  /** Linux on aarch64; where swap entries keep type and offset is not known, so they are not told. */
  | 'linux-arm64'
  /** Type in bits 3-7, offset in 8-57 (5.19 to 6.10). */
  | 'linux-arm64-offset8'
  /** Type in bits 6-10, offset in 12-61 (6.11 and later). */
  | 'linux-arm64-offset12'

/** A page's place in swap: which swap area, and the slot in it. */
export interface SwapSlot {
  readonly type: number
  readonly offset: number
}

/** Not mapped at all. */
export const ENTRY_ABSENT = 0
/** The page is in swap. */
export const ENTRY_SWAPPED = 1
/** The page is in memory, but nobody may touch it (PROT_NONE, or awaiting a NUMA hinting fault). */
export const ENTRY_PROT_NONE = 2

export interface AbsentDecoder {
  readonly name: AbsentDecoderName
  /**
   * What an entry that is not valid and not zero means: ENTRY_ABSENT, ENTRY_SWAPPED or ENTRY_PROT_NONE. `last`: it stands
   * in the last table, else it may stand for a large page.
   */
  classify(low: number, high: number, last: boolean): number
  /** Turned over in a PROT_NONE entry before its frame is read. */
  readonly invertLow: number
  readonly invertHigh: number
  /** Where a swapped page went; undefined where that is not known. */
  slot(entry: bigint): SwapSlot | undefined
}

/**
 * Swap types from here on are markers, pages on the move or broken ones: at most 9 of the 32 types are taken
 * (MAX_SWAPFILES, Linux include/linux/swap.h), from the top.
 */
const SPECIAL_TYPES = 23
const PROT_NONE = 0x100
const PSE = 0x80

/** Linux on x86: _PAGE_PROTNONE is the global bit; a large page keeps PSE (arch/x86/include/asm/pgtable.h, pmd_present). */
function x86ProtNone(low: number, last: boolean): boolean {
  return (low & PROT_NONE) !== 0 && (last || (low & PSE) !== 0)
}

const NONE: AbsentDecoder = {
  name: 'none',
  invertLow: 0,
  invertHigh: 0,
  classify: () => ENTRY_ABSENT,
  slot: () => undefined,
}

/** arch/x86/include/asm/pgtable-2level.h: type in bits 1-5, offset from bit 9. */
const LINUX_I386: AbsentDecoder = {
  name: 'linux-i386',
  invertLow: 0,
  invertHigh: 0,
  classify(low, _high, last) {
    if (x86ProtNone(low, last)) return ENTRY_PROT_NONE
    return last && (low & PROT_NONE) === 0 && ((low >>> 1) & 31) < SPECIAL_TYPES
      ? ENTRY_SWAPPED
      : ENTRY_ABSENT
  },
  slot: entry => ({ type: Number((entry >> 1n) & 31n), offset: Number((entry >> 9n) & 0x7f_ffffn) }),
}

/**
 * arch/x86/include/asm/pgtable_64.h, pgtable-3level.h, pgtable-invert.h: type in bits 59-63, offset in 9-58 and inverted, as
 * frames of entries that are not present are (since the fix of L1TF).
 */
const LINUX_X86_64: AbsentDecoder = {
  name: 'linux-x86-64',
  invertLow: 0xffff_f000 | 0,
  invertHigh: 0xf_ffff,
  classify(low, high, last) {
    if (x86ProtNone(low, last)) return ENTRY_PROT_NONE
    return last && (low & PROT_NONE) === 0 && high >>> 27 < SPECIAL_TYPES ? ENTRY_SWAPPED : ENTRY_ABSENT
  },
  slot: entry => ({ type: Number(entry >> 59n), offset: Number((~entry >> 9n) & 0x3_ffff_ffff_ffffn) }),
}

/** Bits 58 (to 6.9), 59 (large pages, and 6.10) and 11 (6.11 and later). */
const ARM64_PRESENT_INVALID_HIGH = 0x0c00_0000
const ARM64_NG = 0x800
const ARM64_AF = 0x400
/** PXN and UXN, which PROT_NONE pages have and no swap offset reaches. */
const ARM64_NEVER_EXECUTE = 0x0060_0000

/**
 * arch/arm64/include/asm/pgtable.h, pgtable-prot.h. A swap entry has bits 0 and 1 clear, while a page's entry that was made
 * invalid keeps bit 1; a large page's has it clear as well, and is told by the bit that says so.
 */
function arm64(
  name: AbsentDecoderName,
  slot: AbsentDecoder['slot'],
  type: (low: number) => number,
): AbsentDecoder {
  return {
    name,
    invertLow: 0,
    invertHigh: 0,
    classify(low, high, last) {
      const marked = (high & ARM64_PRESENT_INVALID_HIGH) !== 0 || (low & ARM64_NG) !== 0
      if (last) {
        if ((low & 2) !== 0) return marked ? ENTRY_PROT_NONE : ENTRY_ABSENT
        return type(low) < SPECIAL_TYPES ? ENTRY_SWAPPED : ENTRY_ABSENT
      }
      if ((low & 2) !== 0 || (low & ARM64_AF) === 0 || !marked) return ENTRY_ABSENT
      return (high & ARM64_NEVER_EXECUTE) === ARM64_NEVER_EXECUTE ? ENTRY_PROT_NONE : ENTRY_ABSENT
    },
    slot,
  }
}

const DECODERS: Readonly<Record<AbsentDecoderName, AbsentDecoder>> = {
  none: NONE,
  'linux-i386': LINUX_I386,
  'linux-x86-64': LINUX_X86_64,
  'linux-arm64': arm64(
    'linux-arm64',
    () => undefined,
    () => 0,
  ),
  'linux-arm64-offset8': arm64(
    'linux-arm64-offset8',
    entry => ({ type: Number((entry >> 3n) & 31n), offset: Number((entry >> 8n) & 0x3_ffff_ffff_ffffn) }),
    low => (low >>> 3) & 31,
  ),
  'linux-arm64-offset12': arm64(
    'linux-arm64-offset12',
    entry => ({ type: Number((entry >> 6n) & 31n), offset: Number((entry >> 12n) & 0x3_ffff_ffff_ffffn) }),
    low => (low >>> 6) & 31,
  ),
}

/** The decoder of that name. */
export function absentDecoder(name: AbsentDecoderName): AbsentDecoder {
  return DECODERS[name]
}
