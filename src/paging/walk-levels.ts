/** A walk that keeps every entry on the way, for people to look at. */
import { TABLE_OUTSIDE, TABLE_UNREADABLE } from './outcome.js'
import { entryOf, nonCanonical, pageOffset, type Translation, translationOf, vpnOf } from './translation.js'
import { STEP_TABLE, type Walker } from './walker.js'

/** One level of a walk. */
export interface WalkLevel {
  /** `pml4e`, `pde`, `l2e`, ... */
  readonly name: string
  /** Where the entry stands. */
  readonly gpa: number
  readonly entry: bigint
}

/** One address, with every entry on the way; an entry in a table that is no memory is not among them. */
export interface Walk {
  readonly levels: readonly WalkLevel[]
  readonly translation: Translation
}

/** See `AddressSpace.walk`. The walker must be set to the address space's tables. */
export function walkLevels(walker: Walker, va: bigint): Walk {
  const { mode } = walker
  const vpn = vpnOf(mode, va)
  const levels: WalkLevel[] = []
  let table = walker.begin(vpn)
  if (table < 0) return { levels, translation: nonCanonical(mode) }
  for (let level = 0; ; level++) {
    const gpa = table + walker.indexAt(level, vpn) * mode.entryBytes
    const result = walker.step(level, gpa)
    const name = mode.entryNames[level] ?? ''
    // what could not be read has no entry to show
    if (result !== TABLE_OUTSIDE && result !== TABLE_UNREADABLE)
      levels.push({ name, gpa, entry: entryOf(walker) })
    if (result !== STEP_TABLE) {
      const landed = walker.land(result, vpn, level)
      return { levels, translation: translationOf(walker, landed, pageOffset(mode, va)) }
    }
    table = walker.gpa
  }
}
