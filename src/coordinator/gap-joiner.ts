/** Joins gaps that touch, wherever partitions cut them apart. */
import type { Gap } from '../core/memory.js'

/** Gaps held back at most; past that they are told as they are. */
const MAX_HELD = 4096

export class GapJoiner {
  #held: Gap[] = []

  /** Takes gaps in any order; returns those that need not wait any longer. */
  add(gaps: readonly Gap[]): Gap[] {
    for (const gap of gaps) this.#held.push(gap)
    if (this.#held.length <= MAX_HELD) return []
    const joined = this.drain()
    if (joined.length > MAX_HELD / 2) return joined
    this.#held = joined
    return []
  }

  /** All that is held, joined and in ascending order. */
  drain(): Gap[] {
    const sorted = this.#held.sort((a, b) => a.gpa - b.gpa)
    this.#held = []
    const joined: Gap[] = []
    for (const gap of sorted) {
      const last = joined.at(-1)
      if (last !== undefined && last.reason === gap.reason && last.gpa + last.length === gap.gpa)
        joined[joined.length - 1] = { ...last, length: last.length + gap.length }
      else joined.push(gap)
    }
    return joined
  }
}
