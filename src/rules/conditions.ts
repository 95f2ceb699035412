/** Evaluates the conditions of a rule set in a space, in the order of the rules. */
import type { Rule, RuleSet } from './ast.js'
import { compileCondition } from './evaluate/compile.js'
import { EvaluationState, isTrue, type Run, StepsExhausted } from './evaluate/state.js'
import type { RuleOutcome, RuleSpace } from './space.js'

/** Steps of one rule in one space: iterations of loops, and what takes as long. Some ten seconds. */
const MAX_RULE_STEPS = 1 << 24
/** Steps of all rules in one space; when they are used up, each rule has only the few that almost every rule needs. */
const MAX_SPACE_STEPS = 1 << 27
const FEW_STEPS = 1 << 14

export interface EvaluateOptions {
  /** Whether a rule that `needsYaraX` holds; without it such a rule does not. */
  readonly foreign?: (rule: Rule) => boolean
  /** Seconds since 1970, for `time.now()`; default now. */
  readonly now?: number
  /** Steps of one rule; the default is for tests to lower. */
  readonly maxRuleSteps?: number
}

export class Conditions {
  readonly #rules: readonly Rule[]
  readonly #runs: readonly (Run | undefined)[]
  readonly #wanted: (rule: Rule) => boolean

  /** `wanted`: of each rule 1 where it may hold and somebody asks; the others count as not holding. */
  constructor({ rules }: RuleSet, wanted?: Uint8Array) {
    this.#rules = rules
    this.#wanted = ({ index }) => wanted === undefined || wanted[index] === 1
    this.#runs = rules.map(rule =>
      rule.needsYaraX.length > 0 || !this.#wanted(rule) ? undefined : compileCondition(rule),
    )
  }

  /** Which rules hold. A rule that takes too many steps does not, and is told. */
  evaluate(space: RuleSpace, options: EvaluateOptions = {}): RuleOutcome {
    const state = new EvaluationState(space, this.#rules.length, options.now ?? Math.floor(Date.now() / 1000))
    const exhausted: number[] = []
    const unsatisfied = new Set<string>()
    let left = MAX_SPACE_STEPS
    for (const rule of this.#rules) {
      const allowed = Math.min(options.maxRuleSteps ?? MAX_RULE_STEPS, Math.max(left, FEW_STEPS))
      state.steps = allowed
      const outcome = this.#evaluateRule(rule, state, options)
      left -= allowed - state.steps
      if (outcome === undefined) exhausted.push(rule.index)
      if (outcome === true) state.holds[rule.index] = 1
      else if (rule.isGlobal) unsatisfied.add(rule.namespace)
    }
    const holding = this.#rules.filter(
      ({ index, isPrivate, namespace }) =>
        state.holds[index] === 1 && !isPrivate && !unsatisfied.has(namespace),
    )
    return { holding: holding.map(({ index }) => index), exhausted }
  }

  /** Undefined where the rule has taken too many steps. */
  #evaluateRule(rule: Rule, state: EvaluationState, { foreign }: EvaluateOptions): boolean | undefined {
    if (!this.#wanted(rule)) return false
    const run = this.#runs[rule.index]
    if (run === undefined) return foreign?.(rule) ?? false
    try {
      return isTrue(run(state))
    } catch (error) {
      if (error instanceof StepsExhausted) return undefined
      throw error
    }
  }
}
