/**
 * Finds the joints of address spaces, and makes one region of all that look the same. docs/DECISIONS.md ("Virtual scans
 * and owners") argues why starts in regions and starts in place together are all starts, each once.
 */
import { PAGE_BYTES } from '../core/address.js'
import type { ExtentColumns } from './extents.js'
import { GrowingDoubles, GrowingWords, sharedDoubles, sharedWords } from './growing.js'
import { BEGINS_STRETCH, ENDS_STRETCH, type JointTable } from './joint-table.js'

/** What deciding a start takes. */
export interface Neighbourhood {
  /** Bytes before the start. */
  readonly behindBytes: number
  /** Bytes behind the first byte of a match. */
  readonly aheadBytes: number
  /** Length of the shortest match: nothing starts nearer to the end of a stretch. */
  readonly shortestBytes: number
}

/** Regions with more owned bytes than this are always cut. */
const MAX_OWNED_BYTES = 4 << 20
/** A long chain is cut before a frame whose hash has these bits clear, or where it gets too long. */
const CUT_MASK = 3
const CUT_LIMIT = 8
const EMPTY = 0xffff_ffff
/** Room for so many extents is made at the start. */
const MIN_CAPACITY = 1 << 10
const MAX_CAPACITY = 1 << 20

export class JointPlanner {
  readonly #behind: number
  readonly #ahead: number
  readonly #shortest: number
  readonly #cutBytes: number
  readonly #seed = (Math.random() * 2 ** 32) >>> 0
  // regions
  readonly #firstPiece: GrowingWords
  readonly #bytes: GrowingWords
  readonly #ownedFrom: GrowingWords
  readonly #ownedTo: GrowingWords
  readonly #flags: GrowingWords
  readonly #hash: GrowingWords
  // their pieces
  readonly #pieceGpa: GrowingDoubles
  readonly #pieceLength: GrowingWords
  // where they occur
  readonly #occurrenceRegion: GrowingWords
  readonly #occurrenceSpace: GrowingWords
  readonly #occurrenceVpn: GrowingDoubles
  #buckets: Uint32Array

  /** `extents`: about how many there will be; arrays that need not grow are much cheaper. */
  constructor({ behindBytes, aheadBytes, shortestBytes }: Neighbourhood, extents = 0) {
    const capacity = Math.min(MAX_CAPACITY, Math.max(MIN_CAPACITY, extents))
    this.#firstPiece = new GrowingWords(capacity)
    this.#bytes = new GrowingWords(capacity)
    this.#ownedFrom = new GrowingWords(capacity)
    this.#ownedTo = new GrowingWords(capacity)
    this.#flags = new GrowingWords(capacity)
    this.#hash = new GrowingWords(capacity)
    this.#pieceGpa = new GrowingDoubles(capacity * 2)
    this.#pieceLength = new GrowingWords(capacity * 2)
    this.#occurrenceRegion = new GrowingWords(capacity)
    this.#occurrenceSpace = new GrowingWords(capacity)
    this.#occurrenceVpn = new GrowingDoubles(capacity)
    this.#buckets = new Uint32Array(2 ** Math.ceil(Math.log2(capacity) + 1)).fill(EMPTY)
    this.#behind = behindBytes
    this.#ahead = aheadBytes
    this.#shortest = Math.max(1, shortestBytes)
    this.#cutBytes = Math.min(MAX_OWNED_BYTES, Math.max(PAGE_BYTES, 2 * (behindBytes + aheadBytes)))
  }

  /** Adds the joints of one space; `extents` ascend by address. */
  add(space: number, extents: ExtentColumns): void {
    const { vpn, length } = extents
    const count = vpn.length
    for (let first = 0; first < count; ) {
      let next = first + 1
      while (
        next < count &&
        (vpn[next - 1] as number) + (length[next - 1] as number) / PAGE_BYTES === vpn[next]
      )
        next++
      this.#stretch(space, extents, first, next)
      first = next
    }
  }

