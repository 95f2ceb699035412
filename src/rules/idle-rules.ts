/**
 * Rules that can't hold in a space where none of their strings was found: most of them. Where many spaces are evaluated, such rules cost
 * nothing in those that hold nothing of theirs.
 */
import type { Expression, Rule } from './ast.js'
import { compileCondition } from './evaluate/compile.js'
import { computed } from './evaluate/parts.js'
import { EvaluationState, isTrue, NotKnown, StepsExhausted } from './evaluate/state.js'
import type { Pieces } from './modules/module.js'
import type { RuleSpace } from './space.js'
import type { StepBudget } from './step-budget.js'

/** A space without a size in which nothing was found; what stands there is not known. */
const NOTHING_FOUND: RuleSpace = {
  filesize: undefined,
  matches: () => undefined,
  read: () => {
    throw new NotKnown()
  },
}

export class IdleRules {
  /** Rules that take too many steps whatever the space holds, as long as none of their strings is found. */
  readonly exhausted: readonly Rule[]
  readonly #rules: readonly Rule[]
  /** Indices of rules that are evaluated in every space, ascending. */
  readonly #always: readonly number[]
  /** Rules that refer to a rule, by its index. */
  readonly #dependents: readonly (readonly number[] | undefined)[]
  /** By string: the index of its rule. */
  readonly #ruleOf: Uint32Array

  /** `budget`: what the rules may take, all together. */
  static *of(rules: readonly Rule[], budget: StepBudget): Pieces<IdleRules> {
    const always: number[] = []
    const exhausted: Rule[] = []
    const dependents: number[][] = []
    const idle = new Set<number>()
    for (const rule of rules) {
      for (const reference of rule.references) {
        const known = dependents[reference]
        if (known === undefined) dependents[reference] = [rule.index]
        else known.push(rule.index)
      }
      const found = rule.isGlobal ? undefined : yield* holdsIdle(rule, rules.length, budget, idle)
      if (found === 'exhausted') exhausted.push(rule)
      if (found === undefined) always.push(rule.index)
      else idle.add(rule.index)
    }
    return new IdleRules(rules, exhausted, always, dependents)
  }

  private constructor(
    rules: readonly Rule[],
    exhausted: readonly Rule[],
    always: readonly number[],
    dependents: readonly (readonly number[] | undefined)[],
  ) {
    this.#rules = rules
    const strings = rules.flatMap(rule => rule.strings)
    this.#ruleOf = new Uint32Array(strings.reduce((most, { id }) => Math.max(most, id + 1), 0))
    for (const { id, rule } of strings) this.#ruleOf[id] = rule
    this.exhausted = exhausted
    this.#always = always
    this.#dependents = dependents
  }

  /** The rules to be evaluated, ascending, where strings with these ids were found; no other one holds. */
  toEvaluate(found: Iterable<number>): Rule[] {
    const chosen = new Set(this.#always)
    for (const id of found) chosen.add(this.#ruleOf[id] as number)
    // a set is gone through to its end, with what is added meanwhile
    for (const rule of chosen) for (const dependent of this.#dependents[rule] ?? []) chosen.add(dependent)
    return [...chosen].sort((a, b) => a - b).map(index => this.#rules[index] as Rule)
  }
}

/** What comes of a rule where nothing was found: false, or too many steps; undefined where it may hold. `idle`: earlier rules that do not. */
function* holdsIdle(
  rule: Rule,
  rules: number,
  budget: StepBudget,
  idle: ReadonlySet<number>,
): Pieces<false | 'exhausted' | undefined> {
  // YARA-X is asked where strings are
  if (rule.needsYaraX.length > 0) return false
  /** All before is true. */
  let known = true
  let exhausted = false
  for (const condition of conjuncts(rule.condition)) {
    if (rule.references.length > 0 && !refersOnlyTo(condition, idle)) {
      known = false
      continue
    }
    const state = new EvaluationState(NOTHING_FOUND, rules, undefined)
    const allowed = budget.ofRule()
    state.begin(allowed)
    try {
      const pieces = computed(compileCondition({ ...rule, condition }), state)
      let piece = pieces.next()
      for (; piece.done !== true; piece = pieces.next()) {
        yield
        state.resume()
      }
      if (!isTrue(piece.value)) return false
    } catch (error) {
      if (error instanceof StepsExhausted) exhausted ||= known
      else if (!(error instanceof NotKnown)) throw error
      known = false
    } finally {
      budget.take(allowed - state.steps)
    }
  }
  return exhausted ? 'exhausted' : undefined
}

/** What must all be true. */
function conjuncts(condition: Expression): Expression[] {
  return condition.kind === 'and' ? condition.items.flatMap(conjuncts) : [condition]
}

/** Whether all rules that a condition refers to are among `known`. */
function refersOnlyTo(condition: unknown, known: ReadonlySet<number>): boolean {
  if (Array.isArray(condition)) return condition.every(item => refersOnlyTo(item, known))
  if (typeof condition !== 'object' || condition === null || ArrayBuffer.isView(condition)) return true
  const { kind, rule, rules } = condition as { kind?: unknown; rule?: number; rules?: readonly number[] }
  if (kind === 'rule' && rule !== undefined) return known.has(rule)
  if (kind === 'rules' && rules !== undefined) return rules.every(one => known.has(one))
  return Object.values(condition).every(item => refersOnlyTo(item, known))
}
