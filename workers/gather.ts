/** Fetches scattered pieces of physical memory into one buffer, in order of their addresses: windows slide one way. */
import type { MemoryRun, PhysicalMemory } from '../src/core/memory.js'
import { findRun } from '../src/core/runs.js'
import { orderByPage } from '../src/space/page-order.js'

/** Pieces nearer than this share a window: looking at what lies between is cheaper than another one. */
const NEAR_BYTES = 32768
/** A window's length, unless one piece is longer. */
const WINDOW_BYTES = 4 << 20
/** Fewer bytes are copied one by one. */
const FEW_BYTES = 48

/** Called for bytes that can't be read: offsets into the buffer. */
export type TellBad = (from: number, to: number) => void

export class Gatherer {
  readonly #memory: PhysicalMemory
  #target = new Uint32Array(0)

  constructor(memory: PhysicalMemory) {
    this.#memory = memory
  }

  /** Copies all pieces, one behind the other as they are given, to the start of `buffer`. Each lies inside one run. */
  gather(gpa: Float64Array, length: Uint32Array, buffer: Uint8Array, tellBad: TellBad): void {
    const count = gpa.length
    if (this.#target.length < count) this.#target = new Uint32Array(count * 2)
    const target = this.#target
    let at = 0
    for (let i = 0; i < count; i++) {
      target[i] = at
      at += length[i] as number
    }
    const order = orderByPage(gpa, count)
    const { runs } = this.#memory
    for (let first = 0; first < count; ) {
      let from = gpa[order[first] as number] as number
      let to = from + (length[order[first] as number] as number)
      const run = runs[findRun(runs, from)] as MemoryRun
      let next = first + 1
      for (; next < count; next++) {
        const piece = order[next] as number
        const start = gpa[piece] as number
        const end = start + (length[piece] as number)
        const low = Math.min(from, start)
        const high = Math.max(to, end)
        if (
          start > to + NEAR_BYTES ||
          high - low > WINDOW_BYTES ||
          high > run.gpa + run.length ||
          low < run.gpa
        )
          break
        from = low
        to = high
      }
      this.#fetch(gpa, length, order.subarray(first, next), from, to, buffer, tellBad)
      first = next
    }
  }

  /** One window after the other, until `to`: more than one only where something can't be read. */
  #fetch(
    gpa: Float64Array,
    length: Uint32Array,
    pieces: Uint32Array,
    from: number,
    to: number,
    buffer: Uint8Array,
    tellBad: TellBad,
  ): void {
    let at = from
    while (at < to) {
      const { bytes, stop } = this.#memory.window(at, to - at)
      this.#copy(gpa, length, pieces, at, bytes, buffer)
      at += bytes.length
      if (stop === undefined) continue
      const end = Math.min(to, at + stop.length)
      for (const piece of pieces) {
        const start = gpa[piece] as number
        const low = Math.max(start, at)
        const high = Math.min(start + (length[piece] as number), end)
        const offset = (this.#target[piece] as number) - start
        if (low < high) tellBad(offset + low, offset + high)
      }
      at = end
    }
  }

  /** Copies what `bytes`, which begin at `at`, hold of each piece. */
  #copy(
    gpa: Float64Array,
    length: Uint32Array,
    pieces: Uint32Array,
    at: number,
    bytes: Uint8Array,
    buffer: Uint8Array,
  ): void {
    const end = at + bytes.length
    for (let i = 0; i < pieces.length; i++) {
      const piece = pieces[i] as number
      const start = gpa[piece] as number
      const low = Math.max(start, at)
      const high = Math.min(start + (length[piece] as number), end)
      if (low >= high) continue
      const source = low - at
      const target = (this.#target[piece] as number) + low - start
      const count = high - low
      if (count > FEW_BYTES) buffer.set(bytes.subarray(source, source + count), target)
      else for (let byte = 0; byte < count; byte++) buffer[target + byte] = bytes[source + byte] as number
    }
  }
}
