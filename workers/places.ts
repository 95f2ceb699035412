/** Where a byte that a row ends with is mapped in the laid-out spaces: asked by frame, or by region around a joint. */
import { PAGE_BYTES } from '../src/core/address.js'
import { type JointTable, regionAt } from '../src/space/joint-table.js'
import { ReverseMap } from '../src/space/reverse-map.js'
import type { RuleSearch } from '../src/space/rule-plan.js'

export interface Places {
  /**
   * Looks an address of the windows up; tells how many places there are. They are valid until the next call. `behind`, `ahead`: bytes before
   * the address, and from it on, that somebody is going to look at.
   */
  find(address: number, behind: number, ahead: number): number
  /** Addresses in the laid-out spaces. */
  readonly addresses: Float64Array
  /** 1 where all that is going to be looked at follows each other there as it does in memory. */
  readonly whole: Uint8Array
  /** There are more than are looked at. */
  readonly more: boolean
}

/** Places of one byte that are looked at: hostile tables map a frame a million times. */
const MAX_PLACES = 65_536

class PlaceList {
  addresses = new Float64Array(64)
  whole = new Uint8Array(64)
  count = 0
  more = false

  clear(): void {
    this.count = 0
    this.more = false
  }

  push(address: number, whole: boolean): void {
    if (this.count === MAX_PLACES) {
      this.more = true
      return
    }
    if (this.count === this.addresses.length) {
      const larger = new Float64Array(this.count * 2)
      larger.set(this.addresses)
      this.addresses = larger
      const flags = new Uint8Array(this.count * 2)
      flags.set(this.whole)
      this.whole = flags
    }
    this.whole[this.count] = whole ? 1 : 0
    this.addresses[this.count++] = address
  }
}

/** Windows are frames: extents that hold what a row may be. Others find it at a joint. */
export class FramePlaces implements Places {
  readonly #map: ReverseMap
  readonly #behind: number
  readonly #ahead: number
  readonly #list = new PlaceList()

  constructor({ placements, behindBytes, aheadBytes }: RuleSearch) {
    this.#map = new ReverseMap(placements)
    this.#behind = behindBytes
    this.#ahead = aheadBytes
  }

  get addresses(): Float64Array {
    return this.#list.addresses
  }

  get whole(): Uint8Array {
    return this.#list.whole
  }

  get more(): boolean {
    return this.#list.more
  }

  find(gpa: number, behind: number, ahead: number): number {
    const list = this.#list
    const map = this.#map
    const { start, end, vpn } = map.data
    list.clear()
    map.find(gpa)
    for (let i = 0; i < map.count && !list.more; i++) {
      const entry = map.hits[i] as number
      const from = start[entry] as number
      const to = end[entry] as number
      if (gpa - this.#behind < from || gpa + this.#ahead >= to) continue
      list.push((vpn[entry] as number) * PAGE_BYTES + gpa - from, gpa - behind >= from && gpa + ahead <= to)
    }
    return list.count
  }
}

/** Windows are regions around joints. */
export class RegionPlaces implements Places {
  readonly #joints: JointTable
  readonly #list = new PlaceList()
  #region = 0

  constructor(joints: JointTable) {
    this.#joints = joints
  }

  get addresses(): Float64Array {
    return this.#list.addresses
  }

  get whole(): Uint8Array {
    return this.#list.whole
  }

  get more(): boolean {
    return this.#list.more
  }

  find(address: number): number {
    const { base, ownedFrom, ownedTo, pieces, pieceGpa, occurrences, occurrenceVpn } = this.#joints
    const list = this.#list
    list.clear()
    let region = this.#region
    if (address < (base[region] as number) || address >= (base[region + 1] as number))
      region = regionAt(base, address)
    this.#region = region
    const offset = address - (base[region] as number)
    if (offset < (ownedFrom[region] as number) || offset >= (ownedTo[region] as number)) return 0
    const into = ((pieceGpa[pieces[region] as number] as number) % PAGE_BYTES) + offset
    const last = occurrences[region + 1] as number
    for (let at = occurrences[region] as number; at < last && !list.more; at++)
      list.push((occurrenceVpn[at] as number) * PAGE_BYTES + into, false)
    return list.count
  }
}
