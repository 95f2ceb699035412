/** The bytes of regions around joints: what was kept while frames were scanned, or fetched from memory. */
import type { PhysicalMemory } from '../src/core/memory.js'
import type { EdgeTable } from '../src/space/edge-table.js'
import { type JointTable, regionAt } from '../src/space/joint-table.js'
import { Gatherer } from './gather.js'

/** Bytes of a region that could not be read: offsets, end exclusive. */
export interface Bad {
  readonly from: number
  readonly to: number
}

export class RegionReader {
  /** Of the regions last read: those with bytes that could not be had. */
  readonly broken = new Map<number, Bad[]>()
  readonly #joints: JointTable
  readonly #kept: EdgeTable | undefined
  readonly #gatherer: Gatherer
  #buffer = new Uint8Array(0)

  constructor(memory: PhysicalMemory, joints: JointTable, kept: EdgeTable | undefined) {
    this.#joints = joints
    this.#kept = kept
    this.#gatherer = new Gatherer(memory)
  }

  /** Regions `first` ≤ index < `end`, one behind the other; valid until the next call. */
  read(first: number, end: number): Uint8Array {
    const joints = this.#joints
    const kept = this.#kept
    const from = joints.base[first] as number
    const length = (joints.base[end] as number) - from
    if (this.#buffer.length < length) this.#buffer = new Uint8Array(length)
    this.broken.clear()
    if (kept === undefined) this.#gather(first, end, from)
    else {
      this.#buffer.set(kept.bytes.subarray(from, from + length))
      // read again, to see what of a region can be had
      for (let region = first; region < end; region++) {
        let next = region
        while (next < end && kept.lost[next] === 1) next++
        if (next > region) this.#gather(region, next, from)
        region = next
      }
    }
    return this.#buffer.subarray(0, length)
  }

  /** Fetches regions `first` ≤ index < `end` to their places in the buffer, which begins with address `origin`. */
  #gather(first: number, end: number, origin: number): void {
    const { base, pieces, pieceGpa, pieceLength } = this.#joints
    const from = base[first] as number
    const firstPiece = pieces[first] as number
    const endPiece = pieces[end] as number
    this.#gatherer.gather(
      pieceGpa.subarray(firstPiece, endPiece),
      pieceLength.subarray(firstPiece, endPiece),
      this.#buffer.subarray(from - origin),
      (badFrom, badTo) => {
        const region = regionAt(base, from + badFrom, first, end)
        const start = (base[region] as number) - from
        const bad = this.broken.get(region) ?? []
        bad.push({ from: badFrom - start, to: badTo - start })
        this.broken.set(region, bad)
      },
    )
  }
}
