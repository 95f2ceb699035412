/** Evaluates guards in spaces, or in what is known of them. */
import { compileCondition } from './evaluate/compile.js'
import { atOnce } from './evaluate/parts.js'
import { EvaluationState, isTrue, NotKnown, type Run } from './evaluate/state.js'
import type { Guards } from './guards.js'
import type { RuleSpace } from './space.js'

/** What a guard may look at; `read` returns undefined where it can't be told what stands there. */
export interface GuardSpace {
  readonly filesize: bigint | undefined
  read(offset: bigint, length: number): Uint8Array | undefined
}

export class GuardChecks {
  readonly #conditions: Guards['conditions']
  readonly #runs: (Run | undefined)[] = []

  constructor({ conditions }: Guards) {
    this.#conditions = conditions
  }

  /** Whether a guard holds, or that is not known. */
  mayHold(condition: number, space: GuardSpace): boolean {
    const expression = this.#conditions[condition]
    if (expression === undefined) return true
    this.#runs[condition] ??= atOnce(compileCondition({ strings: [], condition: expression }))
    const known: RuleSpace = {
      filesize: space.filesize,
      matches: () => undefined,
      read: (offset, length) => {
        const bytes = space.read(offset, length)
        if (bytes === undefined) throw new NotKnown()
        return bytes
      },
    }
    try {
      return isTrue(this.#runs[condition](new EvaluationState(known, 0, 0)))
    } catch (error) {
      if (error instanceof NotKnown) return true
      throw error
    }
  }
}
