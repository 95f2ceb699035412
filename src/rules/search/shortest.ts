/** Hex strings without alternatives: sets and jumps in a row. All ways at once, as a set of positions (libyara's `yr_re_fast_exec`). */
import { setHas } from '../../patterns/byte-set.js'
import type { ByteSet } from '../../patterns/node.js'
import { type Arrived, type Haystack, SCAN_LIMIT } from './fibers.js'

/** One byte of a set, or a jump over `min` to `max` bytes. */
export type RowStep =
  | { readonly set: ByteSet; readonly min?: undefined }
  | { readonly set?: undefined; readonly min: number; readonly max: number }

/** By byte: 1 where it belongs to a set. */
type Members = Uint8Array

/** Steps in the order in which they are taken. */
export class RowMachine {
  /** What stands before the first jump: most places fail here, and no positions need be kept. */
  readonly #head: readonly Members[]
  readonly #rest: readonly (Members | { readonly min: number; readonly max: number })[]
  readonly #backward: boolean

  constructor(steps: readonly RowStep[], backward: boolean) {
    const all = steps.map(step => (step.set === undefined ? step : membersOf(step.set)))
    const jump = all.findIndex(step => !(step instanceof Uint8Array))
    const split = jump < 0 ? all.length : jump
    this.#head = all.slice(0, split) as Members[]
    this.#rest = all.slice(split)
    this.#backward = backward
  }

  /** Tells the length of every match before `at`; forward, of the shortest one from `at` on. Returns how many positions it went. */
  run(hay: Haystack, at: number, arrived: Arrived): number {
    const { bytes } = hay
    const most = Math.min(SCAN_LIMIT, this.#backward ? at - hay.low : hay.high - at)
    const head = this.#head
    if (head.length > most) return 0
    const step = this.#backward ? -1 : 1
    let position = this.#backward ? at - 1 : at
    for (let i = 0; i < head.length; i++) {
      if ((head[i] as Members)[bytes[position] as number] === 0) return i
      position += step
    }
    if (this.#rest.length > 0) return this.#runRest(bytes, at, head.length, most, arrived)
    arrived(head.length)
    return head.length
  }

  #runRest(bytes: Uint8Array, at: number, from: number, most: number, arrived: Arrived): number {
    let went = from
    let lengths: readonly number[] = [from]
    const origin = this.#backward ? at - 1 : at
    const step = this.#backward ? -1 : 1
    for (const each of this.#rest) {
      if (each instanceof Uint8Array) {
        const after: number[] = []
        for (const length of lengths)
          if (length < most && each[bytes[origin + step * length] as number] === 1) after.push(length + 1)
        lengths = after
      } else lengths = jumped(lengths, each.min, each.max, most)
      went += lengths.length
      if (lengths.length === 0) return went
    }
    if (!this.#backward) arrived(lengths[0] as number)
    else for (const length of lengths) arrived(length)
    return went
  }
}

const MEMBERS = new WeakMap<ByteSet, Members>()

function membersOf(set: ByteSet): Members {
  let members = MEMBERS.get(set)
  if (members === undefined) {
    members = Uint8Array.from({ length: 256 }, (_, byte) => (setHas(set, byte) ? 1 : 0))
    MEMBERS.set(set, members)
  }
  return members
}

/** Every place that a jump leads to, below `most`; ascending and distinct, as `lengths` are. */
function jumped(lengths: readonly number[], min: number, max: number, most: number): number[] {
  const after: number[] = []
  let told = -1
  for (const length of lengths) {
    if (length >= most) break
    for (let to = Math.max(length + min, told + 1); to <= length + max && to < most; to++) {
      after.push(to)
      told = to
    }
  }
  return after
}
