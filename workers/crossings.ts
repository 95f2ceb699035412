/**
 * Matches that a frame alone does not decide. Rows are found in frames, each frame once, and where frames meet; what a row asks for is
 * verified here, once for each different way in which the frames around it follow each other in the laid-out spaces, and told for each place.
 */
import { PlaceVerifier } from '../scanners/place-verifier.js'
import type { RowWatcher } from '../scanners/rule-strings.js'
import { PAGE_BYTES } from '../src/core/address.js'
import type { Haystack } from '../src/rules/search/fibers.js'
import { type Reach, reachOf } from '../src/rules/search/reach.js'
import { FIXED, type StringTables } from '../src/rules/search/tables.js'
import { ORDER_PER_BYTE } from '../src/rules/search/verifier.js'
import type { ScanWindow } from '../src/scan/scanner.js'
import { type LinearMemory, type LinearTable, linearExtentAt } from '../src/space/linear-space.js'
import type { Places } from './places.js'

export interface CrossingSink {
  /** A match of a part at a laid-out address. Of several at one place the one with the lowest order counts, of a greedy part the highest. */
  crossing(part: number, address: number, length: number, order: number): void
  /** Not all matches of a part are told. */
  drop(part: number): void
  readonly cancelled: boolean
}

/** Places with the same frames around them: the first one's address, and the bytes that are looked at there. */
interface Way {
  readonly address: number
  readonly from: number
  readonly to: number
  readonly members: number[]
}

export interface CrossingOptions {
  readonly tables: StringTables
  readonly table: LinearTable
  /** The laid-out spaces; not over the memory that windows are borrowed from. */
  readonly memory: LinearMemory
  readonly places: Places
  /** Windows are frames: what lies within one page is decided there. Else they are regions around joints. */
  readonly inFrames: boolean
}

export class Crossings implements RowWatcher {
  /** Set before anything is searched. */
  sink: CrossingSink | undefined
  readonly #options: CrossingOptions
  readonly #verifier: PlaceVerifier
  readonly #reaches: (Reach | undefined)[] = []
  #bytes: Uint8Array = new Uint8Array(0)
  #gpa = 0
  #ownedStart = 0
  #ownedEnd = 0

  constructor(options: CrossingOptions) {
    this.#options = options
    this.#verifier = new PlaceVerifier(options.tables)
  }

  enter({ bytes, gpa, ownedStart, ownedEnd }: ScanWindow): void {
    this.#bytes = bytes
    this.#gpa = gpa
    this.#ownedStart = ownedStart
    this.#ownedEnd = ownedEnd
  }

  meets(part: number, sub: number, at: number, last: number): boolean {
    const { before, after, ahead, behind, back } = this.#reachOf(part)
    const owned = last >= this.#ownedStart && last < this.#ownedEnd
    if (!this.#options.inFrames) {
      if (owned) this.#cross(part, sub, at - last, this.#gpa + last)
      return false
    }
    const inPage = (this.#gpa + at) % PAGE_BYTES
    if (owned && (inPage < before || inPage + Math.max(ahead, after) > PAGE_BYTES))
      this.#cross(part, sub, at - last, this.#gpa + last)
    // some start from here back to the page's beginning lies far enough from both ends
    return inPage >= behind && Math.max(behind, inPage - back) + ahead <= PAGE_BYTES
  }

  decides(part: number, start: number): boolean {
    return this.#staysInPage(part, (this.#gpa + start) % PAGE_BYTES)
  }

  #staysInPage(part: number, inPage: number): boolean {
    const { behind, ahead } = this.#reachOf(part)
    return inPage >= behind && inPage + ahead <= PAGE_BYTES
  }

  #reachOf(part: number): Reach {
    let reach = this.#reaches[part]
    if (reach === undefined) {
      reach = reachOf(this.#options.tables, part)
      this.#reaches[part] = reach
    }
    return reach
  }

