/** Puts the matches of one block in ascending order of address before they are written. */
import type { MatchSink } from '../src/scan/scanner.js'

export class BlockSorter implements MatchSink {
  readonly #sink: MatchSink
  #pattern: number[] = []
  #offset: number[] = []
  #length: number[] = []

  constructor(sink: MatchSink) {
    this.#sink = sink
  }

  match(pattern: number, offset: number, length: number): void {
    this.#pattern.push(pattern)
    this.#offset.push(offset)
    this.#length.push(length)
  }

  stringMatch(part: number, offset: number, length: number): void {
    this.#sink.stringMatch(part, offset, length)
  }

  isFull(part: number): boolean {
    return this.#sink.isFull?.(part) === true
  }

  /** Hands the block's matches on: by address, then in the order in which they were found. */
  flush(): void {
    const order = Uint32Array.from(this.#offset.keys())
    order.sort((a, b) => (this.#offset[a] as number) - (this.#offset[b] as number) || a - b)
    for (const at of order) {
      const offset = this.#offset[at] as number
      const length = this.#length[at] as number
      this.#sink.match(this.#pattern[at] as number, offset, length)
    }
    this.#pattern = []
    this.#offset = []
    this.#length = []
  }
}
