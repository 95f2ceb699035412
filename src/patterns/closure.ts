/** Sets of states of a graph, followed over what eats no byte. */
import type { Nfa } from './nfa.js'
import { SPLIT } from './nfa.js'

/** Collects states: each once, `split` states replaced by where they lead. Reused for one set after the other. */
export class Closure {
  /** What was collected since `clear`, in no order. */
  ids: number[] = []
  readonly #nfa: Nfa
  readonly #seen: Uint32Array
  #round = 1

  constructor(nfa: Nfa) {
    this.#nfa = nfa
    this.#seen = new Uint32Array(nfa.kinds.length)
  }

  clear(): void {
    this.ids = []
    this.#round++
  }

  add(state: number): void {
    const { kinds, next, value } = this.#nfa
    const pending = [state]
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
      if (this.#seen[at] === this.#round) continue
      this.#seen[at] = this.#round
      if (kinds[at] === SPLIT) pending.push(next[at] ?? 0, value[at] ?? 0)
      else this.ids.push(at)
    }
  }

  /** What was collected, ascending. */
  sorted(): readonly number[] {
    return this.ids.sort((a, b) => a - b)
  }
}
