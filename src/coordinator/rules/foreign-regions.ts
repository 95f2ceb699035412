/** The regions that YARA-X is asked about: those in which enough of a rule's strings begin. */
import type { MemoryRun } from '../../core/memory.js'
import type { Rule } from '../../rules/ast.js'
import type { OffsetColumns } from '../../rules/search/columns.js'
import { mayHoldWith } from '../../rules/string-needs.js'
import { nextRegionAt, regionAt, regionsOf } from './regions.js'
import type { RuleMemory } from './rule-memory.js'

/** Regions of one space that strings of one rule are looked for in. */
const MAX_CONSIDERED = 1 << 16

/**
 * Where a rule may hold by what was found of its strings, in the order in which they were found. `limited`: ids of strings of which more
 * matches may be anywhere. `cut`: there were too many regions to look at.
 */
export function regionsWithStrings(
  { strings, condition }: Rule,
  space: RuleMemory,
  limited: ReadonlySet<number>,
): { readonly regions: readonly MemoryRun[]; readonly cut: boolean } {
  const regions = new Map<number, MemoryRun>()
  const found = strings.map(({ id }) => space.columns(id))
  let cut = false
  for (const columns of found)
    for (let i = 0; columns !== undefined && i < columns.count; ) {
      const address = columns.offsetAt(i)
      const run = space.runAt(address)
      if (run === undefined) {
        i++
        continue
      }
      const region = regionAt(run, address)
      if (regions.size < MAX_CONSIDERED) regions.set(region.gpa, region)
      else cut ||= !regions.has(region.gpa)
      i = columns.firstFrom(nextRegionAt(run, address))
    }
  // a string that counts at one offset was looked for there in the whole, and may stand there in each region
  const inEach = space.filesize !== undefined && strings.some(({ fixedOffset }) => fixedOffset !== undefined)
  for (const region of (inEach && regionsOf(space.runs)) || []) regions.set(region.gpa, region)
  const anywhere = strings.map(({ id, fixedOffset }) => fixedOffset !== undefined || limited.has(id))
  const mayHold = (region: MemoryRun): boolean =>
    mayHoldWith(condition, index => anywhere[index] === true || beginsIn(found[index], region))
  return { regions: [...regions.values()].filter(mayHold), cut }
}

function beginsIn(columns: OffsetColumns | undefined, { gpa, length }: MemoryRun): boolean {
  if (columns === undefined) return false
  const first = columns.firstFrom(gpa)
  return first < columns.count && columns.offsetAt(first) < gpa + length
}