  /** Extents `first` to `end` (exclusive) touch. Offsets here count from the stretch's first byte. */
  #stretch(space: number, extents: ExtentColumns, first: number, end: number): void {
    const { length } = extents
    const behind = this.#behind
    const ahead = this.#ahead
    let stretchEnd = 0
    for (let i = first; i < end; i++) stretchEnd += length[i] as number
    /** Where the open region begins to own, and the extent that holds this place; negative: none is open. */
    let open = behind > 0 ? 0 : -1
    let openAt = first
    let start = 0
    // the first extent of the buffer before an open region
    const emit = (to: number): void => {
      if (to > open) this.#region(space, extents, first, end, openAt, open, to, stretchEnd)
    }
    for (let i = first; i < end; i++) {
      const bytes = length[i] as number
      const leftEnd = start + Math.min(behind, bytes)
      const rightStart = Math.max(leftEnd, start + bytes - ahead)
      if (rightStart > leftEnd) {
        if (open >= 0) emit(leftEnd)
        open = rightStart < start + bytes ? rightStart : -1
        openAt = i
      } else if (open < 0) {
        open = start
        openAt = i
      } else if (
        leftEnd - open >= this.#cutBytes &&
        this.#cutsBefore(extents.gpa[i] as number, leftEnd - open)
      ) {
        emit(leftEnd)
        open = leftEnd
        openAt = i
      }
      // however long an extent is, its part of a chain is bounded by what a start needs
      start += bytes
    }
    if (open >= 0) emit(stretchEnd - (this.#shortest - 1))
  }

  #cutsBefore(gpa: number, owned: number): boolean {
    return (mix(this.#seed, gpa / PAGE_BYTES) & CUT_MASK) === 0 || owned >= this.#cutBytes * CUT_LIMIT
  }

  /** Starts `from` ≤ offset < `to` of the stretch; `holder` is the extent that holds `from`. */
  #region(
    space: number,
    extents: ExtentColumns,
    first: number,
    end: number,
    holder: number,
    from: number,
    to: number,
    stretchEnd: number,
  ): void {
    const { vpn, gpa, length } = extents
    const bufferFrom = Math.max(0, from - this.#behind)
    const bufferTo = Math.min(stretchEnd, to + this.#ahead)
    const flags =
      (from - this.#behind < 0 ? BEGINS_STRETCH : 0) | (to + this.#ahead > stretchEnd ? ENDS_STRETCH : 0)
    // page numbers are exact, and so are differences of them in bytes within a stretch
    const origin = vpn[first] as number
    let extent = holder
    while (extent > first && offsetOf(vpn, extent, origin) > bufferFrom) extent--
    const firstPiece = this.#pieceGpa.count
    let hash = mix(this.#seed, bufferTo - bufferFrom)
    hash = mix(hash, (from - bufferFrom) * 8 + flags)
    hash = mix(hash, to - from)
    const firstInto = bufferFrom - offsetOf(vpn, extent, origin)
    const occurrenceVpn = (vpn[extent] as number) + Math.floor(firstInto / PAGE_BYTES)
    for (let at = bufferFrom; at < bufferTo && extent < end; extent++) {
      const offset = offsetOf(vpn, extent, origin)
      const pieceEnd = Math.min(bufferTo, offset + (length[extent] as number))
      const pieceGpa = (gpa[extent] as number) + (at - offset)
      this.#pieceGpa.push(pieceGpa)
      this.#pieceLength.push(pieceEnd - at)
      hash = mix(mix(hash, pieceGpa), pieceEnd - at)
      at = pieceEnd
    }
    const region = this.#intern(
      hash,
      firstPiece,
      bufferTo - bufferFrom,
      from - bufferFrom,
      to - bufferFrom,
      flags,
    )
    this.#occurrenceRegion.push(region)
    this.#occurrenceSpace.push(space)
    this.#occurrenceVpn.push(occurrenceVpn)
  }

  /** The region with these pieces, which were just pushed: an older one that equals it, or a new one. */
  #intern(
    hash: number,
    firstPiece: number,
    bytes: number,
    ownedFrom: number,
    ownedTo: number,
    flags: number,
  ): number {
    if (this.#firstPiece.count * 2 >= this.#buckets.length) this.#grow()
    const mask = this.#buckets.length - 1
    let bucket = hash & mask
    for (;;) {
      const region = this.#buckets[bucket] as number
      if (region === EMPTY) break
      if (
        this.#hash.at(region) === hash &&
        this.#bytes.at(region) === bytes &&
        this.#ownedFrom.at(region) === ownedFrom &&
        this.#ownedTo.at(region) === ownedTo &&
        this.#flags.at(region) === flags &&
        this.#samePieces(region, firstPiece)
      ) {
        this.#pieceGpa.count = this.#pieceLength.count = firstPiece
        return region
      }
      bucket = (bucket + 1) & mask
    }
    const region = this.#firstPiece.count
    this.#buckets[bucket] = region
    this.#firstPiece.push(firstPiece)
    this.#bytes.push(bytes)
    this.#ownedFrom.push(ownedFrom)
    this.#ownedTo.push(ownedTo)
    this.#flags.push(flags)
    this.#hash.push(hash)
    return region
  }

  #samePieces(region: number, firstPiece: number): boolean {
    const pieces = this.#pieceGpa.count - firstPiece
    const other = this.#firstPiece.at(region)
    const otherEnd = region + 1 < this.#firstPiece.count ? this.#firstPiece.at(region + 1) : firstPiece
    if (otherEnd - other !== pieces) return false
    for (let i = 0; i < pieces; i++)
      if (
        this.#pieceGpa.at(other + i) !== this.#pieceGpa.at(firstPiece + i) ||
        this.#pieceLength.at(other + i) !== this.#pieceLength.at(firstPiece + i)
      )
        return false
    return true
  }

  #grow(): void {
    const buckets = new Uint32Array(this.#buckets.length * 2).fill(EMPTY)
    const mask = buckets.length - 1
    for (let region = 0; region < this.#hash.count; region++) {
      let bucket = this.#hash.at(region) & mask
      while (buckets[bucket] !== EMPTY) bucket = (bucket + 1) & mask
      buckets[bucket] = region
    }
    this.#buckets = buckets
  }

  /** The table of all regions, those without flags first. */
  finish(): JointTable {
    const count = this.#firstPiece.count
    const pieces = this.#pieceGpa.count
    const order = this.#order(count)
    const column = { base: sharedDoubles(count + 1), pieces: sharedWords(count + 1) }
    const table = {
      ...column,
      ownedFrom: sharedWords(count),
      ownedTo: sharedWords(count),
      flags: new Uint8Array(new SharedArrayBuffer(count)),
      plain: order.plain,
      pieceGpa: sharedDoubles(pieces),
      pieceLength: sharedWords(pieces),
    }
    if (order.place === undefined) this.#copy(table)
    else this.#reorder(table, order.place)
    let at = 0
    for (let i = 0; i <= count; i++) {
      const bytes = column.base[i] as number
      column.base[i] = at
      at += bytes
    }
    column.pieces[count] = pieces
    return { ...table, ...this.#places(order.place, count) }
  }

  /** Where regions go: nowhere else when none has flags. */
  #order(count: number): { readonly plain: number; readonly place?: Uint32Array } {
    const flags = this.#flags.values
    let plain = 0
    for (let region = 0; region < count; region++) if (flags[region] === 0) plain++
    if (plain === count) return { plain }
    const place = new Uint32Array(count)
    let next = 0
    let flagged = plain
    for (let region = 0; region < count; region++) place[region] = flags[region] === 0 ? next++ : flagged++
    return { plain, place }
  }

  /** Every region stays where it is. `base` is left holding lengths. */
  #copy(table: WritableRegions): void {
    table.base.set(this.#bytes.view())
    table.ownedFrom.set(this.#ownedFrom.view())
    table.ownedTo.set(this.#ownedTo.view())
    table.pieces.set(this.#firstPiece.view())
    table.pieceGpa.set(this.#pieceGpa.view())
    table.pieceLength.set(this.#pieceLength.view())
  }

  /** As `#copy`, each region to its place. */
  #reorder(table: WritableRegions, place: Uint32Array): void {
    const count = place.length
    const region = new Uint32Array(count)
    for (let i = 0; i < count; i++) region[place[i] as number] = i
    const firstPiece = this.#firstPiece.values
    const pieceGpa = this.#pieceGpa.values
    const pieceLength = this.#pieceLength.values
    let piece = 0
    for (let i = 0; i < count; i++) {
      const from = region[i] as number
      table.base[i] = this.#bytes.at(from)
      table.ownedFrom[i] = this.#ownedFrom.at(from)
      table.ownedTo[i] = this.#ownedTo.at(from)
      table.flags[i] = this.#flags.at(from)
      table.pieces[i] = piece
      const end = from + 1 < count ? (firstPiece[from + 1] as number) : this.#pieceGpa.count
      for (let old = firstPiece[from] as number; old < end; old++) {
        table.pieceGpa[piece] = pieceGpa[old] as number
        table.pieceLength[piece++] = pieceLength[old] as number
      }
    }
  }

  /** Occurrences by region; `place` is where each region went. Within one they stay in the order in which spaces were added. */
  #places(
    place: Uint32Array | undefined,
    regions: number,
  ): Pick<JointTable, 'occurrences' | 'occurrenceSpace' | 'occurrenceVpn'> {
    const count = this.#occurrenceRegion.count
    const occurrences = sharedWords(regions + 1)
    const occurrenceSpace = sharedWords(count)
    const occurrenceVpn = sharedDoubles(count)
    const region = this.#occurrenceRegion.values
    const space = this.#occurrenceSpace.values
    const vpn = this.#occurrenceVpn.values
    if (place !== undefined) for (let i = 0; i < count; i++) region[i] = place[region[i] as number] as number
    const next = new Uint32Array(regions + 1)
    for (let i = 0; i < count; i++) {
      const behind = (region[i] as number) + 1
      next[behind] = (next[behind] as number) + 1
    }
    for (let i = 0; i < regions; i++) next[i + 1] = (next[i + 1] as number) + (next[i] as number)
    occurrences.set(next)
    for (let i = 0; i < count; i++) {
      const of = region[i] as number
      const at = next[of] as number
      next[of] = at + 1
      occurrenceSpace[at] = space[i] as number
      occurrenceVpn[at] = vpn[i] as number
    }
    return { occurrences, occurrenceSpace, occurrenceVpn }
  }
}

type WritableRegions = Pick<
  JointTable,
  'base' | 'ownedFrom' | 'ownedTo' | 'flags' | 'pieces' | 'pieceGpa' | 'pieceLength'
>

/** Offset of an extent from the stretch's first byte. */
function offsetOf(vpn: Float64Array, extent: number, origin: number): number {
  return ((vpn[extent] as number) - origin) * PAGE_BYTES
}

/** Mixes a number below 2^53 into a 32-bit hash. */
function mix(hash: number, value: number): number {
  const high = Math.floor(value / 2 ** 32)
  let mixed = Math.imul(hash ^ (value >>> 0), 0x9e3779b1)
  mixed = Math.imul(mixed ^ (mixed >>> 15) ^ high, 0x85ebca6b)
  return (mixed ^ (mixed >>> 13)) >>> 0
}
