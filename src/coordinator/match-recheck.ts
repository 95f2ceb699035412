/** Reads the matches of a scan of running memory again at its end. */
import type { PhysicalMemory } from '../core/memory.js'
import type { MatchEvent } from '../scan/events.js'

/** Matches that wait for the end; past these the oldest are read again and told early, so that memory stays bounded. */
const MAX_HELD = 1 << 18
const PAGE_BYTES = 4096

export class MatchRecheck {
  readonly #memory: PhysicalMemory
  #held: MatchEvent[] = []
  #next = 0

  constructor(memory: PhysicalMemory) {
    this.#memory = memory
  }

  /** Keeps a match; returns one that has waited longest when there are too many. */
  hold(match: MatchEvent): MatchEvent | undefined {
    this.#held.push(match)
    if (this.#held.length - this.#next <= MAX_HELD) return undefined
    const oldest = this.#held[this.#next++] as MatchEvent
    if (this.#next > MAX_HELD) {
      this.#held = this.#held.slice(this.#next)
      this.#next = 0
    }
    return this.#checked(oldest)
  }

  /** All that are kept, read again. */
  *rest(): Generator<MatchEvent> {
    for (; this.#next < this.#held.length; this.#next++)
      yield this.#checked(this.#held[this.#next] as MatchEvent)
    this.#held = []
    this.#next = 0
  }

  #checked(match: MatchEvent): MatchEvent {
    return { ...match, stable: match.gpa !== undefined && this.#stands(match) }
  }

  /** Whether what is kept of the match still stands there. In a virtual space only its first page is known. */
  #stands({ gpa, va, data }: MatchEvent & { readonly gpa: number }): boolean {
    const length = va === undefined ? data.length : Math.min(data.length, PAGE_BYTES - (gpa % PAGE_BYTES))
    const { bytes } = this.#memory.window(gpa, length)
    return bytes.length === length && bytes.every((byte, index) => byte === data[index])
  }
}
