/** From the extents of a guest's address spaces to what a scan of them does, and what a match there means. */
import type { MemoryRun } from '../core/memory.js'
import { splitDirectMap } from './direct-map.js'
import type { ExtentColumns } from './extents.js'
import { FrameUnion } from './frame-union.js'
import { type GuestSpaces, KERNEL_NAME, KERNEL_PID, type SpaceChoice } from './guest-spaces.js'
import { JointPlanner, type Neighbourhood } from './joint-plan.js'
import type { JointTable } from './joint-table.js'
import { buildReverseMap, type ReverseMapData } from './reverse-map.js'

/** One address space of the plan: its index is what columns call `space`. */
export interface PlannedSpace {
  /** `direct`: the kernel's direct map, which is no owner. */
  readonly kind: 'process' | 'kernel' | 'direct'
  /** Several where processes share one memory. */
  readonly owners: readonly { readonly pid: number; readonly process: string }[]
  readonly extents: ExtentColumns
}

/** What was enumerated: the kernel's half, and one entry a table of `distinctTables`. */
export interface Enumerated {
  readonly kernel?: ExtentColumns
  readonly processes: readonly ExtentColumns[]
}

/** A top table with the processes that use it: threads, and processes that share memory, are one. */
export interface DistinctTable {
  readonly dtb: number
  readonly owners: readonly { readonly pid: number; readonly process: string }[]
  readonly areas?: Float64Array
}

/** Who maps what, with or without a virtual space to scan. */
export interface SpaceMap {
  readonly spaces: readonly PlannedSpace[]
  readonly map: ReverseMapData
}

/** How a virtual space is scanned. */
export interface VirtualPlan {
  /** By space: 1 where it is scanned. */
  readonly selected: Uint8Array
  /** The distinct frames of the selected spaces. */
  readonly union: FrameUnion
  /** What is scanned in place. */
  readonly runs: readonly MemoryRun[]
  readonly joints: JointTable
  readonly neighbourhood: Neighbourhood
}

/** The processes of a guest by top table; those that share one are together, in the order they were listed. */
export function distinctTables({ processes }: GuestSpaces): DistinctTable[] {
  const tables = new Map<
    number,
    { dtb: number; owners: { pid: number; process: string }[]; areas?: Float64Array }
  >()
  for (const { pid, name, dtb, areas } of processes) {
    const known = tables.get(dtb)
    if (known === undefined)
      tables.set(dtb, { dtb, owners: [{ pid, process: name }], ...(areas && { areas }) })
    else known.owners.push({ pid, process: name })
  }
  return [...tables.values()]
}

/** Puts everything together in one map: the kernel, its direct map, then the processes as they were enumerated. */
export function mapSpaces(tables: readonly DistinctTable[], found: Enumerated): SpaceMap {
  const spaces: PlannedSpace[] = []
  if (found.kernel !== undefined) {
    const { direct, other } = splitDirectMap(found.kernel)
    const owners = [{ pid: KERNEL_PID, process: KERNEL_NAME }]
    spaces.push({ kind: 'kernel', owners, extents: other }, { kind: 'direct', owners, extents: direct })
  }
  for (const [index, extents] of found.processes.entries())
    spaces.push({ kind: 'process', owners: tables[index]?.owners ?? [], extents })
  return { spaces, map: buildReverseMap(spaces.map(space => space.extents)) }
}

/** The extents of the chosen spaces. */
export function chosenExtents(
  { spaces }: SpaceMap,
  choice: Exclude<SpaceChoice, 'physical'>,
): readonly ExtentColumns[] {
  return spaces.filter(space => isChosen(space, choice)).map(({ extents }) => extents)
}

/** Plans the scan of the chosen spaces. */
export function planVirtual(
  { spaces, map }: SpaceMap,
  choice: Exclude<SpaceChoice, 'physical'>,
  memory: readonly MemoryRun[],
  neighbourhood: Neighbourhood,
): VirtualPlan {
  const selected = Uint8Array.from(spaces, space => (isChosen(space, choice) ? 1 : 0))
  const union = FrameUnion.of(map, selected)
  // where a byte alone decides, nothing lies at joints
  const looksAround = neighbourhood.behindBytes + neighbourhood.aheadBytes > 0
  const joints = new JointPlanner(neighbourhood, looksAround ? map.start.length : 0)
  if (looksAround)
    for (const [index, { extents }] of spaces.entries()) if (selected[index] === 1) joints.add(index, extents)
  return { selected, union, runs: union.runs(memory), joints: joints.finish(), neighbourhood }
}

function isChosen({ kind, owners }: PlannedSpace, choice: Exclude<SpaceChoice, 'physical'>): boolean {
  if (choice === 'kernel') return kind !== 'process'
  if (choice === 'processes') return kind === 'process'
  return kind === 'process' && owners.some(({ pid }) => pid === choice.pid)
}
