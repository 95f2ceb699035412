/** What an evaluation carries from node to node. */
import type { CallContext, Pieces, Value } from '../modules/module.js'
import type { RuleSpace, StringMatches } from '../space.js'

/** A node that is ready to be computed. */
export type Run = (state: EvaluationState) => Value

/** The same where it may take long. */
export type RunInPieces = (state: EvaluationState) => Pieces<Value>

/** Between two stops; the clock is looked at every so many steps. */
const PIECE_MS = 50
const STEPS_A_LOOK = 256

/** Thrown when a rule has taken its steps. */
export class StepsExhausted extends Error {}

/** Thrown, before all is known of a space, by what only the space can tell. */
export class NotKnown extends Error {}

const NO_MATCHES: StringMatches = {
  count: 0,
  offsetAt: () => 0n,
  lengthAt: () => 0,
  firstFrom: () => 0,
}

export class EvaluationState implements CallContext {
  readonly space: RuleSpace
  readonly known = new Map<string, unknown>()
  /** Values of variables by their slot. */
  readonly frame: Value[] = []
  /** Whether each rule holds, as far as they are evaluated. */
  readonly holds: Uint8Array
  /** Id of the string of the innermost `for ... of`. */
  loop = -1
  /** Steps that the rule may still take. */
  #steps = 0
  #lookAt = 0
  #stopAt = performance.now() + PIECE_MS
  readonly #now: number | undefined

  /** `now` undefined: it is not known. */
  constructor(space: RuleSpace, rules: number, now: number | undefined) {
    this.space = space
    this.holds = new Uint8Array(rules)
    this.#now = now
  }

  get now(): number {
    if (this.#now === undefined) throw new NotKnown()
    return this.#now
  }

  get steps(): number {
    return this.#steps
  }

  /** A rule begins, which may take so many. */
  begin(steps: number): void {
    this.#steps = steps
    this.#lookAt = steps - STEPS_A_LOOK
  }

  readonly spend = (steps: number): void => {
    this.#steps -= steps
    if (this.#steps < 0) throw new StepsExhausted()
  }

  /** It goes on after a stop. */
  resume(): void {
    this.#stopAt = performance.now() + PIECE_MS
  }

  readonly isLate = (): boolean => {
    if (this.#steps > this.#lookAt) return false
    this.#lookAt = this.#steps - STEPS_A_LOOK
    return performance.now() > this.#stopAt
  }

  matches(stringId: number): StringMatches {
    return this.space.matches(stringId) ?? NO_MATCHES
  }
}

/** Whether a value is true; undefined is not. */
export function isTrue(value: Value): boolean {
  switch (typeof value) {
    case 'undefined':
      return false
    case 'boolean':
      return value
    case 'bigint':
      return value !== 0n
    case 'number':
      // YARA looks at the bits: -0.0 is true.
      return value !== 0 || Object.is(value, -0)
    default:
      return value.length > 0
  }
}

/** What a loop adds to its count for the value of its body: YARA adds the value itself, an integer as it is. */
export function countOf(value: Value): number {
  return typeof value === 'bigint' ? Number(value) : isTrue(value) ? 1 : 0
}
