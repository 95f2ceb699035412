/**
 * Runs code as libyara's `yr_re_exec` does: fibers in order of preference, all a byte at a time; one that arrives ends those that
 * are less preferred. Sets of fibers are states of an automaton that is built while it runs, so that most steps are one look-up.
 */
import { byteClasses } from '../../patterns/byte-classes.js'
import { isWord, setHas, setOf } from '../../patterns/byte-set.js'
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
/** Fibers at once: what needs more is given up, as is what needs too much `work`; libyara gives up the whole scan. */
const MAX_FIBERS = 1024
/** Steps of fibers, to make states, in one thread: some seconds. */
export const MAX_WORK = 1 << 21
/** States that are remembered, and fibers in all of them. One run may make a state at each byte, and the next shall find them. */
const MAX_STATES = 3 * SCAN_LIMIT
const MAX_KEPT = 1 << 18
/** The same of all machines of a thread: some 600 MB. */
const MAX_KEPT_BY_ALL = 1 << 22
const UNKNOWN = -1
const DEAD = 0
/** What `\b` looks at. */
const WORDS = setOf(Array.from({ length: 256 }, (_, byte) => byte).filter(isWord))

interface Fiber {
  readonly at: number
  /** Bytes that a jump has behind it, or -1. */
  readonly jumped: number
  /** Counts of the loops around it, innermost last. */
  readonly counts: readonly number[]
}

/** What stands on the near side of a place that an assertion asks about. */
type Before = 'word' | 'other' | 'edge' | 'start'

interface State {
  readonly fibers: readonly Fiber[]
  readonly before: Before
}

/** What a run may look at: `bytes` from `low` to `high`, which are the ends of what there is, or far enough away. */
export interface Haystack {
  readonly bytes: Uint8Array
  readonly low: number
  readonly high: number
}

/** Takes the lengths of matches. */
export type Arrived = (length: number) => void

/** What runs over bytes in one direction. */
export interface Machine {
  /** Steps that were taken to make it ready; above `MAX_WORK` nothing is told any more. */
  readonly work: number
  /** Bytes that the last run went. */
  readonly went: number
  /**
   * Tells the length of every match before `at`; forward, of those from `at` on that are preferred, ever more so. `size`: bytes a character.
   * Returns the last one, -1 when there is none.
   */
  run(hay: Haystack, at: number, size: number, arrived?: Arrived): number
}

/** What comes next, besides a byte of a class: these follow the classes. */
const BLOCKED = 0
const LIMIT = 1
const END = 2
const OTHERS = 3

/** What the machines of one thread remember, all together: there may be thousands, each of which would have its fill. */
export class KeptStates {
  readonly #machines: FiberMachine[] = []
  readonly #most: number
  #kept = 0

  /** `most` is for tests to lower. */
  constructor(most = MAX_KEPT_BY_ALL) {
    this.#most = most
  }

  get kept(): number {
    return this.#kept
  }

  join(machine: FiberMachine): void {
    this.#machines.push(machine)
  }

  count(kept: number): void {
    this.#kept += kept
  }

  /** Where it is too much all of it is forgotten. No machine may be running. */
  bound(): void {
    if (this.#kept > this.#most) for (const machine of this.#machines) machine.forget()
  }
}

/** Code from one place on. */
export class FiberMachine implements Machine {
  readonly #code: Code
  readonly #entry: number
  readonly #backward: boolean
  readonly #classOf: Uint8Array
  readonly #example: readonly number[]
  readonly #classes: number
  /** What can come next: a class, or one of the others. */
  readonly #symbols: number
  #states: State[] = []
  /** By state and by what comes next: twice the state behind it, plus 1 where some fiber arrives before it; or `UNKNOWN`. */
  #table = new Int32Array(0)
  #index = new Map<string, number>()
  #kept = 0
  readonly #keptByAll: KeptStates
  #first = new Map<Before, number>()
  /** Steps of fibers so far. */
  work = 0
  went = 0

  constructor(code: Code, entry: number, backward: boolean, keptByAll: KeptStates) {
    this.#keptByAll = keptByAll
    keptByAll.join(this)
    this.#code = code
    this.#entry = entry
    this.#backward = backward
    const { classOf, example } = byteClasses(code.looksAround ? [...code.sets, WORDS] : code.sets)
    this.#classOf = classOf
    this.#example = example
    this.#classes = example.length
    this.#symbols = example.length + OTHERS
  }

