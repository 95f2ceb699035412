/** Columns -> match events: the only place where a match becomes an object. */

import { unfoldAddress } from '../core/folded-address.js'
import type { CompiledPattern } from '../scan/compiled-scan.js'
import type { MatchEvent, ResidentMatchEvent } from '../scan/events.js'
import type { Batch } from '../scan/messages.js'
import type { Owner, PageFile } from '../space/guest-spaces.js'
import type { Ambiguity, Place } from '../space/placement.js'

/** Who maps a byte, and the file that it is of. */
interface Owned {
  readonly owners: readonly Owner[]
  readonly file?: PageFile
}

/** How what a worker found becomes what is told. */
export interface MatchPlacing {
  /** The target's addresses are virtual ones, folded, and the kernel's. */
  readonly folded?: true
  /** In a virtual space: where a match lies, once for each process and address. `pattern` is the compiled pattern's index. */
  readonly places?: (address: number, length: number, pattern: number) => readonly Place[]
  /** Who maps a byte of physical memory. */
  readonly owners?: (gpa: number) => Owned
  /** Whether to tell a match now that may come up at another address too. */
  readonly admits?: (match: MatchEvent, ambiguity: Ambiguity) => boolean
}

/** The matches of a batch, one after the other. Their `data` and `context` are views of the batch's own bytes. */
export function* matchesOf(
  batch: Batch,
  patterns: readonly CompiledPattern[],
  withContext: boolean,
  placing?: MatchPlacing,
): Generator<MatchEvent> {
  const { columns } = batch
  let from = 0
  for (let at = 0; at < columns.count; at++) {
    const index = columns.pattern[at] as number
    const dataEnd = columns.dataEnd[at] as number
    const contextEnd = columns.contextEnd[at] as number
    const place = {
      gpa: columns.gpa[at] as number,
      length: columns.length[at] as number,
      data: columns.bytes.subarray(from, dataEnd),
    }
    const context = withContext ? { context: columns.bytes.subarray(dataEnd, contextEnd) } : undefined
    from = contextEnd
    const pattern = patterns[index]
    if (pattern === undefined) throw new Error(`match of an unknown pattern: ${index}`)
    const { scanner, rule } = pattern
    const match: ResidentMatchEvent = { type: 'match', scanner, rule, ...place, ...context }
    if (placing === undefined) yield match
    else yield* placed(match, index, placing)
  }
}

/** A match that is not told yet. Fields are set one by one: copying them into a new object costs ten times as much, and there may be a million. */
type Untold = { -readonly [Field in keyof ResidentMatchEvent]: ResidentMatchEvent[Field] }

/** A match with its owners; in a virtual space, once for each of its places. The object itself is told as the last of them. */
export function* placed(
  match: ResidentMatchEvent,
  index: number,
  { folded, places, owners, admits }: MatchPlacing,
): Generator<MatchEvent> {
  if (folded === true) {
    yield { ...match, gpa: undefined, pid: 0, va: unfoldAddress(match.gpa) }
    return
  }
  if (places === undefined) {
    if (owners !== undefined) addOwners(match, owners(match.gpa))
    yield match
    return
  }
  const all = places(match.gpa, match.length, index)
  for (let i = 0; i < all.length; i++) {
    const place = all[i] as Place
    const event = placedAt(i + 1 === all.length ? match : { ...match }, place, owners)
    const { ambiguity } = place
    if (ambiguity === undefined || admits === undefined || admits(event, ambiguity)) yield event
  }
}

function placedAt(match: Untold, { gpa, pid, va, swap }: Place, owners: MatchPlacing['owners']): MatchEvent {
  match.pid = pid
  match.va = va
  if (owners !== undefined) addOwners(match, owners(gpa))
  match.gpa = gpa
  return swap === undefined ? match : { ...match, pid, va, gpa: undefined, swap }
}

function addOwners(match: Untold, { owners, file }: Owned): void {
  match.owners = owners
  if (file !== undefined) match.file = file
}
