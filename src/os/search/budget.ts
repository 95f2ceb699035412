/** Time that hits which turn out to be nothing may take in all: an attacker can plant as many as there is memory. */
const MAX_WASTED_MS = 5000

/** Ends the trying when what came to nothing took too long. */
export class Budget {
  #wasted = 0

  /** What `attempt` gives, or undefined without trying when the time is up. */
  spend<T>(attempt: () => T | undefined): T | undefined {
    if (this.#wasted > MAX_WASTED_MS) return undefined
    const started = performance.now()
    const result = attempt()
    if (result === undefined) this.#wasted += performance.now() - started
    return result
  }
}
