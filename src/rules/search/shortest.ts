/** Hex strings without alternatives: sets and jumps in a row. All ways at once, as a list of positions (libyara's `yr_re_fast_exec`). */
import { setHas, setMembers } from '../../patterns/byte-set.js'
import type { ByteSet } from '../../patterns/node.js'
import { type Arrived, type Haystack, type Machine, SCAN_LIMIT } from './fibers.js'
import { PositionList } from './positions.js'

/** One byte of a set, or a jump over `min` to `max` bytes. */
export type RowStep =
  | { readonly set: ByteSet; readonly min?: undefined }
  | { readonly set?: undefined; readonly min: number; readonly max: number }

/** One run is over before the next begins. */
const LIST = new PositionList()

/** By byte: 1 where it belongs to a set. */
type Members = Uint8Array

/** Steps in the order in which they are taken. */
export class RowMachine implements Machine {
  readonly work = 0
  /** Positions. */
  went = 0
  /** What stands before the first jump: most places fail here, and no positions need be kept. */
  readonly #head: readonly Members[]
  readonly #rest: readonly (Members | { readonly min: number; readonly max: number })[]
  readonly #backward: boolean
  /** Several jumps: with one the list is in order. */
  readonly #listed: boolean
  /** By step of `#rest`: the one byte that it takes, or -1. */
  readonly #literals: readonly number[]

  constructor(steps: readonly RowStep[], backward: boolean) {
    const all = steps.map(step => (step.set === undefined ? step : membersOf(step.set)))
    const jump = all.findIndex(step => !(step instanceof Uint8Array))
    const split = jump < 0 ? all.length : jump
    this.#head = all.slice(0, split) as Members[]
    this.#rest = all.slice(split)
    this.#backward = backward
    const jumps = this.#rest.filter(step => !(step instanceof Uint8Array) && step.max > step.min)
    this.#listed = jumps.length > 1
    this.#literals = steps.slice(split).map(literalOf)
  }

  /** Tells the length of every match before `at`; forward, of the shortest one from `at` on. */
  run(hay: Haystack, at: number, _size: number, arrived?: Arrived): number {
    const { bytes } = hay
    const most = Math.min(SCAN_LIMIT, this.#backward ? at - hay.low : hay.high - at)
    const head = this.#head
    this.went = 0
    if (head.length > most) return -1
    const step = this.#backward ? -1 : 1
    let position = this.#backward ? at - 1 : at
    for (let i = 0; i < head.length; i++) {
      if ((head[i] as Members)[bytes[position] as number] === 0) {
        this.went = i
        return -1
      }
      position += step
    }
    this.went = head.length
    if (this.#rest.length > 0) {
      const last = this.#listed ? this.#runList(bytes, at, head.length, most, arrived) : undefined
      return last ?? this.#runRest(bytes, at, head.length, most, arrived)
    }
    if (arrived !== undefined) arrived(head.length)
    return head.length
  }

  /** As libyara's list goes; undefined: that is too long a way, nothing was told. */
  #runList(
    bytes: Uint8Array,
    at: number,
    from: number,
    most: number,
    arrived: Arrived | undefined,
  ): number | undefined {
    const backward = this.#backward
    const run = { bytes, at: backward ? at - 1 : at, most, backward }
    LIST.begin(from)
    let left: boolean | undefined = true
    for (let i = 0; i < this.#rest.length && left === true; i++) {
      const each = this.#rest[i] as Members | { readonly min: number; readonly max: number }
      left =
        each instanceof Uint8Array
          ? LIST.step(run, each)
          : LIST.jump(run, each.min, each.max, this.#literals[i + 1] ?? -1)
    }
    this.went += LIST.went
    if (left !== true) return left === false ? -1 : undefined
    const lengths = backward ? LIST.told().filter(length => length <= most) : LIST.told().slice(0, 1)
    if (arrived !== undefined) for (const length of lengths) arrived(length)
    return lengths.at(-1) ?? -1
  }

  #runRest(bytes: Uint8Array, at: number, from: number, most: number, arrived: Arrived | undefined): number {
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
      this.went += lengths.length
      if (lengths.length === 0) return -1
    }
    if (!this.#backward) lengths = lengths.slice(0, 1)
    if (arrived !== undefined) for (const length of lengths) arrived(length)
    return lengths.at(-1) ?? -1
  }
}

function literalOf({ set }: RowStep): number {
  if (set === undefined) return -1
  const members = setMembers(set)
  return members.length === 1 ? (members[0] as number) : -1
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
