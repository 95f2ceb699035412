/** How long the conditions of rules may take: in steps, which are iterations of loops, and what takes as long. */

/** Steps of one rule in one space. Some ten seconds. */
const MAX_RULE_STEPS = 1 << 24
/** Steps of all rules in one space; when they are used up, each rule has only the few that almost every rule needs. */
const MAX_SPACE_STEPS = 1 << 27
const FEW_STEPS = 1 << 14

export class StepBudget {
  readonly #most: number
  #left = MAX_SPACE_STEPS

  /** `most`: of one rule; the default is for tests to lower. */
  constructor(most = MAX_RULE_STEPS) {
    this.#most = most
  }

  /** What the next rule may take. */
  ofRule(): number {
    return Math.min(this.#most, Math.max(this.#left, FEW_STEPS))
  }

  /** What it took. */
  take(steps: number): void {
    this.#left -= steps
  }
}
