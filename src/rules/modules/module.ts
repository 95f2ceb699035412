/** What the functions of a module are, and what they may ask. */
import type { RuleSpace } from '../space.js'

/** A value of a condition: undefined is YARA's; a text is its bytes. */
export type Value = undefined | boolean | bigint | number | Uint8Array

/** A computation that stops now and then, for whoever goes through it to do something else, or to leave it at that. */
export type Pieces<Result> = Generator<undefined, Result>

/** Goes through without a stop. */
export function finish<Result>(pieces: Pieces<Result>): Result {
  let piece = pieces.next()
  while (piece.done !== true) piece = pieces.next()
  return piece.value
}

/** What is there at once, or takes long. */
export type Soon<Result> = Result | Pieces<Result>

export function isInPieces<Result>(result: Soon<Result>): result is Pieces<Result> {
  return typeof result === 'object' && result !== null && 'next' in result
}

/** What comes of a result. */
export function after<One, Other>(result: Soon<One>, next: (one: One) => Other): Soon<Other> {
  return isInPieces(result) ? afterPieces(result, next) : next(result)
}

function* afterPieces<One, Other>(pieces: Pieces<One>, next: (one: One) => Other): Pieces<Other> {
  return next(yield* pieces)
}

/** What a function has at hand while a condition is evaluated. */
export interface CallContext {
  readonly space: RuleSpace
  /** Seconds since 1970, the same for all rules of an evaluation. */
  readonly now: number
  /** Accounts for work; throws when a rule has done more than it may. */
  readonly spend: (steps: number) => void
  /** Whether it is time for a stop. */
  readonly isLate: () => boolean
  /** What functions over ranges found, by what was asked, for one evaluation: rules ask the same again and again. */
  readonly known: Map<string, unknown>
}

/** One signature, which may take long where it looks at a range: types are `i`nteger, `f`loat, `s` (text), `b`oolean, `r`egex. No argument is undefined. */
export interface ModuleFunction {
  readonly takes: string
  readonly returns: 'integer' | 'float' | 'text' | 'boolean'
  readonly run: (values: readonly Value[], context: CallContext) => Soon<Value>
}

export interface RuleModule {
  readonly functions: Readonly<Record<string, readonly ModuleFunction[]>>
  readonly floats?: Readonly<Record<string, number>>
}