  run(hay: Haystack, at: number, size: number, arrived?: Arrived): number {
    const { bytes } = hay
    const backward = this.#backward
    const room = backward ? at - hay.low : hay.high - at
    const most = Math.min(SCAN_LIMIT, room) - (Math.min(SCAN_LIMIT, room) % size)
    if (this.#kept > MAX_KEPT || this.#states.length > MAX_STATES) this.forget()
    this.#keptByAll.bound()
    const step = backward ? -size : size
    const classes = this.#classes
    const classOf = this.#classOf
    const symbols = this.#symbols
    let state = this.#firstState(this.#code.looksAround ? this.#before(hay, at, size) : 'other')
    let table = this.#table
    let position = backward ? at - size : at
    let last = -1
    let length = 0
    for (; ; length += size) {
      let symbol: number
      if (length >= most) symbol = classes + (room <= length ? END : LIMIT)
      else if (size === 2 && bytes[position + 1] !== 0) symbol = classes + BLOCKED
      else symbol = classOf[bytes[position] as number] as number
      let entry = table[state * symbols + symbol] as number
      if (entry === UNKNOWN) {
        entry = this.#extend(state, symbol)
        table = this.#table
        if (this.work > MAX_WORK) break
      }
      if ((entry & 1) === 1) {
        last = length
        if (arrived !== undefined) arrived(length)
      }
      state = entry >> 1
      if (state === DEAD) break
      position += step
    }
    this.went = length
    return last
  }

  /** What stands before the first character, seen in the direction of the run. */
  #before({ bytes, low }: Haystack, at: number, size: number): Before {
    if (at === low) return 'start'
    if (at - low < size) return 'edge'
    const where = this.#backward ? at : at - size
    return isWord(bytes[where] ?? 0) && (size === 1 || bytes[where + 1] === 0) ? 'word' : 'other'
  }

  /** Forgets all states; they are made again when they are needed. */
  forget(): void {
    this.#states = []
    this.#table = new Int32Array(0)
    this.#index = new Map()
    this.#keptByAll.count(-this.#kept)
    this.#kept = 0
    this.#first = new Map()
  }

  #firstState(before: Before): number {
    let state = this.#first.get(before)
    if (state === undefined) {
      state = this.#stateOf(this.#sync({ at: this.#entry, jumped: -1, counts: [] }), before)
      this.#first.set(before, state)
    }
    return state
  }

  /** Index of the state of these fibers, equal ones dropped; 0 is the state without any. */
  #stateOf(list: readonly Fiber[], before: Before): number {
    if (this.#states.length === 0) this.#add([], 'other', '')
    const all = distinct(list)
    // those that are less preferred than one that arrives end with it
    const arrival = this.#backward ? -1 : all.findIndex(({ at }) => this.#at(at).op === MATCH)
    const fibers = arrival < 0 ? all : all.slice(0, arrival + 1)
    if (fibers.length === 0) return DEAD
    const key = `${before} ${fibers.map(keyOf).join(' ')}`
    return this.#index.get(key) ?? this.#add(fibers, before, key)
  }

  #add(fibers: readonly Fiber[], before: Before, key: string): number {
    const index = this.#states.push({ fibers, before })
    if (index * this.#symbols > this.#table.length) {
      const larger = new Int32Array(Math.max(8 * this.#symbols, this.#table.length * 2)).fill(UNKNOWN)
      larger.set(this.#table)
      this.#table = larger
    }
    this.#index.set(key, index - 1)
    const kept = fibers.length + 8
    this.#kept += kept
    this.#keptByAll.count(kept)
    return index - 1
  }

  /** Computes what a state does on a symbol, an entry of the table: libyara's step over all fibers, in their order. */
  #extend(index: number, symbol: number): number {
    const state = this.#states[index] as State
    const eaten = symbol < this.#classes ? (this.#example[symbol] as number) : undefined
    const kind = symbol - this.#classes
    const isWordNext = eaten !== undefined && isWord(eaten)
    const isEdge = kind === LIMIT || kind === END || state.before === 'edge' || state.before === 'start'
    const isBoundary = isEdge || isWordNext !== (state.before === 'word')
    const holds = ({ assertion }: Instruction): boolean => {
      if (assertion === 'start') return this.#backward ? kind === END : state.before === 'start'
      if (assertion === 'end') return !this.#backward && kind === END
      return assertion === 'word-boundary' ? isBoundary : !isBoundary
    }
    let arrives = 0
    const after: Fiber[] = []
    const queue = state.fibers.slice()
    for (let i = 0; i < queue.length && this.work <= MAX_WORK; i++) {
      const fiber = queue[i] as Fiber
      const instruction = this.#at(fiber.at)
      if (instruction.op === MATCH) {
        arrives = 1
        if (!this.#backward) break
      } else if (instruction.op === ASSERT) {
        if (holds(instruction)) queue.splice(i + 1, 0, ...this.#sync({ ...fiber, at: fiber.at + 1 }))
      } else if (eaten !== undefined && this.#eats(instruction, eaten))
        this.#advance(fiber, instruction, after)
    }
    this.work += queue.length + after.length
    if (queue.length > MAX_FIBERS || after.length > MAX_FIBERS) this.work = Number.POSITIVE_INFINITY
    const target = this.#stateOf(after, isWordNext && this.#code.looksAround ? 'word' : 'other')
    const entry = target * 2 + arrives
    this.#table[index * this.#symbols + symbol] = entry
    return entry
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

  /** Follows a fiber to where it eats, asserts or arrives; in order of preference. */
  #sync(start: Fiber): Fiber[] {
    const splits = new Set<number>()
    const list: Fiber[] = [start]
    for (let i = 0; i < list.length && this.work <= MAX_WORK; ) {
      if (list.length > MAX_FIBERS) this.work = Number.POSITIVE_INFINITY
      this.work += 1 + (list.length >> 4)
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
