/**
 * The virtual side of a scan: enumerates address spaces with the pool's threads, plans, and turns what workers find into places and
 * owners. docs/DECISIONS.md, "Virtual scans and owners".
 */
import type { Gap, MemoryRun, PhysicalMemory } from '../core/memory.js'
import { rebased } from '../os/search/physical.js'
import { hasAssertions } from '../patterns/measure.js'
import { longestRow } from '../rules/search/reach.js'
import type { CompiledScan } from '../scan/compiled-scan.js'
import { pack } from '../scan/context.js'
import type { SpaceCounts, VirtualGapEvent } from '../scan/events.js'
import type { VirtualContext } from '../scan/messages.js'
import type { Partition } from '../scan/plan.js'
import { EdgeKeeper, type EdgeTable, edgeTable } from '../space/edge-table.js'
import { ABSENT_REASONS, type EnumeratedSpace, type SpaceQuery } from '../space/enumerate.js'
import { type ExtentColumns, NO_EXTENTS } from '../space/extents.js'
import type { Owner, PageFile, SpaceChoice } from '../space/guest-spaces.js'
import type { Neighbourhood } from '../space/joint-plan.js'
import type { JointTable } from '../space/joint-table.js'
import { linearExtentAt, slotAt } from '../space/linear-space.js'
import { MappedPages } from '../space/mapped-pages.js'
import { OwnerFinder, type Place, Placement, virtualAddress } from '../space/placement.js'
import type { ReverseMapData } from '../space/reverse-map.js'
import { planKernelRules, planRules, type RulePlan } from '../space/rule-plan.js'
import { plainGaps } from '../space/swap-gaps.js'
import { mergeExtents } from '../space/swap-in.js'
import { type SwappedRange, withSwapped } from '../space/swapped-memory.js'
import {
  chosenExtents,
  type DistinctTable,
  distinctTables,
  mapSpaces,
  type PlannedSpace,
  planVirtual,
  type SpaceMap,
  type VirtualPlan,
} from '../space/virtual-plan.js'
import { enumerateAll } from './enumerate-all.js'
import type { FoundSpaces } from './guest-spaces.js'
import type { ScanPool } from './pool.js'
import { jointPartitions } from './space-partitions.js'
import { bringBack, type SwappedSpaces } from './swapped-spaces.js'
import type { Target } from './target.js'

/** What the spaces of a guest are, once they are enumerated. */
export class SpaceView {
  readonly #counts: Omit<SpaceCounts, 'tlbHits' | 'tlbMisses'>
  readonly #translations: FoundSpaces['translations']
  readonly #map: SpaceMap
  readonly #base: number
  readonly #choice: SpaceChoice
  readonly #tables: readonly DistinctTable[]
  readonly #found: readonly EnumeratedSpace[]
  readonly #swapped: SwappedSpaces | undefined
  readonly #owners: OwnerFinder
  readonly #virtual: VirtualSide | undefined
  readonly #fileAt: FoundSpaces['fileAt']

