/**
 * The bytes of all regions around joints, kept while frames are scanned in place: whoever has a block of physical memory at hand copies
 * from it what regions need. So memory is gone through once, not twice. All of it is shared memory.
 */
import { PAGE_BYTES } from '../core/address.js'
import { sharedDoubles, sharedWords } from './growing.js'
import { type JointTable, regionAt } from './joint-table.js'
import { orderByPage } from './page-order.js'

/** Regions with more bytes than this are fetched by themselves. */
const MAX_BYTES = 64 << 20
/** So are those with longer pieces. */
const MAX_PIECE_BYTES = 65536
/** Fewer bytes are copied one by one. */
const FEW_BYTES = 48

/** Pieces of regions in order of their page. */
export interface EdgeTable {
  readonly gpa: Float64Array
  readonly length: Uint32Array
  /** Where the piece's bytes go in `bytes`: addresses of the joints' own space. */
  readonly target: Uint32Array
  readonly bytes: Uint8Array
  /** By region: 1 where some of its bytes could not be had. */
  readonly lost: Uint8Array
  readonly longest: number
}

/** What is to be kept; undefined where it would be too much. */
export function edgeTable({ base, flags, pieceGpa, pieceLength }: JointTable): EdgeTable | undefined {
  const total = base.at(-1) ?? 0
  const count = pieceGpa.length
  if (total === 0 || total > MAX_BYTES) return undefined
  const order = orderByPage(pieceGpa, count)
  const offsets = new Uint32Array(count)
  let at = 0
  let longest = 0
  for (let i = 0; i < count; i++) {
    const bytes = pieceLength[i] as number
    offsets[i] = at
    at += bytes
    if (bytes > longest) longest = bytes
  }
  if (longest > MAX_PIECE_BYTES) return undefined
  const gpa = sharedDoubles(count)
  const length = sharedWords(count)
  const target = sharedWords(count)
  for (let i = 0; i < count; i++) {
    const piece = order[i] as number
    gpa[i] = pieceGpa[piece] as number
    length[i] = pieceLength[piece] as number
    target[i] = offsets[piece] as number
  }
  const bytes = new Uint8Array(new SharedArrayBuffer(total))
  const lost = new Uint8Array(new SharedArrayBuffer(flags.length))
  return { gpa, length, target, bytes, lost, longest }
}

/** Fills a table. */
export class EdgeKeeper {
  readonly #table: EdgeTable
  readonly #base: Float64Array

  constructor(table: EdgeTable, joints: JointTable) {
    this.#table = table
    this.#base = joints.base
  }

  /** `bytes[0]` stands at `start`: copies what lies in `from` ≤ gpa < `to`. What nobody brings stays zero. */
  keep(from: number, to: number, bytes: Uint8Array, start: number): void {
    const { gpa, length, target, bytes: kept } = this.#table
    const offset = from - start
    const window = bytes
    for (let i = this.#firstNear(from); i < gpa.length; i++) {
      const at = gpa[i] as number
      if (at >= to + PAGE_BYTES) break
      const low = at > from ? at : from
      const end = at + (length[i] as number)
      const high = end < to ? end : to
      const count = high - low
      if (count <= 0) continue
      const source = offset + low - from
      const goal = (target[i] as number) + low - at
      if (count > FEW_BYTES) kept.set(window.subarray(source, source + count), goal)
      else for (let byte = 0; byte < count; byte++) kept[goal + byte] = window[source + byte] as number
    }
  }

  /** The bytes in `from` ≤ gpa < `to` can't be had: regions that need them are told so. */
  lose(from: number, to: number): void {
    const { gpa, length, target, lost } = this.#table
    for (let i = this.#firstNear(from); i < gpa.length; i++) {
      const at = gpa[i] as number
      if (at >= to + PAGE_BYTES) break
      if (at < to && at + (length[i] as number) > from) lost[regionAt(this.#base, target[i] as number)] = 1
    }
  }

  /** Index of the first piece that may reach above `address`: pieces are in order of pages only. */
  #firstNear(address: number): number {
    const { gpa, longest } = this.#table
    const wanted = address - longest - PAGE_BYTES
    let low = 0
    let high = gpa.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((gpa[middle] as number) < wanted) low = middle + 1
      else high = middle
    }
    return low
  }
}
