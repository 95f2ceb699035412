/**
 * How the strings of YARA rules are searched in many address spaces at once: spaces laid out one behind the other, who maps a frame there,
 * and the joints at which rows may cross from one frame into another. docs/DECISIONS.md, "YARA rules over many spaces".
 */
import { PAGE_BYTES } from '../core/address.js'
import { type EdgeTable, edgeTable } from './edge-table.js'
import { type ExtentColumns, NO_EXTENTS } from './extents.js'
import { sharedDoubles } from './growing.js'
import { JointPlanner } from './joint-plan.js'
import type { JointTable } from './joint-table.js'
import { type LinearSlot, type LinearTable, layOut } from './linear-space.js'
import { eachFrameOnce } from './once.js'
import { buildReverseMap, type ReverseMapData } from './reverse-map.js'
import { mergeExtents } from './swap-in.js'

/** What workers know of it; all of it is shared memory. */
export interface RuleSearch {
  readonly table: LinearTable
  /** Who maps a frame: `vpn` is the page in the laid-out spaces. */
  readonly placements: ReverseMapData
  /** Their occurrences are pages of the laid-out spaces, too. A position is the last byte of a row. */
  readonly joints: JointTable
  /** Absent: regions are fetched by whoever searches them. */
  readonly edges?: EdgeTable
  /** Bytes before a row's last byte, and behind it, that must lie in one extent for the row to be found in place. */
  readonly behindBytes: number
  readonly aheadBytes: number
}

/** Extents in which what lies within frames is placed. */
export interface PlacedExtents {
  readonly gpa: Float64Array
  readonly length: Float64Array
  /** Where they are laid out. */
  readonly address: Float64Array
}

/** The kernel, which maps most of its memory at least twice: what it tells once. */
export interface KernelPlacing {
  /** Each frame at its lowest address outside the direct map, else in it. */
  readonly owned: PlacedExtents
  /** Page in the direct map minus page in memory; NaN without one. */
  readonly directDelta: number
}

export interface RulePlan {
  readonly search: RuleSearch
  readonly slots: readonly LinearSlot[]
  /** The only slot is the kernel's. */
  readonly kernel?: KernelPlacing
}

/** The planner tells what lies behind an extent's first bytes only where something ahead counts as well. */
const AHEAD_BYTES = 1

/** As `planRules`, of the kernel as one space: its direct map, and everything else that it maps. */
export function planKernelRules(
  space: number,
  other: ExtentColumns,
  direct: ExtentColumns,
  rowBytes: number,
): RulePlan {
  const plan = planRules([[space, mergeExtents(other, direct)]], rowBytes)
  const { table } = plan.search
  const [first = NO_EXTENTS, rest = NO_EXTENTS] = eachFrameOnce([other, direct])
  const { vpn, gpa, length } = mergeExtents(first, rest)
  let extent = 0
  const address = vpn.map(page => {
    while (extent + 1 < table.vpn.length && (table.vpn[extent + 1] as number) <= page) extent++
    return (table.address[extent] as number) + (page - (table.vpn[extent] as number)) * PAGE_BYTES
  })
  const directDelta = (direct.vpn[0] ?? Number.NaN) - (direct.gpa[0] ?? 0) / PAGE_BYTES
  return { ...plan, kernel: { owned: { gpa, length, address }, directDelta } }
}

/**
 * Plans the search of `spaces`, pairs of a space's index and its extents; `rowBytes` is the length of the longest row. `map`: who maps what,
 * by the spaces' indices, where that is known.
 */
export function planRules(
  spaces: readonly (readonly [number, ExtentColumns])[],
  rowBytes: number,
  map?: ReverseMapData,
): RulePlan {
  const { table, slots } = layOut(spaces)
  const vpn = new Float64Array(table.address.length)
  for (let i = 0; i < vpn.length; i++) vpn[i] = (table.address[i] as number) / PAGE_BYTES
  const pages: ExtentColumns = { vpn, gpa: table.gpa, length: table.length }
  const behindBytes = rowBytes - 1
  const planner = new JointPlanner(
    { behindBytes, aheadBytes: AHEAD_BYTES, shortestBytes: 1 },
    table.address.length,
  )
  planner.add(0, pages)
  const joints = planner.finish()
  const edges = edgeTable(joints)
  const placements = placementsIn(table, slots, map) ?? buildReverseMap([pages])
  const search = { table, placements, joints, ...(edges && { edges }), behindBytes, aheadBytes: AHEAD_BYTES }
  return { search, slots }
}

/** A map of the same extents with pages of the laid-out spaces; undefined where it is about others, too. */
function placementsIn(
  table: LinearTable,
  slots: readonly LinearSlot[],
  map: ReverseMapData | undefined,
): ReverseMapData | undefined {
  if (map === undefined || map.start.length !== table.address.length) return undefined
  const bySpace: LinearSlot[] = []
  for (const slot of slots) bySpace[slot.space] = slot
  const vpn = sharedDoubles(map.vpn.length)
  for (let i = 0; i < vpn.length; i++) {
    const slot = bySpace[map.space[i] as number]
    const page = map.vpn[i] as number
    if (slot === undefined) return undefined
    let low = slot.firstExtent
    let high = slot.endExtent
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((table.vpn[middle] as number) < page) low = middle + 1
      else high = middle
    }
    vpn[i] = (table.address[low] as number) / PAGE_BYTES
  }
  return { ...map, vpn }
}
