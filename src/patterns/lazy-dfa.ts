/**
 * A deterministic automaton that is built while it runs: a state is made when the bytes first lead there. The table is
 * one typed array; a state is the offset of its row, so a step is one addition and two loads. When there are too many
 * states all are forgotten and the building starts again: memory is bounded whatever the pattern and the bytes.
 */

/** The transition is not known yet: call `fill`. */
export const UNKNOWN = -0x8000_0000

/** The row of the empty set. For an anchored automaton: dead, no match can come any more. */
export const EMPTY_ROW = 0

/** Where a step leads: `ids` ascending and distinct. */
export interface Step {
  readonly ids: readonly number[]
  /** What else tells states apart. */
  readonly tag: number
  /** Something was accepted. */
  readonly match: boolean
}

/** Computes the step from a set of states of the graph by a byte class. */
export type Stepper = (ids: readonly number[], tag: number, byteClass: number) => Step

export interface DfaLimits {
  readonly maxCells: number
  readonly maxIds: number
}

const DEFAULT_LIMITS: DfaLimits = { maxCells: 1 << 20, maxIds: 1 << 20 }
const FIRST_STATES = 8
/** A state for each of four streams, the one they are about to enter and the empty one must fit at once. */
const FEWEST_STATES = 8

export class LazyDfa {
  /** Rows of entries: a row, or `~row` when the step accepts, or `UNKNOWN`. */
  table: Int32Array
  /** Counts how often everything was forgotten; rows of an earlier epoch mean nothing. */
  epoch = 0
  /** Length of a row: a power of two. */
  readonly stride: number
  readonly #step: Stepper
  readonly #maxStates: number
  readonly #maxIds: number
  #sets: (readonly number[])[] = []
  #tags: number[] = []
  #rows = new Map<string, number>()
  #idCount = 0

  constructor(classes: number, step: Stepper, limits: DfaLimits = DEFAULT_LIMITS) {
    this.stride = Math.max(4, 2 ** Math.ceil(Math.log2(classes)))
    this.#step = step
    this.#maxStates = Math.max(FEWEST_STATES, Math.floor(limits.maxCells / this.stride))
    this.#maxIds = limits.maxIds
    this.table = new Int32Array(this.stride * FIRST_STATES).fill(UNKNOWN)
    this.row([], 0)
  }

  /** The row of a set of states; makes it when needed, which may start a new epoch. */
  row(ids: readonly number[], tag: number): number {
    if (ids.length === 0) {
      if (this.#sets.length === 0) this.#add([], 0)
      return EMPTY_ROW
    }
    const key = `${tag}:${ids.join()}`
    const known = this.#rows.get(key)
    if (known !== undefined) return known
    if (this.#sets.length >= this.#maxStates || this.#idCount > this.#maxIds) this.#forget()
    const row = this.#add(ids, tag)
    this.#rows.set(key, row)
    return row
  }

  /** The set of states that a row stands for. */
  idsOf(row: number): readonly number[] {
    return this.#sets[row / this.stride] ?? []
  }

  tagOf(row: number): number {
    return this.#tags[row / this.stride] ?? 0
  }

  /** Computes an unknown entry. Where that starts a new epoch, the entry returned is of the new one. */
  fill(row: number, byteClass: number): number {
    const { ids, tag, match } = this.#step(this.idsOf(row), this.tagOf(row), byteClass)
    const { epoch } = this
    const target = this.row(ids, tag)
    const entry = match ? ~target : target
    if (epoch === this.epoch) this.table[row + byteClass] = entry
    return entry
  }

  #add(ids: readonly number[], tag: number): number {
    const row = this.#sets.length * this.stride
    if (row + this.stride > this.table.length) {
      const larger = new Int32Array(this.table.length * 2).fill(UNKNOWN, this.table.length)
      larger.set(this.table)
      this.table = larger
    }
    this.#sets.push(ids)
    this.#tags.push(tag)
    this.#idCount += ids.length
    return row
  }

  #forget(): void {
    this.epoch++
    this.#sets = []
    this.#tags = []
    this.#rows = new Map()
    this.#idCount = 0
    this.table.fill(UNKNOWN)
    this.#add([], 0)
  }
}
