/** Evaluates the conditions of a rule set in a space, in the order of the rules. */
import type { Rule, RuleSet } from './ast.js'
import { compileCondition } from './evaluate/compile.js'
import { computed, type Part } from './evaluate/parts.js'
import { EvaluationState, isTrue, type Run, StepsExhausted } from './evaluate/state.js'
import { IdleRules } from './idle-rules.js'
import { finish, type Pieces } from './modules/module.js'
import type { RuleOutcome, RuleSpace } from './space.js'
import { StepBudget } from './step-budget.js'

/** Steps between two stops: some tens of milliseconds. */
const PIECE_STEPS = 1 << 17
/** What YARA-X may take counts as many. */
const FOREIGN_STEPS = 1 << 14

export interface EvaluateOptions {
  /** Whether a rule that `needsYaraX` holds; without it such a rule does not. */
  readonly foreign?: (rule: Rule) => boolean
  /** Seconds since 1970, for `time.now()`; default now. */
  readonly now?: number
  /** Steps of one rule; the default is for tests to lower. */
  readonly maxRuleSteps?: number
  /**
   * Ids of the strings that have matches, in a space without a size: with them only rules are evaluated that may hold there, which pays where
   * there are many spaces. `foreign` is asked only where a string of the rule is among them, and tells no without one.
   */
  readonly found?: Iterable<number>
}

export class Conditions {
  readonly #rules: readonly Rule[]
  readonly #parts: readonly (Part | undefined)[]
  readonly #wanted: (rule: Rule) => boolean
  #idle: IdleRules | undefined
  /** Since it stopped last, whatever the space. */
  #steps = 0

  /** `wanted`: of each rule 1 where it may hold and somebody asks; the others count as not holding. */
  constructor({ rules }: RuleSet, wanted?: Uint8Array) {
    this.#rules = rules
    this.#wanted = ({ index }) => wanted === undefined || wanted[index] === 1
    this.#parts = rules.map(rule =>
      rule.needsYaraX.length > 0 || !this.#wanted(rule) ? undefined : compileCondition(rule),
    )
  }

  /** Which rules hold. A rule that takes too many steps does not, and is told. */
  evaluate(space: RuleSpace, options: EvaluateOptions = {}): RuleOutcome {
    return finish(this.inPieces(space, options))
  }

  /** The same, stopping whenever it has taken long, between rules and within: who goes through it may do something else, or leave. */
  *inPieces(space: RuleSpace, options: EvaluateOptions = {}): Pieces<RuleOutcome> {
    const state = new EvaluationState(space, this.#rules.length, options.now ?? Math.floor(Date.now() / 1000))
    const budget = new StepBudget(options.maxRuleSteps)
    const { rules, exhausted } = yield* this.#toEvaluate(space, options)
    state.resume()
    const unsatisfied = new Set<string>()
    for (const rule of rules) {
      const allowed = budget.ofRule()
      state.begin(allowed)
      const part = this.#parts[rule.index]
      const outcome =
        part?.inPieces === undefined
          ? this.#evaluateRule(rule, part?.run, state, options)
          : yield* this.#evaluateLongRule(part, state)
      budget.take(allowed - state.steps)
      if (outcome === undefined) exhausted.push(rule.index)
      if (outcome === true) state.holds[rule.index] = 1
      else if (rule.isGlobal) unsatisfied.add(rule.namespace)
      this.#steps += rule.needsYaraX.length > 0 ? FOREIGN_STEPS : allowed - state.steps
      if (this.#steps < PIECE_STEPS) continue
      this.#steps = 0
      yield
      state.resume()
    }
    const holding = rules.filter(
      ({ index, isPrivate, namespace }) =>
        state.holds[index] === 1 && !isPrivate && !unsatisfied.has(namespace),
    )
    return { holding: holding.map(({ index }) => index), exhausted }
  }

  /** Rules that may hold, and those that take too many steps anyway. */
  *#toEvaluate(
    { filesize }: RuleSpace,
    { found, maxRuleSteps }: EvaluateOptions,
  ): Pieces<{ readonly rules: readonly Rule[]; readonly exhausted: number[] }> {
    if (found === undefined || filesize !== undefined) return { rules: this.#rules, exhausted: [] }
    this.#idle ??= yield* IdleRules.of(this.#rules, new StepBudget(maxRuleSteps))
    const rules = this.#idle.toEvaluate(found)
    const evaluated = new Set(rules)
    const others = this.#idle.exhausted.filter(rule => !evaluated.has(rule))
    return { rules, exhausted: others.map(({ index }) => index) }
  }

  /** Undefined where the rule has taken too many steps. */
  #evaluateRule(
    rule: Rule,
    run: Run | undefined,
    state: EvaluationState,
    { foreign }: EvaluateOptions,
  ): boolean | undefined {
    if (!this.#wanted(rule)) return false
    if (run === undefined) return foreign?.(rule) ?? false
    try {
      return isTrue(run(state))
    } catch (error) {
      if (error instanceof StepsExhausted) return undefined
      throw error
    }
  }

  *#evaluateLongRule(part: Part, state: EvaluationState): Pieces<boolean | undefined> {
    const pieces = computed(part, state)
    try {
      for (let piece = pieces.next(); ; piece = pieces.next()) {
        if (piece.done === true) return isTrue(piece.value)
        yield
        state.resume()
      }
    } catch (error) {
      if (error instanceof StepsExhausted) return undefined
      throw error
    }
  }
}
