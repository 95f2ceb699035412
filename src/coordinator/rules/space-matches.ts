/** What was found of rules' strings, space by space: put together for one space at a time, when that is evaluated. */
import type { PhysicalMemory } from '../../core/memory.js'
import { Gathered } from '../../rules/search/gather.js'
import { CHAINED, type StringTables } from '../../rules/search/tables.js'
import type { Batch } from '../../scan/messages.js'
import { LinearMemory, type LinearSlot } from '../../space/linear-space.js'
import type { PlacedExtents, RulePlan } from '../../space/rule-plan.js'
import { FrameMatches } from './frame-matches.js'
import { eachMatchOnce } from './kernel-once.js'
import { cutAt, type LostRanges } from './lost-ranges.js'
import { laidOutSpace } from './rule-memory.js'
import type { Scope } from './rule-side.js'

export class SpaceMatches {
  readonly #tables: StringTables
  readonly #plan: RulePlan
  readonly #memory: LinearMemory
  readonly #frames: FrameMatches
  /** Ids of strings that consist of links. */
  readonly #linked: ReadonlySet<number>

  /** `memory` is this thread's. */
  constructor(tables: StringTables, plan: RulePlan, memory: PhysicalMemory) {
    this.#tables = tables
    this.#plan = plan
    this.#memory = new LinearMemory(plan.search.table, memory)
    this.#frames = new FrameMatches(tables)
    this.#linked = this.#stringsOf([...tables.flags.keys()].filter(part => this.#isLink(part)))
  }

  /** Takes what a worker found. */
  add({ strings, crossings }: Pick<Batch, 'strings' | 'crossings'>): void {
    if (strings !== undefined) this.#frames.add(strings)
    if (crossings !== undefined) this.#frames.addCrossings(crossings)
  }

  /** Each space, once all was taken. A scope is over when the next one is asked for. */
  *scopes(lost: LostRanges): Generator<Scope> {
    const { search, slots, kernel } = this.#plan
    this.#frames.sort()
    for (const slot of slots) {
      const space = laidOutSpace(this.#memory, search.table, slot)
      const gathered = new Gathered(this.#tables)
      const limited = new Set<number>()
      const limit = (part: number): unknown => limited.add(this.#tables.string[part] as number)
      if (!this.#within(slot, gathered)) for (const part of this.#frames.parts) limit(part)
      const across = this.#stringsOf(this.#frames.placeAcross(slot.start, slot.end, gathered))
      const cuts = lost.laidOut(search.table, slot.firstExtent, slot.endExtent)
      const strings = gathered.finish(address => cutAt(cuts, address, space.runEnd(address)))
      if (kernel !== undefined)
        for (const [id, columns] of strings)
          if (across.has(id) || this.#linked.has(id))
            strings.set(id, eachMatchOnce(columns, search.table, kernel.directDelta))
      for (const string of gathered.limited) limited.add(string)
      for (const part of this.#frames.limited) limit(part)
      yield { start: slot.start, space, strings, limited }
    }
  }

  #within({ firstExtent, endExtent }: LinearSlot, gathered: Gathered): boolean {
    const { search, kernel } = this.#plan
    const { gpa, length, address } = search.table
    const [from, to] = [firstExtent, endExtent]
    const all: PlacedExtents = {
      gpa: gpa.subarray(from, to),
      length: length.subarray(from, to),
      address: address.subarray(from, to),
    }
    if (kernel === undefined) return this.#frames.placeWithin(all, gathered, () => true)
    // links are put together where they follow each other
    const owned = this.#frames.placeWithin(kernel.owned, gathered, part => !this.#isLink(part))
    return this.#frames.placeWithin(all, gathered, part => this.#isLink(part)) && owned
  }

  #stringsOf(parts: Iterable<number>): Set<number> {
    return new Set(Array.from(parts, part => this.#tables.string[part] as number))
  }

  #isLink(part: number): boolean {
    const { flags, link } = this.#tables
    return ((flags[part] as number) & CHAINED) !== 0 || (link[part] as number) > 0
  }
}
