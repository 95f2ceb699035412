/** Matches of one window of which several may stand at one place: only one of them is told. */
import type { MatchSink } from '../src/scan/scanner.js'

const FIRST_CAPACITY = 1 << 10
/** Matches that are held before those that do not count are dropped: one place may come up thousands of times. */
const FIRST_LIMIT = 1 << 20
/** Of one part; one more than the coordinator keeps of a string, so that it knows. */
const MOST_OF_PART = 1_000_001
const NONE = -1

export class PendingMatches {
  #count = 0
  #limit = FIRST_LIMIT
  #part = new Uint32Array(FIRST_CAPACITY)
  #start = new Uint32Array(FIRST_CAPACITY)
  #length = new Uint32Array(FIRST_CAPACITY)
  #order = new Float64Array(FIRST_CAPACITY)
  /** Lists of matches by part, and the parts that have some. */
  readonly #first: Int32Array
  readonly #last: Int32Array
  #next = new Int32Array(0)
  readonly #touched: number[] = []
  readonly #lastCounts: (part: number) => boolean

  /** `lastCounts`: of the matches at one place it is the one with the highest order, else the one with the lowest. */
  constructor(parts: number, lastCounts: (part: number) => boolean) {
    this.#lastCounts = lastCounts
    this.#first = new Int32Array(parts).fill(NONE)
    this.#last = new Int32Array(parts)
  }

  push(part: number, start: number, length: number, order: number): void {
    if (this.#count === this.#limit) this.#drop()
    if (this.#count === this.#part.length) this.#grow()
    const at = this.#count++
    this.#part[at] = part
    this.#start[at] = start
    this.#length[at] = length
    this.#order[at] = order
  }

  /** Tells what counts, part by part, each in ascending order, and forgets all. */
  flush(sink: MatchSink): void {
    if (this.#count === 0) return
    this.#thread()
    for (const part of this.#touched) {
      this.#flushPart(part, sink)
      this.#first[part] = NONE
    }
    this.#touched.length = 0
    this.#count = 0
    this.#limit = FIRST_LIMIT
  }

  /** Keeps what would be told now; what comes later is compared with it. */
  #drop(): void {
    const kept: number[] = []
    this.#thread()
    for (const part of this.#touched) {
      for (const at of this.#countingOnes(part)) kept.push(at)
      this.#first[part] = NONE
    }
    this.#touched.length = 0
    kept.sort((a, b) => a - b)
    for (const [to, from] of kept.entries()) {
      this.#part[to] = this.#part[from] as number
      this.#start[to] = this.#start[from] as number
      this.#length[to] = this.#length[from] as number
      this.#order[to] = this.#order[from] as number
    }
    this.#count = kept.length
    this.#limit = Math.max(FIRST_LIMIT, kept.length * 2)
  }

  /** Puts the matches of each part on a list of its own. */
  #thread(): void {
    if (this.#next.length < this.#count) this.#next = new Int32Array(this.#part.length)
    for (let at = 0; at < this.#count; at++) {
      const part = this.#part[at] as number
      this.#next[at] = NONE
      if (this.#first[part] === NONE) {
        this.#first[part] = at
        this.#touched.push(part)
      } else this.#next[this.#last[part] as number] = at
      this.#last[part] = at
    }
  }

  #flushPart(part: number, sink: MatchSink): void {
    const start = this.#start
    const first = this.#first[part] as number
    let before = -1
    let ascending = true
    for (let at = first; at !== NONE && ascending; at = this.#next[at] as number) {
      ascending = (start[at] as number) > before
      before = start[at] as number
    }
    if (!ascending) {
      this.#flushSorted(part, sink)
      return
    }
    for (let at = first; at !== NONE; at = this.#next[at] as number)
      sink.stringMatch(part, start[at] as number, this.#length[at] as number)
  }

  #flushSorted(part: number, sink: MatchSink): void {
    for (const at of this.#countingOnes(part))
      sink.stringMatch(part, this.#start[at] as number, this.#length[at] as number)
  }

  /** Of the matches of a part the one that counts at each place, in ascending order. */
  #countingOnes(part: number): number[] {
    const start = this.#start
    const order = this.#order
    const list: number[] = []
    for (let at = this.#first[part] as number; at !== NONE; at = this.#next[at] as number) list.push(at)
    list.sort(
      (a, b) =>
        (start[a] as number) - (start[b] as number) || (order[a] as number) - (order[b] as number) || a - b,
    )
    const counting: number[] = []
    for (let i = 0; i < list.length && counting.length < MOST_OF_PART; ) {
      const place = start[list[i] as number] as number
      let end = i + 1
      while (end < list.length && start[list[end] as number] === place) end++
      counting.push(list[this.#lastCounts(part) ? end - 1 : i] as number)
      i = end
    }
    return counting
  }

  #grow(): void {
    const larger = (column: Uint32Array): Uint32Array<ArrayBuffer> => {
      const grown = new Uint32Array(column.length * 2)
      grown.set(column)
      return grown
    }
    this.#part = larger(this.#part)
    this.#start = larger(this.#start)
    this.#length = larger(this.#length)
    const order = new Float64Array(this.#order.length * 2)
    order.set(this.#order)
    this.#order = order
  }
}
