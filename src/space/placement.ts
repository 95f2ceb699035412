/** Where a match lies: from physical addresses, and from regions around joints, to processes and virtual addresses. */
import { PAGE_BYTES } from '../core/address.js'
import type { Owner, SpaceChoice } from './guest-spaces.js'
import { gpaInRegion, regionAt } from './joint-table.js'
import { ReverseMap } from './reverse-map.js'
import type { SwapLocation } from './swap-source.js'
import type { PlannedSpace, SpaceMap, VirtualPlan } from './virtual-plan.js'

/** Owners told of one match at most, and kernel addresses among them: the kernel maps some pages tens of thousands of times. */
const MAX_OWNERS = 4096
const MAX_KERNEL_OWNERS = 64

/** A match of the kernel's that may also be found at another address of the same bytes. */
export interface Ambiguity {
  /** Equal for all addresses of the same match. */
  readonly key: string
  /** This is not the address to tell if there is another. */
  readonly waits: boolean
}

/** One place of a match. */
export interface Place {
  readonly gpa: number
  readonly pid: number
  readonly va: bigint
  readonly ambiguity?: Ambiguity
  /** The byte's page was brought back from here: its `gpa` is made up. */
  readonly swap?: SwapLocation
}

/** Answers who owns a physical address. */
export class OwnerFinder {
  readonly #spaces: readonly PlannedSpace[]
  readonly #map: ReverseMap

  constructor({ spaces, map }: SpaceMap) {
    this.#spaces = spaces
    this.#map = new ReverseMap(map)
  }

  /** Every process and kernel address that maps the byte, ascending by pid and address; the direct map left out. */
  ownersOf(gpa: number): Owner[] {
    const map = this.#map
    map.find(gpa)
    const { start, end, vpn, space } = map.data
    const owners: Owner[] = []
    let kernel = 0
    for (let i = 0; i < map.count && owners.length < MAX_OWNERS; i++) {
      const entry = map.hits[i] as number
      if (gpa < (start[entry] as number) || gpa >= (end[entry] as number)) continue
      const { kind, owners: users } = this.#spaces[space[entry] as number] as PlannedSpace
      if (kind === 'direct' || (kind === 'kernel' && kernel++ >= MAX_KERNEL_OWNERS)) continue
      const va = virtualAddress(vpn[entry] as number, gpa - (start[entry] as number))
      for (const { pid, process } of users) owners.push({ pid, process, va })
    }
    return owners.sort((a, b) => a.pid - b.pid || compare(a.va, b.va))
  }
}

/** Places the matches of a virtual scan. */
export class Placement {
  readonly #spaces: readonly PlannedSpace[]
  readonly #plan: VirtualPlan
  readonly #map: ReverseMap
  readonly #wanted: (pid: number) => boolean
  readonly #kernel: boolean

  constructor({ spaces, map }: SpaceMap, plan: VirtualPlan, choice: SpaceChoice) {
    this.#spaces = spaces
    this.#plan = plan
    this.#map = new ReverseMap(map)
    this.#kernel = choice === 'kernel'
    this.#wanted = typeof choice === 'object' ? pid => pid === choice.pid : () => true
  }

  /**
   * Places of a match that was found in place: extents that hold all that decided it. `fixed`: the pattern, whose index is given, has one
   * length and looks at nothing around it.
   */
  inPlace(gpa: number, length: number, pattern: number, fixed: boolean): Place[] {
    const map = this.#map
    map.find(gpa)
    const { start, end, vpn, space } = map.data
    const { selected, neighbourhood } = this.#plan
    const from = gpa - neighbourhood.behindBytes
    const to = gpa + 1 + neighbourhood.aheadBytes
    if (this.#kernel) return this.#kernelPlace(gpa, length, fixed ? -1 : pattern, from, to)
    const places: Place[] = []
    for (let i = 0; i < map.count; i++) {
      const entry = map.hits[i] as number
      if (from < (start[entry] as number) || to > (end[entry] as number)) continue
      const index = space[entry] as number
      if (selected[index] === 1)
        this.#addPlaces(
          places,
          index,
          gpa,
          virtualAddress(vpn[entry] as number, gpa - (start[entry] as number)),
        )
    }
    return places
  }

