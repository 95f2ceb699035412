/** What the functions of a module are, and what they may ask. */
import type { RuleSpace } from '../space.js'

/** A value of a condition: undefined is YARA's; a text is its bytes. */
export type Value = undefined | boolean | bigint | number | Uint8Array

/** What a function has at hand while a condition is evaluated. */
export interface CallContext {
  readonly space: RuleSpace
  /** Seconds since 1970, the same for all rules of an evaluation. */
  readonly now: number
  /** Accounts for work; throws when a rule has done more than it may. */
  readonly spend: (steps: number) => void
  /** What functions over ranges found, by what was asked, for one evaluation: rules ask the same again and again. */
  readonly known: Map<string, unknown>
}

/** One signature: types are `i`nteger, `f`loat, `s` (text), `b`oolean, `r`egex. No argument is undefined. */
export interface ModuleFunction {
  readonly takes: string
  readonly returns: 'integer' | 'float' | 'text' | 'boolean'
  readonly run: (values: readonly Value[], context: CallContext) => Value
}

export interface RuleModule {
  readonly functions: Readonly<Record<string, readonly ModuleFunction[]>>
  readonly floats?: Readonly<Record<string, number>>
}
