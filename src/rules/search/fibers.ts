/**
 * Runs code as libyara's `yr_re_exec` does: fibers in order of preference, all a byte at a time; one that arrives ends those that
 * are less preferred. Sets of fibers are states of an automaton that is built while it runs, so that most steps are one look-up.
 */
import { byteClasses } from '../../patterns/byte-classes.js'
import { isWord, setHas } from '../../patterns/byte-set.js'
import {
  ASSERT,
  type Code,
  type Instruction,
  JUMP,
  MATCH,
  REPEAT_ANY,
  REPEAT_END,
  REPEAT_START,
  SET,
  SPLIT,
} from './code.js'

/** Bytes that libyara goes from an atom, in either direction. */
export const SCAN_LIMIT = 4096
/** Fibers at once; libyara gives the whole scan up beyond 1024. */
const MAX_FIBERS = 4096
/** States that are remembered, and fibers in all of them. */
const MAX_STATES = 4096
const MAX_KEPT = 1 << 18
const UNKNOWN = -1
const DEAD = 0

interface Fiber {
  readonly at: number
  /** Bytes that a jump has behind it, or -1. */
  readonly jumped: number
  /** Counts of the loops around it, innermost last. */
  readonly counts: readonly number[]
}

interface State {
  readonly fibers: readonly Fiber[]
  /** Some fiber arrives. */
  readonly matches: boolean
  readonly next: Int32Array
}

/** What a run may look at: `bytes` from `low` to `high`, which are the ends of what there is, or far enough away. */
export interface Haystack {
  readonly bytes: Uint8Array
  readonly low: number
  readonly high: number
}

/** Takes the lengths of matches. */
export type Arrived = (length: number) => void

/** Code from one place on. */
export class FiberMachine {
  readonly #code: Code
  readonly #entry: number
  readonly #backward: boolean
  readonly #classOf: Uint8Array
  readonly #example: readonly number[]
  #states: State[] = []
  #index = new Map<string, number>()
  #kept = 0
  #first = UNKNOWN

  constructor(code: Code, entry: number, backward: boolean) {
    this.#code = code
    this.#entry = entry
    this.#backward = backward
    const { classOf, example } = byteClasses(code.sets)
    this.#classOf = classOf
    this.#example = example
  }

