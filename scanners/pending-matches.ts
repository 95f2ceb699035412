/** Matches of one window of which several may stand at one place: only one of them is told. */
import type { MatchSink } from '../src/scan/scanner.js'

const FIRST_CAPACITY = 1 << 10
const NONE = -1

export class PendingMatches {
  #count = 0
  #part = new Uint32Array(FIRST_CAPACITY)
  #start = new Uint32Array(FIRST_CAPACITY)
  #length = new Uint32Array(FIRST_CAPACITY)
  #order = new Uint32Array(FIRST_CAPACITY)
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
    const start = this.#start
    const order = this.#order
    const list: number[] = []
    for (let at = this.#first[part] as number; at !== NONE; at = this.#next[at] as number) list.push(at)
    list.sort(
      (a, b) =>
        (start[a] as number) - (start[b] as number) || (order[a] as number) - (order[b] as number) || a - b,
    )
    for (let i = 0; i < list.length; ) {
      const place = start[list[i] as number] as number
      let end = i + 1
      while (end < list.length && start[list[end] as number] === place) end++
      const chosen = list[this.#lastCounts(part) ? end - 1 : i] as number
      sink.stringMatch(part, place, this.#length[chosen] as number)
      i = end
    }
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
    this.#order = larger(this.#order)
  }
}
