/** Structures of one kind, read in part, and the offsets at which all of them agree on something. */
import type { Place, PlaceReader } from './reader.js'

/** The first bytes of one structure. What lies before or behind them reads as 0. */
export class Sample {
  readonly at: Place
  readonly view: DataView
  readonly #wide: boolean

  constructor(reader: PlaceReader, at: Place, length: number) {
    this.at = at
    const bytes = reader.bytes(at, Math.max(0, length))
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#wide = reader.pointerBytes === 8
  }

  u32(offset: number): number {
    return this.#holds(offset, 4) ? this.view.getUint32(offset, true) : 0
  }

  /** Rounded beyond 2^53. */
  u64(offset: number): number {
    return this.u32(offset + 4) * 2 ** 32 + this.u32(offset)
  }

  pointer(offset: number): Place {
    if (!this.#wide) return this.u32(offset)
    if (!this.#holds(offset, 8)) return 0
    return this.view.getInt32(offset + 4, true) * 2 ** 32 + this.view.getUint32(offset, true)
  }

  /** The upper half of a pointer, signed; 0 where pointers have none. */
  high(offset: number): number {
    return this.#wide && this.#holds(offset, 8) ? this.view.getInt32(offset + 4, true) : 0
  }

  #holds(offset: number, bytes: number): boolean {
    return offset >= 0 && offset + bytes <= this.view.byteLength
  }
}

/**
 * How many of `count` structures must agree: all of few, all but one in thirty of many, since one may have been caught in the
 * middle of a change, or its page lost.
 */
export function enough(count: number): number {
  return count - Math.floor(count / 30)
}

/** Whether `holds` is true for (nearly) all of the samples, and there are some. */
export function agree<T>(items: readonly T[], holds: (item: T) => boolean): boolean {
  let misses = items.length - enough(items.length)
  for (const item of items) if (!holds(item) && misses-- <= 0) return false
  return items.length > 0
}

/** The offsets in [from, to), `step` apart, at which `holds` is true for (nearly) all of the samples. */
export function offsetsWhere<T>(
  items: readonly T[],
  [from, to, step]: readonly [from: number, to: number, step: number],
  holds: (item: T, offset: number) => boolean,
): number[] {
  const found: number[] = []
  for (let offset = from; offset < to; offset += step)
    if (agree(items, item => holds(item, offset))) found.push(offset)
  return found
}