  private constructor(
    map: SpaceMap,
    base: number,
    choice: SpaceChoice,
    tables: readonly DistinctTable[],
    found: readonly EnumeratedSpace[],
    swapped: SwappedSpaces | undefined,
    truncated: number,
    virtual: VirtualSide | undefined,
    fileAt: FoundSpaces['fileAt'],
    translations: FoundSpaces['translations'],
  ) {
    this.#swapped = swapped
    this.#fileAt = fileAt
    this.#translations = translations
    this.#map = map
    this.#base = base
    this.#choice = choice
    this.#tables = tables
    this.#found = found
    this.#owners = new OwnerFinder(map)
    this.#virtual = virtual
    const joints = virtual?.regions ?? []
    this.#counts = {
      processes: tables.reduce((sum, { owners }) => sum + owners.length, 0),
      extents: map.map.start.length,
      joints: joints.reduce((sum, { flags }) => sum + flags.length, 0),
      jointBytes: joints.reduce((sum, { base }) => sum + (base.at(-1) ?? 0), 0),
      swappedBytes: virtual?.swappedBytes ?? 0,
      truncated,
    }
  }

  /**
   * Enumerates what the request is about: with owners everything, else what is scanned. `compile` is called where a virtual space is scanned,
   * with what is mapped there.
   */
  static async open(
    target: Target,
    { spaces, base, fileAt, swap, translations }: FoundSpaces,
    request: { readonly space: SpaceChoice; readonly owners: boolean; readonly contextBytes: number },
    compile: (mapped: MappedPages) => CompiledScan,
    pool: ScanPool,
    jobs: number,
    cancelled: () => boolean,
  ): Promise<SpaceView> {
    const { space: choice, owners, contextBytes } = request
    const wanted = (pid: number): boolean =>
      owners || choice === 'processes' || (typeof choice === 'object' && choice.pid === pid)
    const tables = distinctTables({
      ...spaces,
      processes: spaces.processes.filter(({ pid }) => wanted(pid)),
    })
    const common = {
      kind: 'enumerate',
      driver: pack(target.driver),
      base,
      rules: { mode: spaces.mode, ...(spaces.absent && { absent: spaces.absent }) },
    } as const
    const withKernel = spaces.kernelDtb !== undefined && (owners || choice === 'kernel')
    const queries: SpaceQuery[] = [
      ...(withKernel ? [{ dtb: spaces.kernelDtb, half: 'kernel' as const }] : []),
      ...tables.map(({ dtb, areas }) => ({ dtb, half: 'user' as const, ...(areas && { areas }) })),
    ]
    const reader = rebased(target.memory, base)
    const all = await enumerateAll(pool, reader, common, queries, jobs, cancelled)
    const kernel = withKernel ? all[0]?.extents : undefined
    const found = withKernel ? all.slice(1) : all
    const memory = base === 0 ? target.runs : target.runs.map(run => ({ ...run, gpa: run.gpa + base }))
    const swapped =
      choice === 'physical' || choice === 'kernel' || swap === undefined
        ? undefined
        : await bringBack(swap, found, spaces.mode, memory, cancelled)
    const map = mapSpaces(tables, {
      ...(kernel && { kernel }),
      processes: found.map(({ extents }, index) => {
        const back = swapped?.spaces[index]?.extents
        return back === undefined ? extents : mergeExtents(extents, back)
      }),
    })
    const truncated = all.filter(({ extents }) => extents.truncated).length
    const virtual =
      choice === 'physical'
        ? undefined
        : new VirtualSide(
            map,
            choice,
            memory,
            compile(new MappedPages(chosenExtents(map, choice))),
            contextBytes,
            base,
            reader,
            swapped,
          )
    return new SpaceView(map, base, choice, tables, found, swapped, truncated, virtual, fileAt, translations)
  }

  /** As they are now: owners are still looked up while matches come in. */
  get counts(): SpaceCounts {
    const { hits, misses } = this.#translations?.() ?? { hits: 0, misses: 0 }
    return { ...this.#counts, tlbHits: hits, tlbMisses: misses }
  }

  /** Pages that memory may hold compressed and that were left out: too many, or not done in time. */
  get leftInSwap(): number {
    return this.#swapped?.swapIn.leftOut ?? 0
  }

  /** The plan and its matches, when a virtual space is scanned. */
  get virtual(): VirtualSide | undefined {
    return this.#virtual
  }

  /** Who maps a byte of physical memory, and whose file it is; in a physical scan, at the driver's address. */
  ownersOf(gpa: number): { readonly owners: readonly Owner[]; readonly file?: PageFile } {
    const address = this.#choice === 'physical' ? gpa + this.#base : gpa
    const file = this.#virtual?.isSwapped(gpa) === true ? undefined : this.#fileAt?.(address)
    return { owners: this.#owners.ownersOf(address), ...(file && { file }) }
  }

  /** Absent parts of the mapped areas of what is scanned, for each process that has them. */
  *absent(): Generator<VirtualGapEvent> {
    if (this.#virtual === undefined || this.#choice === 'kernel') return
    const only = typeof this.#choice === 'object' ? this.#choice.pid : undefined
    const firstProcess = this.#map.spaces.findIndex(({ kind }) => kind === 'process')
    for (const [index, { absent }] of this.#found.entries()) {
      if (this.#virtual.plan.selected[firstProcess + index] !== 1) continue
      const { vpn, pages, reason, area, slot } = this.#swapped?.spaces[index]?.gaps ?? plainGaps(absent)
      for (const { pid } of this.#tables[index]?.owners ?? []) {
        if (only !== undefined && pid !== only) continue
        for (let i = 0; i < vpn.length; i++) {
          const named = area[i] as number
          const name = named === 0 ? undefined : this.#swapped?.swapIn.areaName(named - 1)
          yield {
            type: 'gap',
            pid,
            va: virtualAddress(vpn[i] as number, 0),
            length: (pages[i] as number) * 4096,
            reason: ABSENT_REASONS[reason[i] as number] ?? 'not-present',
            ...(name !== undefined && { swap: { area: name, slot: slot[i] as number } }),
          }
        }
      }
    }
  }
}

/** A virtual space that is scanned: what to do, what it covers, and what matches mean. */
export class VirtualSide {
  readonly plan: VirtualPlan
  readonly #map: SpaceMap
  readonly #choice: Exclude<SpaceChoice, 'physical'>
  readonly #placement: Placement
  readonly #fixed: readonly boolean[]
  readonly #base: number
  readonly #edges: EdgeTable | undefined
  readonly #swapped: SwappedSpaces | undefined
  /** This thread's memory. */
  readonly #reader: PhysicalMemory
  readonly #range: SwappedRange | undefined
  readonly #rules: RulePlan | undefined
  /** The laid-out extent, and the processes of the slot `from` ≤ address < `to`, that were asked for last. */
  #extent = 0
  #pids: readonly number[] = []
  #from = 0
  #to = 0
  /** Up to where each partition of frames is told. */
  readonly #told = new Map<number, number>()

  constructor(
    map: SpaceMap,
    choice: Exclude<SpaceChoice, 'physical'>,
    memory: readonly MemoryRun[],
    compiled: CompiledScan,
    contextBytes: number,
    base: number,
    reader: PhysicalMemory,
    swapped?: SwappedSpaces,
  ) {
    this.#map = map
    this.#choice = choice
    this.#base = base
    this.#swapped = swapped
    this.#range = swapped?.swapIn.range()
    const range = this.#range
    const runs = range === undefined ? memory : [...memory, { gpa: range.gpa, length: range.bytes.length }]
    this.plan = planVirtual(map, choice, runs, neighbourhoodOf(compiled, contextBytes))
    this.#edges = edgeTable(this.plan.joints)
    this.#placement = new Placement(map, this.plan, choice)
    this.#fixed = compiled.patterns.map(p => p.minBytes === p.maxBytes && !hasAssertions(p.node))
    const selected = [...map.spaces.entries()].filter(([index]) => this.plan.selected[index] === 1)
    this.#rules =
      compiled.strings === undefined
        ? undefined
        : planned(choice, selected, longestRow(compiled.strings), map.map)
    this.#reader = range === undefined ? reader : withSwapped(reader, range)
  }

  /** What workers are told. */
  get context(): VirtualContext {
    const { behindBytes, aheadBytes } = this.plan.neighbourhood
    return {
      base: this.#base,
      behindBytes,
      aheadBytes,
      joints: this.plan.joints,
      ...(this.#edges && { edges: this.#edges }),
      plainPatterns: behindBytes === 0 && this.#fixed.every(Boolean),
      ...(this.#rules && { rules: this.#rules.search }),
      ...(this.#range && { swapped: this.#range }),
    }
  }

  /** Regions around joints: of patterns, and of rows of rules' strings. */
  get regions(): JointTable[] {
    return [this.plan.joints, ...(this.#rules === undefined ? [] : [this.#rules.search.joints])]
  }

  /** Bytes of pages that were brought back from swap. */
  get swappedBytes(): number {
    return this.#range?.bytes.length ?? 0
  }

  /** Whether an address is made up, for a page that was brought back from swap. */
  isSwapped(gpa: number): boolean {
    return this.#range !== undefined && gpa >= this.#range.gpa
  }

  /** Partitions behind those of the frames; `first` is the first one's index. */
  partitions(first: number, jobs: number): Partition[] {
    const joints = jointPartitions(this.plan.joints, 'joints', first, jobs)
    const rules = this.#rules?.search.joints
    return rules === undefined
      ? joints
      : [...joints, ...jointPartitions(rules, 'rule-joints', first + joints.length, jobs)]
  }

  /** Places of a match of `partition`; `laid-out`: of a rule's, at an address of the laid-out spaces. */
  placesOf(
    partition: Partition | 'laid-out',
    address: number,
    length: number,
    pattern: number,
  ): readonly Place[] {
    const places =
      partition === 'laid-out'
        ? this.#placesLaidOut(address)
        : partition.area === 'joints'
          ? this.#placement.atJoint(address, length, pattern, this.#fixed[pattern] ?? false)
          : this.#placement.inPlace(address, length, pattern, this.#fixed[pattern] ?? false)
    if (this.#range === undefined) return places
    return places.map(place => {
      const swap = this.#swapped?.swapIn.locate(place.gpa)
      return swap === undefined ? place : { ...place, swap }
    })
  }

  #placesLaidOut(address: number): Place[] {
    const table = this.#rules?.search.table
    if (table === undefined) return []
    // matches come in order: often the next one lies in the same extent
    let extent = this.#extent
    const start = table.address[extent] as number
    if (!(address >= start && address < start + (table.length[extent] as number))) {
      extent = linearExtentAt(table, address)
      if (extent < 0) return []
      this.#extent = extent
    }
    const into = address - (table.address[extent] as number)
    const gpa = (table.gpa[extent] as number) + into
    const va = virtualAddress(table.vpn[extent] as number, into)
    return this.pidsAt(address).map(pid => ({ gpa, pid, va }))
  }

  /** With YARA rules: spaces laid out for them, and this thread's memory to read them from. */
  get laidOut(): { readonly plan: RulePlan; readonly memory: PhysicalMemory } | undefined {
    return this.#rules && { plan: this.#rules, memory: this.#reader }
  }

  /** Processes whose laid-out space an address lies in. */
  pidsAt(address: number): readonly number[] {
    const slots = this.#rules?.slots ?? []
    if (address >= this.#from && address < this.#to) return this.#pids
    const slot = slots[slotAt(slots, address)]
    if (slot === undefined) return []
    const owners = this.#map.spaces[slot.space]?.owners ?? []
    const choice = this.#choice
    const pids = owners.map(({ pid }) => pid)
    this.#pids = typeof choice === 'object' ? pids.filter(pid => pid === choice.pid) : pids
    this.#from = slot.start
    this.#to = slot.end
    return this.#pids
  }

  /** Bytes of distinct frames that a partition has behind it since the last call. */
  advance(partition: Partition, resumeAt: number): number {
    if (partition.area !== undefined) return 0
    const from = this.#told.get(partition.index) ?? partition.start
    this.#told.set(partition.index, resumeAt)
    return this.plan.union.bytesBelow(resumeAt) - this.plan.union.bytesBelow(from)
  }

  /** Frames that were given up: what joints need of them was not kept. */
  lose(from: number, to: number): void {
    if (this.#edges !== undefined) new EdgeKeeper(this.#edges, this.plan.joints).lose(from, to)
    const { edges, joints } = this.#rules?.search ?? {}
    if (edges !== undefined && joints !== undefined) new EdgeKeeper(edges, joints).lose(from, to)
  }

  /** A gap in pages that were brought back: where it lies in each process. */
  *gapsInSwap({ gpa, length, reason }: Gap): Generator<VirtualGapEvent> {
    const { start, end, vpn, space } = this.#map.map
    for (let i = 0; i < start.length; i++) {
      const from = Math.max(gpa, start[i] as number)
      const to = Math.min(gpa + length, end[i] as number)
      const index = space[i] as number
      if (from >= to || this.plan.selected[index] !== 1) continue
      const va = virtualAddress(vpn[i] as number, from - (start[i] as number))
      for (const { pid } of this.#map.spaces[index]?.owners ?? [])
        if (typeof this.#choice !== 'object' || this.#choice.pid === pid)
          yield { type: 'gap', pid, va, length: to - from, reason }
    }
  }

  /** The part of physical gaps that is mapped; gaps met elsewhere were told by the frames. */
  clip({ area }: Partition, gaps: readonly Gap[]): Gap[] {
    if (area !== undefined) return []
    return gaps.flatMap(gap => this.plan.union.clip(gap).map(part => ({ ...part, reason: gap.reason })))
  }
}

/** What decides a start, of patterns alone: YARA rules are evaluated elsewhere. */
function neighbourhoodOf({ patterns, outermost }: CompiledScan, contextBytes: number): Neighbourhood {
  const longest = patterns.reduce((most, { maxBytes }) => Math.max(most, maxBytes), 1)
  const shortest = patterns.reduce((least, { minBytes }) => Math.min(least, minBytes), longest)
  const looksAround = patterns.some(({ node }) => hasAssertions(node))
  const behind = (outermost ? longest - 1 : 0) + (looksAround ? 1 : 0)
  return {
    behindBytes: Math.max(behind, contextBytes),
    aheadBytes: longest - 1 + (looksAround ? 2 : 0) + contextBytes,
    shortestBytes: shortest,
  }
}

/** What rules are evaluated in: each process by itself, and the kernel as one. */
function planned(
  choice: Exclude<SpaceChoice, 'physical'>,
  selected: readonly (readonly [number, PlannedSpace])[],
  rowBytes: number,
  map: ReverseMapData,
): RulePlan {
  if (choice !== 'kernel')
    return planRules(
      selected.map(([index, { extents }]) => [index, extents] as const),
      rowBytes,
      map,
    )
  const [first = 0] = selected[0] ?? []
  const extentsOf = (wanted: PlannedSpace['kind']): ExtentColumns =>
    selected.find(([, { kind }]) => kind === wanted)?.[1].extents ?? NO_EXTENTS
  return planKernelRules(first, extentsOf('kernel'), extentsOf('direct'), rowBytes)
}