  /** Verifies `distance` bytes behind the byte at `last`, wherever that is mapped. */
  #cross(part: number, sub: number, distance: number, last: number): void {
    const { sink } = this
    const { places } = this.#options
    const { before, after } = this.#reachOf(part)
    const behind = Math.max(0, before - distance)
    const ahead = Math.max(1, distance + after)
    const count = places.find(last, behind, ahead)
    if (sink === undefined || count === 0) return
    if (places.more) sink.drop(part)
    if (this.#verifier.isExhausted(part)) {
      sink.drop(part)
      return
    }
    const inWindow = last - behind >= this.#gpa && last + ahead <= this.#gpa + this.#bytes.length
    let seen = 0
    const scattered: number[] = []
    for (let i = 0; i < count; i++)
      if (inWindow && places.whole[i] === 1) seen++
      else scattered.push(places.addresses[i] as number)
    if (seen > 0) {
      const low = last - behind - this.#gpa
      const hay = { bytes: this.#bytes, low, high: low + behind + ahead }
      this.#verify(sink, part, sub, hay, low + behind, distance, tell => {
        for (let i = 0; i < count; i++) if (places.whole[i] === 1) tell(places.addresses[i] as number)
      })
    }
    for (const way of this.#waysOf(scattered, behind, ahead)) {
      if (sink.cancelled) return
      const read = this.#readable(way)
      if (read === undefined) continue
      const { bytes, from } = read
      const hay = { bytes, low: 0, high: bytes.length }
      this.#verify(sink, part, sub, hay, way.address - from, distance, tell => way.members.forEach(tell))
    }
  }

  /** The different ways in which frames follow each other around some places. */
  #waysOf(addresses: readonly number[], behind: number, ahead: number): Iterable<Way> {
    const ways = new Map<string, Way>()
    for (const address of addresses) this.#addWay(ways, address, behind, ahead)
    return ways.values()
  }

  /** Adds a place to those that have the same frames around them. */
  #addWay(ways: Map<string, Way>, address: number, behind: number, ahead: number): void {
    const { table } = this.#options
    const low = address - behind
    const high = address + ahead
    let extent = linearExtentAt(table, address)
    while ((table.address[extent] as number) > low && continues(table, extent)) extent--
    const from = Math.max(low, table.address[extent] as number)
    let to = from
    let key = `${from - address}`
    // where bytes do not follow each other in memory, the key says so
    for (let next = Number.NaN; to < high; extent++) {
      const start = table.address[extent] as number
      if (to > from && (to !== start || extent === table.address.length)) break
      const gpa = (table.gpa[extent] as number) + to - start
      if (gpa !== next) key += ` ${to - address}:${gpa}`
      to = start + (table.length[extent] as number)
      next = (table.gpa[extent] as number) + (table.length[extent] as number)
    }
    to = Math.min(to, high)
    key += ` ${to - address}`
    const known = ways.get(key)
    if (known === undefined) ways.set(key, { address, from, to, members: [address] })
    else known.members.push(address)
  }

  /**
   * Verifies `distance` bytes behind the byte at `last` of `hay`, and tells what is found for each place of that byte: `each` calls back with
   * their addresses.
   */
  #verify(
    sink: CrossingSink,
    part: number,
    sub: number,
    hay: Haystack,
    last: number,
    distance: number,
    each: (tell: (address: number) => void) => void,
  ): void {
    const fixed = ((this.#options.tables.flags[part] as number) & FIXED) !== 0
    this.#verifier.verify(hay, part, sub, last + distance, (start, length, order) => {
      // counted from the start: that place may be met in other bytes, too
      const rank = fixed ? order : order - start * ORDER_PER_BYTE
      each(address => {
        const at = address + start - last
        if (!this.#staysInPage(part, at % PAGE_BYTES)) sink.crossing(part, at, length, rank)
      })
    })
    if (this.#verifier.isExhausted(part)) sink.drop(part)
  }

  /** The bytes of a way around its place, up to what can't be read on either side. */
  #readable({ address, from, to }: Way): { readonly bytes: Uint8Array; readonly from: number } | undefined {
    const { memory } = this.#options
    let at = from
    for (;;) {
      const { bytes, stop } = memory.window(at, to - at)
      const end = at + bytes.length
      if (end > address) return { bytes, from: at }
      if (stop === undefined || end + stop.length > address) return undefined
      at = end + stop.length
    }
  }
}

/** Whether an extent begins where the one before it ends. */
function continues({ address, length }: LinearTable, extent: number): boolean {
  return extent > 0 && (address[extent - 1] as number) + (length[extent - 1] as number) === address[extent]
}
