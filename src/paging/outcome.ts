/** What a walk ends with, as small integers: no string and no object a walk. */
import type { AbsentReason } from '../core/virtual-memory.js'

/** Result of a walk: MAPPED, or why not. */
export const MAPPED = 0
export const NOT_PRESENT = 1
export const SWAPPED = 2
/** The page's frame is no memory; the walker's `gpa` is set all the same. */
export const FRAME_OUTSIDE = 3
export const TABLE_OUTSIDE = 4
export const NON_CANONICAL = 5
/** A table is memory, but could not be read. */
export const TABLE_UNREADABLE = 6
/** Nothing was written to the page yet: it reads as zeros. */
export const DEMAND_ZERO = 7

const REASONS: readonly AbsentReason[] = [
  'not-present',
  'not-present',
  'swapped',
  'out-of-memory',
  'table-out-of-memory',
  'non-canonical',
  'unreadable',
  'demand-zero',
]

/** The reason in words of a result other than MAPPED. */
export function reasonOf(result: number): AbsentReason {
  return REASONS[result] ?? 'not-present'
}

/** Flags of a mapped page, combined over all levels. */
export const WRITABLE = 1
/** The user's half may read it. */
export const USER = 2
/** On aarch64: by whom its half belongs to. */
export const EXECUTABLE = 4
/** In memory, but nobody may touch it. */
export const PROT_NONE = 8
/** The entry carries a contiguous hint. */
export const CONTIGUOUS = 16
/** In memory, but on its way out (Windows: transition). */
export const TRANSITION = 32