  /** Places of a match at `address` of the joints' own address space. */
  atJoint(address: number, length: number, pattern: number, fixed: boolean): Place[] {
    const { joints } = this.#plan
    const region = regionAt(joints.base, address)
    const offset = address - (joints.base[region] as number)
    const gpa = gpaInRegion(joints, region, offset)
    const first = joints.pieceGpa[joints.pieces[region] as number] as number
    const into = (first % PAGE_BYTES) + offset
    const from = joints.occurrences[region] as number
    const to = joints.occurrences[region + 1] as number
    const { occurrenceVpn, occurrenceSpace } = joints
    if (this.#kernel) {
      let best = from
      for (let i = from + 1; i < to; i++) if (this.#isBetter(joints, i, best)) best = i
      const pages = (occurrenceVpn[best] as number) + Math.floor(into / PAGE_BYTES)
      const contiguous = gpaInRegion(joints, region, offset + length - 1) === gpa + length - 1
      const place = { gpa, pid: 0, va: virtualAddress(pages, into % PAGE_BYTES) }
      if (!contiguous) return [place]
      if (!fixed) return [{ ...place, ambiguity: { key: `${pattern} ${gpa} ${length}`, waits: false } }]
      const lowest = this.#lowestHolder(gpa, length, pages, occurrenceSpace[best] as number)
      return lowest === pages ? [place] : []
    }
    const places: Place[] = []
    for (let i = from; i < to; i++)
      this.#addPlaces(
        places,
        occurrenceSpace[i] as number,
        gpa,
        virtualAddress(occurrenceVpn[i] as number, into),
      )
    return places
  }

  #addPlaces(places: Place[], space: number, gpa: number, va: bigint): void {
    const { owners } = this.#spaces[space] as PlannedSpace
    for (const { pid } of owners) if (this.#wanted(pid)) places.push({ gpa, pid, va })
  }

  /** Outside the direct map goes before inside, then the lower address. */
  #isBetter({ occurrenceSpace, occurrenceVpn }: VirtualPlan['joints'], a: number, b: number): boolean {
    const directA = this.#isDirect(occurrenceSpace[a] as number)
    const directB = this.#isDirect(occurrenceSpace[b] as number)
    if (directA !== directB) return directB
    return (occurrenceVpn[a] as number) < (occurrenceVpn[b] as number)
  }

  #isDirect(space: number): boolean {
    return this.#spaces[space]?.kind === 'direct'
  }

  /**
   * The kernel's one place. A match is at its lowest address outside the direct map that holds its bytes: where that
   * mapping does not hold the neighbourhood, its joint tells the match. A match that is not fixed (`pattern` is its index, else -1) may
   * not be there, since more follows: it waits to be told here.
   */
  #kernelPlace(gpa: number, length: number, pattern: number, from: number, to: number): Place[] {
    const { start, end, vpn, space } = this.#map.data
    let best = -1
    for (let i = 0; i < this.#map.count; i++) {
      const entry = this.#map.hits[i] as number
      if (from < (start[entry] as number) || to > (end[entry] as number)) continue
      if (this.#plan.selected[space[entry] as number] === 0) continue
      if (best < 0 || this.#entryIsBetter(entry, best)) best = entry
    }
    if (best < 0) return []
    const into = gpa - (start[best] as number)
    const page = (vpn[best] as number) + Math.floor(into / PAGE_BYTES)
    const place = { gpa, pid: 0, va: virtualAddress(vpn[best] as number, into) }
    if (this.#lowestHolder(gpa, length, page, space[best] as number) === page) return [place]
    return pattern < 0 ? [] : [{ ...place, ambiguity: { key: `${pattern} ${gpa} ${length}`, waits: true } }]
  }

  #entryIsBetter(a: number, b: number): boolean {
    const { vpn, start, space } = this.#map.data
    const directA = this.#isDirect(space[a] as number)
    const directB = this.#isDirect(space[b] as number)
    if (directA !== directB) return directB
    const pageOf = (entry: number): number => (vpn[entry] as number) - (start[entry] as number) / PAGE_BYTES
    return pageOf(a) < pageOf(b)
  }

  /** Lowest page outside the direct map at which an extent holds all of a match; `page`, in `space`, when there is none. */
  #lowestHolder(gpa: number, length: number, page: number, owner: number): number {
    this.#map.find(gpa)
    const { start, end, vpn, space } = this.#map.data
    let lowest = this.#isDirect(owner) ? Number.POSITIVE_INFINITY : page
    for (let i = 0; i < this.#map.count; i++) {
      const entry = this.#map.hits[i] as number
      const from = start[entry] as number
      if (gpa < from || gpa + length > (end[entry] as number)) continue
      const index = space[entry] as number
      if (this.#plan.selected[index] === 0 || this.#isDirect(index)) continue
      lowest = Math.min(lowest, (vpn[entry] as number) + Math.floor((gpa - from) / PAGE_BYTES))
    }
    return lowest === Number.POSITIVE_INFINITY ? page : lowest
  }
}

/** A canonical 64-bit address from a signed page number and bytes behind that page's start. */
export function virtualAddress(vpn: number, bytes: number): bigint {
  const pages = Math.floor(bytes / PAGE_BYTES)
  const address = BigInt(vpn + pages) * BigInt(PAGE_BYTES) + BigInt(bytes - pages * PAGE_BYTES)
  return BigInt.asUintN(64, address)
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}
