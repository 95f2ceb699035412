/** What translating an address gives, and how addresses and page numbers become each other. */
import type { GapReason } from '../core/memory.js'
import type { AbsentReason } from '../core/virtual-memory.js'
import type { SwapSlot } from './absent.js'
import type { PagingMode } from './mode.js'
import {
  CONTIGUOUS,
  DEMAND_ZERO,
  EXECUTABLE,
  FRAME_OUTSIDE,
  MAPPED,
  NON_CANONICAL,
  NOT_PRESENT,
  PROT_NONE,
  reasonOf,
  SWAPPED,
  TABLE_UNREADABLE,
  TRANSITION,
  USER,
  WRITABLE,
} from './outcome.js'
import type { Walker } from './walker.js'

/** Permissions of a page, combined over all levels. */
export interface PageFlags {
  readonly writable: boolean
  /** The user's half may read it. */
  readonly user: boolean
  /** By the half the address belongs to. */
  readonly executable: boolean
  /** In memory, but nobody may touch it. */
  readonly protNone?: true
  /** In memory, but on its way out (Windows). */
  readonly transition?: true
}

export interface MappedAddress extends PageFlags {
  readonly kind: 'mapped'
  /** Where the byte stands. */
  readonly gpa: number
  /** Size of the page: of one entry, also where a contiguous hint joins several. */
  readonly pageBytes: number
  /** The entry says that its neighbours continue the page. */
  readonly contiguous?: true
}

export interface AbsentAddress {
  readonly kind: 'absent'
  readonly reason: AbsentReason
  /** Where the walk ended: how many levels lie below. 0 is a pte. */
  readonly level: number
  /** Name of the entry there: `pdpte`, `l2e`, ... */
  readonly name: string
  /** `not-present`, `swapped`, `demand-zero` and `out-of-memory`: the entry that says so. */
  readonly entry?: bigint
  /** `swapped`: where the page went, where that is known. */
  readonly swap?: SwapSlot
  /** `out-of-memory`: where the byte would stand. */
  readonly gpa?: number
  /** `unreadable`: what the driver told. */
  readonly gap?: GapReason
}

export type Translation = MappedAddress | AbsentAddress

const ADDRESSES = 1n << 64n

/** Signed virtual page number, or NaN for what is no address of 64 bits. */
export function vpnOf(mode: PagingMode, va: bigint): number {
  if (va < 0n || va >= ADDRESSES) return Number.NaN
  return Number(BigInt.asIntN(64, va) >> BigInt(mode.pageShift))
}

/** First address of a page. */
export function vaOf(mode: PagingMode, vpn: number): bigint {
  return BigInt.asUintN(64, BigInt(vpn) << BigInt(mode.pageShift))
}

/** Offset of an address in its smallest page. */
export function pageOffset(mode: PagingMode, va: bigint): number {
  return Number(BigInt.asUintN(mode.pageShift, va))
}

/** The entry that the walker read last. */
export function entryOf(walker: Walker): bigint {
  const low = BigInt(walker.low >>> 0)
  return walker.mode.entryBytes === 4 ? low : (BigInt(walker.high >>> 0) << 32n) | low
}

/** Flags as booleans. */
export function pageFlags(flags: number): PageFlags {
  return {
    writable: (flags & WRITABLE) !== 0,
    user: (flags & USER) !== 0,
    executable: (flags & EXECUTABLE) !== 0,
    ...((flags & PROT_NONE) !== 0 && { protNone: true as const }),
    ...((flags & TRANSITION) !== 0 && { transition: true as const }),
  }
}

/** What the walker's last walk found, for the byte at `offset` of the page. */
export function translationOf(walker: Walker, result: number, offset: number): Translation {
  const { mode, level } = walker
  const gpa = walker.gpa + offset
  // a run may end inside a page
  if (result === MAPPED && !walker.tables.isMemory(gpa)) return translationOf(walker, FRAME_OUTSIDE, offset)
  if (result === MAPPED)
    return {
      kind: 'mapped',
      gpa,
      pageBytes: 2 ** walker.pageShift,
      ...pageFlags(walker.flags),
      ...((walker.flags & CONTIGUOUS) !== 0 && { contiguous: true as const }),
    }
  const name = mode.entryNames[walker.levels - 1 - level] ?? ''
  const absent = { kind: 'absent', reason: reasonOf(result), level, name } as const
  if (result === TABLE_UNREADABLE) return { ...absent, gap: walker.tables.gap }
  if (result !== NOT_PRESENT && result !== SWAPPED && result !== FRAME_OUTSIDE && result !== DEMAND_ZERO)
    return absent
  const entry = entryOf(walker)
  if (result === FRAME_OUTSIDE) return { ...absent, entry, gpa }
  const swap = result === SWAPPED ? walker.absent.slot(entry) : undefined
  return { ...absent, entry, ...(swap !== undefined && { swap }) }
}

/** An address that no table translates. */
export function nonCanonical(mode: PagingMode): AbsentAddress {
  return {
    kind: 'absent',
    reason: reasonOf(NON_CANONICAL),
    level: mode.indexBits.length - 1,
    name: mode.entryNames[0] ?? '',
  }
}
