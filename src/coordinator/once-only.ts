/**
 * Tells a match once that may come up at two addresses of the kernel: in place, at its address in the direct map, and at a joint of
 * another mapping, where it should be told if it is there too. Joints come last, so the first kind waits for them.
 */
import type { MatchEvent } from '../scan/events.js'
import type { Ambiguity } from '../space/placement.js'

/** Matches that wait, and those that were told, at most; past that a match may be told twice. */
const MAX_KEPT = 1 << 20

export class OnceOnly {
  readonly #waiting = new Map<string, MatchEvent>()
  readonly #told = new Set<string>()

  /** Whether to tell the match now. */
  admits(match: MatchEvent, { key, waits }: Ambiguity): boolean {
    if (waits) {
      if (this.#waiting.size >= MAX_KEPT) return true
      this.#waiting.set(key, match)
      return false
    }
    this.#waiting.delete(key)
    if (this.#told.has(key)) return false
    if (this.#told.size < MAX_KEPT) this.#told.add(key)
    return true
  }

  /** Those that turned up nowhere else. */
  *rest(): Generator<MatchEvent> {
    yield* this.#waiting.values()
    this.#waiting.clear()
  }
}