  /**
   * Tells the length of every match before `at`; forward, of those from `at` on that are preferred, ever more so: the last one counts.
   * `size`: bytes a character.
   */
  run(hay: Haystack, at: number, size: number, arrived: Arrived): void {
    const room = Math.min(SCAN_LIMIT, this.#backward ? at - hay.low : hay.high - at)
    const most = room - (room % size)
    if (this.#code.looksAround) this.#runAround(hay, at, size, most, arrived)
    else this.#runPlain(hay.bytes, at, size, most, arrived)
  }

  #runPlain(bytes: Uint8Array, at: number, size: number, most: number, arrived: Arrived): void {
    if (this.#kept > MAX_KEPT || this.#states.length > MAX_STATES) this.#forget()
    if (this.#first === UNKNOWN)
      this.#first = this.#stateOf(this.#sync({ at: this.#entry, jumped: -1, counts: [] }))
    const step = this.#backward ? -size : size
    let state = this.#first
    let position = this.#backward ? at - size : at
    for (let length = 0; ; length += size) {
      const { matches, next } = this.#states[state] as State
      if (matches) arrived(length)
      if (state === DEAD || length >= most) return
      if (size === 2 && bytes[position + 1] !== 0) return
      const byteClass = this.#classOf[bytes[position] as number] as number
      let target = next[byteClass] as number
      if (target === UNKNOWN) {
        target = this.#stateOf(this.#step(state, byteClass))
        next[byteClass] = target
      }
      state = target
      position += step
      if (state === DEAD) return
    }
  }

  #forget(): void {
    this.#states = []
    this.#index = new Map()
    this.#kept = 0
    this.#first = UNKNOWN
  }

  /** Index of the state of these fibers, equal ones dropped; 0 is the state without any. */
  #stateOf(list: readonly Fiber[]): number {
    if (this.#states.length === 0) this.#add([], false, '')
    const fibers = distinct(list)
    const key = fibers.map(keyOf).join(' ')
    const known = this.#index.get(key)
    if (known !== undefined) return known
    const arrival = fibers.findIndex(({ at }) => this.#at(at).op === MATCH)
    // those that are less preferred than one that arrives end with it
    const alive = !this.#backward && arrival >= 0 ? fibers.slice(0, arrival + 1) : fibers
    return this.#add(alive, arrival >= 0, key)
  }

  #add(fibers: readonly Fiber[], matches: boolean, key: string): number {
    const index = this.#states.push({
      fibers,
      matches,
      next: new Int32Array(this.#example.length).fill(UNKNOWN),
    })
    this.#index.set(key, index - 1)
    this.#kept += fibers.length + 8
    return index - 1
  }

  #step(state: number, byteClass: number): Fiber[] {
    const eaten = this.#example[byteClass] as number
    const after: Fiber[] = []
    for (const fiber of (this.#states[state] as State).fibers) {
      const instruction = this.#at(fiber.at)
      if (instruction.op === MATCH) {
        if (!this.#backward) break
        continue
      }
      if (!this.#eats(instruction, eaten)) continue
      this.#advance(fiber, instruction, after)
      if (after.length > MAX_FIBERS) break
    }
    return after
  }

  #at(index: number): Instruction {
    return this.#code.instructions[index] as Instruction
  }

  #eats(instruction: Instruction, byte: number): boolean {
    return setHas(this.#code.sets[instruction.index] ?? [], byte)
  }

  #advance(fiber: Fiber, instruction: Instruction, after: Fiber[]): void {
    const moved = instruction.op === SET ? { ...fiber, at: fiber.at + 1 } : fiber
    for (const each of this.#sync(moved)) after.push(each)
  }

  /** Code that looks around a match: the same, step by step. */
  #runAround({ bytes, low, high }: Haystack, at: number, size: number, most: number, arrived: Arrived): void {
    const step = this.#backward ? -size : size
    let position = this.#backward ? at - size : at
    let fibers = distinct(this.#sync({ at: this.#entry, jumped: -1, counts: [] }))
    const isWordAt = (where: number): boolean =>
      isWord(bytes[where] ?? 0) && (size === 1 || bytes[where + 1] === 0)
    const holds = ({ assertion }: Instruction, length: number): boolean => {
      if (assertion === 'start') return this.#backward ? at - low <= length : at - low === 0 && length === 0
      if (assertion === 'end') return !this.#backward && high - at <= length
      const edge = (length === 0 && at - low < size) || length >= most
      const boundary = edge || isWordAt(position) !== isWordAt(position - step)
      return assertion === 'word-boundary' ? boundary : !boundary
    }
    for (let length = 0; fibers.length > 0; length += size) {
      const after: Fiber[] = []
      const room = length < most && (size === 1 || bytes[position + 1] === 0)
      const queue = fibers.slice()
      for (let i = 0; i < queue.length && after.length <= MAX_FIBERS; i++) {
        const fiber = queue[i] as Fiber
        const instruction = this.#at(fiber.at)
        if (instruction.op === MATCH) {
          arrived(length)
          if (!this.#backward) break
        } else if (instruction.op === ASSERT) {
          if (holds(instruction, length) && queue.length <= MAX_FIBERS)
            queue.splice(i + 1, 0, ...this.#sync({ ...fiber, at: fiber.at + 1 }))
        } else if (room && this.#eats(instruction, bytes[position] as number))
          this.#advance(fiber, instruction, after)
      }
      fibers = distinct(after)
      position += step
    }
  }

  /** Follows a fiber to where it eats, asserts or arrives; in order of preference. */
  #sync(start: Fiber): Fiber[] {
    const splits = new Set<number>()
    const list: Fiber[] = [start]
    for (let i = 0; i < list.length && list.length <= MAX_FIBERS; ) {
      const fiber = list[i] as Fiber
      const { at, jumped, counts } = fiber
      const instruction = this.#at(at)
      const { op, min, max, greedy, target } = instruction
      switch (op) {
        case JUMP:
          list[i] = { ...fiber, at: target }
          break
        case SPLIT:
          // a choice is made once a step: what comes back to it ends
          if (splits.has(instruction.index)) list.splice(i, 1)
          else {
            splits.add(instruction.index)
            const on = { ...fiber, at: at + 1 }
            const away = { ...fiber, at: target }
            list.splice(i, 1, ...(greedy ? [on, away] : [away, on]))
          }
          break
        case REPEAT_START: {
          const into = { ...fiber, at: at + 1, counts: [...counts, 0] }
          const past = { ...fiber, at: target }
          list.splice(i, 1, ...(min > 0 ? [into] : greedy ? [into, past] : [past, into]))
          break
        }
        case REPEAT_END: {
          const count = (counts.at(-1) ?? 0) + 1
          const again = { ...fiber, at: target, counts: [...counts.slice(0, -1), count] }
          const past = { ...fiber, at: at + 1, counts: counts.slice(0, -1) }
          if (count < min) list[i] = again
          else if (count < max) list.splice(i, 1, ...(greedy ? [again, past] : [past, again]))
          else list[i] = past
          break
        }
        case REPEAT_ANY: {
          const done = Math.max(jumped, 0)
          const past = { ...fiber, at: at + 1, jumped: -1 }
          const more = { ...fiber, jumped: done + 1 }
          if (done < min) list[i++] = more
          else if (done < max) {
            const others = this.#sync(past)
            list.splice(i, 1, ...(greedy ? [more, ...others] : [...others, more]))
            i += others.length + 1
          } else list[i] = past
          break
        }
        default:
          i++
      }
    }
    return list
  }
}

function keyOf({ at, jumped, counts }: Fiber): string {
  return counts.length === 0 ? (jumped < 0 ? `${at}` : `${at}:${jumped}`) : `${at}:${jumped}:${counts.join()}`
}

function distinct(fibers: readonly Fiber[]): readonly Fiber[] {
  if (fibers.length < 2) return fibers
  const seen = new Set<string>()
  return fibers.filter(fiber => {
    const key = keyOf(fiber)
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}
