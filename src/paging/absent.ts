/**
 * What an entry without its valid bit means to the guest's operating system: the processor ignores such an entry, the
 * system keeps swap slots there, and pages that nobody may touch.
 */

import type { PagingMode } from './mode.js'

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
  /** 32-bit entries of Windows since 6.0. */
  | 'windows-ia32'
  /** 32-bit entries of Windows 5.x. */
  | 'windows-ia32-5'
  /** 64-bit entries of 32-bit Windows; the page file's number in bits 1-4. */
  | 'windows-pae'
  /** The same, the number in bits 12-15 (since the fix of L1TF). */
  | 'windows-pae-file12'
  /** 64-bit Windows; the page file's number in bits 1-4. */
  | 'windows-x86-64'
  /** The same, the number in bits 12-15 (since the fix of L1TF). */
  | 'windows-x86-64-file12'
  /** The same, on processors that the fix is for: this bit is set in every entry that is not valid. */
  | `windows-x86-64-mask${number}`

/** How Linux marks what is not present, in tables of this format. */
export function linuxAbsent(format: PagingMode['format']): AbsentDecoderName {
  if (format === 'aarch64') return 'linux-arm64'
  return format === 'ia32' ? 'linux-i386' : 'linux-x86-64'
}

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
/** Windows: the page (or the table) is in memory, on its way out; whoever touches it gets it back. */
export const ENTRY_TRANSITION = 3
/** Windows: another entry, in the kernel's memory, tells where the page is. */
export const ENTRY_PROTOTYPE = 4
/** Windows: the page is made when it is first touched, and reads as zeros. */
export const ENTRY_DEMAND_ZERO = 5

