/** Matches of one window, as growing columns. */
import type { MatchSink } from '../src/scan/scanner.js'

const FIRST_CAPACITY = 1 << 10

/** Collects matches and hands them on in ascending order of start. Reused from window to window. */
export class MatchColumns {
  count = 0
  #patterns = new Uint32Array(FIRST_CAPACITY)
  #starts = new Uint32Array(FIRST_CAPACITY)
  #lengths = new Uint32Array(FIRST_CAPACITY)
  #ascending = true

  push(pattern: number, start: number, length: number): void {
    const at = this.count
    if (at === this.#starts.length) this.#grow()
    if (at > 0 && start < (this.#starts[at - 1] ?? 0)) this.#ascending = false
    this.#patterns[at] = pattern
    this.#starts[at] = start
    this.#lengths[at] = length
    this.count = at + 1
  }

  /** Hands all matches to `sink`, by start and then in the order they came, and forgets them. */
  flush(sink: MatchSink): void {
    const { count } = this
    if (this.#ascending) for (let i = 0; i < count; i++) this.#emit(sink, i)
    else {
      // start × count + index: sorted as plain numbers, which is many times faster than with a comparison.
      const keys = new Float64Array(count)
      for (let i = 0; i < count; i++) keys[i] = (this.#starts[i] ?? 0) * count + i
      keys.sort()
      for (const key of keys) this.#emit(sink, key % count)
    }
    this.count = 0
    this.#ascending = true
  }

  #emit(sink: MatchSink, at: number): void {
    sink.match(this.#patterns[at] ?? 0, this.#starts[at] ?? 0, this.#lengths[at] ?? 0)
  }

  #grow(): void {
    this.#patterns = doubled(this.#patterns)
    this.#starts = doubled(this.#starts)
    this.#lengths = doubled(this.#lengths)
  }
}

/** A copy of twice the length. */
export function doubled(column: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(column.length * 2)
  larger.set(column)
  return larger
}