export interface AbsentDecoder {
  readonly name: AbsentDecoderName
  /**
   * What an entry that is not valid and not zero means: ENTRY_ABSENT, ENTRY_SWAPPED, ... `last`: it stands in the last table, else it
   * may stand for a large page, or for a table that is on its way out.
   */
  classify(low: number, high: number, last: boolean): number
  /** Turned over in a PROT_NONE entry before its frame is read. */
  readonly invertLow: number
  readonly invertHigh: number
  /** ENTRY_TRANSITION: bits of the high word that are the frame's. */
  readonly transitionHigh: number
  /** ENTRY_PROTOTYPE: virtual address of the other entry, signed; exact in a double. */
  prototype(low: number, high: number): number
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

/** What a system without Windows' kinds of entries has. */
const NO_PROTOTYPES = { transitionHigh: 0, prototype: () => Number.NaN } as const

const NONE: AbsentDecoder = {
  ...NO_PROTOTYPES,
  name: 'none',
  invertLow: 0,
  invertHigh: 0,
  classify: () => ENTRY_ABSENT,
  slot: () => undefined,
}

/** arch/x86/include/asm/pgtable-2level.h: type in bits 1-5, offset from bit 9. */
const LINUX_I386: AbsentDecoder = {
  ...NO_PROTOTYPES,
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
  ...NO_PROTOTYPES,
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
    ...NO_PROTOTYPES,
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

/** _MMPTE_SOFTWARE, _MMPTE_TRANSITION, _MMPTE_PROTOTYPE (PDBs of ntoskrnl; the bits are the same in all widths and versions). */
const WINDOWS_PROTOTYPE = 0x400
const WINDOWS_TRANSITION = 0x800
/**
 * Since the fix of L1TF, one bit of an absent entry may be set that no frame of the machine has (MiState.Hardware.InvalidPteMask); where it
 * was set anyway, SwizzleBit says so (MiSwizzleInvalidPte, as LibVMI's windows_pte_to_paddr undoes it). Which bit, the processor decides:
 * 45 is the usual one.
 */
const WINDOWS_SWIZZLE = 0x10
const FIRST_MASK_BIT = 36
const WINDOWS_FRAME_HIGH = 0xdfff
/** Kernel addresses of 64 bits have all of a high word's upper bits: no frame and no place in a page file reaches there. */
const isKernelHigh = (high: number) => high >> 15 === -1
/** A prototype entry that leads nowhere: the VAD tells (MI_PTE_LOOKUP_NEEDED). */
const LOOKUP_HIGH = -1
const LOOKUP_32 = 0xfffff

/** `prototype` tells whether an entry with the bit is one that leads somewhere. */
function windows(
  name: AbsentDecoderName,
  transitionHigh: number,
  prototype: AbsentDecoder['prototype'],
  slot: (entry: bigint) => SwapSlot,
  inFile: (low: number, high: number) => boolean,
): AbsentDecoder {
  return {
    name,
    invertLow: 0,
    invertHigh: 0,
    transitionHigh,
    prototype,
    classify(low, high, last) {
      const kind = low & (WINDOWS_PROTOTYPE | WINDOWS_TRANSITION)
      // since 22621 an entry of a file's section holds the section's address (MemProcFS, mm_win.c)
      if (isKernelHigh(high) && (low & WINDOWS_PROTOTYPE) === 0) return ENTRY_ABSENT
      if (kind === WINDOWS_TRANSITION) return ENTRY_TRANSITION
      if (!last) return ENTRY_ABSENT
      if (kind !== 0) return (low & WINDOWS_PROTOTYPE) !== 0 ? ENTRY_PROTOTYPE : ENTRY_ABSENT
      return inFile(low, high) ? ENTRY_SWAPPED : ENTRY_DEMAND_ZERO
    },
    slot,
  }
}

/** The page file's offset is 0 in a page that is in none. */
const highIsOffset = (_low: number, high: number) => high !== 0

function windows64(
  name: AbsentDecoderName,
  fileShift: bigint,
  transitionHigh: number,
  prototype: AbsentDecoder['prototype'],
): AbsentDecoder {
  const slot = (entry: bigint) => ({
    type: Number((entry >> fileShift) & 15n),
    offset: Number(entry >> 32n),
  })
  return windows(name, transitionHigh, prototype, slot, highIsOffset)
}

/** 48 bits from bit 16 on, the highest of which is the sign: all of them lead into the kernel's half. */
const prototype64 = (low: number, high: number) =>
  high >= 0 || high === LOOKUP_HIGH ? Number.NaN : high * 2 ** 16 + (low >>> 16)
/** The address of 32 bits stands in the high word. */
const prototypePae = (_low: number, high: number) =>
  high >= 0 || high === LOOKUP_HIGH ? Number.NaN : high >>> 0
/** Since 6.0: an offset from the start of the kernel's half, in two parts (_MMPTE_PROTOTYPE: 8 bits from 1 on, 21 from 11 on). */
const prototype32 = (low: number) =>
  low >>> 12 === LOOKUP_32 ? Number.NaN : 0x8000_0000 + ((low >>> 1) & 0x7fff_fc00) + ((low << 1) & 0x3fc)
/** MmProtopte_Base: where the paged pool starts, unless a large one was asked for (mi386.h). */
const PAGED_POOL_32 = 0xe100_0000
/** 5.x: an offset from there (_MMPTE_PROTOTYPE: 7 bits from 1 on, 21 from 11 on; ReactOS' MiProtoPteToPte). */
function prototype32Of5(low: number): number {
  const address = PAGED_POOL_32 + (low >>> 11) * 0x200 + ((low & 0xfe) << 1)
  return low >>> 12 === LOOKUP_32 || address >= 2 ** 32 ? Number.NaN : address
}

function windows32(name: AbsentDecoderName, prototype: AbsentDecoder['prototype']): AbsentDecoder {
  const slot = (entry: bigint) => ({ type: Number((entry >> 1n) & 15n), offset: Number(entry >> 12n) })
  return windows(name, 0, prototype, slot, low => low >>> 12 !== 0)
}

/** 64-bit entries with `bit` set in all that are not valid. */
function masked64(name: AbsentDecoderName, bit: number): AbsentDecoder {
  const mask = 2 ** (bit - 32)
  const plain = (low: number, high: number) => ((low & WINDOWS_SWIZZLE) !== 0 ? high : high & ~mask)
  return windows(
    name,
    0xffff & ~mask,
    (low, high) => (high >= 0 || high === LOOKUP_HIGH ? Number.NaN : prototype64(low, plain(low, high))),
    entry => {
      const high = plain(Number(entry & 0xffff_ffffn), Number(entry >> 32n) | 0)
      return { type: Number((entry >> 12n) & 15n), offset: high >>> 0 }
    },
    (low, high) => plain(low, high) !== 0,
  )
}

const DECODERS: Readonly<Record<Exclude<AbsentDecoderName, MaskedName>, AbsentDecoder>> = {
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
  'windows-ia32': windows32('windows-ia32', prototype32),
  'windows-ia32-5': windows32('windows-ia32-5', prototype32Of5),
  'windows-pae': windows64('windows-pae', 1n, 0x3f, prototypePae),
  'windows-pae-file12': windows64('windows-pae-file12', 12n, 0x3f, prototypePae),
  'windows-x86-64': windows64('windows-x86-64', 1n, WINDOWS_FRAME_HIGH, prototype64),
  'windows-x86-64-file12': windows64('windows-x86-64-file12', 12n, WINDOWS_FRAME_HIGH, prototype64),
}

type MaskedName = `windows-x86-64-mask${number}`

const MASKED: readonly AbsentDecoder[] = Array.from({ length: 16 }, (_, i) =>
  masked64(`windows-x86-64-mask${FIRST_MASK_BIT + i}`, FIRST_MASK_BIT + i),
)

/** The decoder for entries that are not valid with this bit set; undefined for a bit that none can be: of them 36 to 51 can. */
export function maskedDecoderName(bit: number): AbsentDecoderName | undefined {
  return MASKED[bit - FIRST_MASK_BIT]?.name
}

/** The decoder of that name. */
export function absentDecoder(name: AbsentDecoderName): AbsentDecoder {
  const decoders: Readonly<Partial<Record<AbsentDecoderName, AbsentDecoder>>> = DECODERS
  return decoders[name] ?? MASKED.find(each => each.name === name) ?? NONE
}
