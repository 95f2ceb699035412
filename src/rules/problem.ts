/** What is wrong with rules: errors and warnings with their place. */
import { VmsiftError } from '../core/errors.js'
import type { Span } from './ast.js'
import type { SourceText } from './source-text.js'

export interface RuleProblem {
  /** `rules.yar:3:14: undefined string "$b"`. */
  readonly message: string
  readonly path: string | undefined
  readonly line: number
  readonly column: number
  /** The line with carets under what is meant. */
  readonly excerpt: string
}

/** Thrown while a rule is compiled, to go on with the next one; it never leaves this folder. */
export class RuleFault extends Error {
  readonly span: Span

  constructor(span: Span, message: string) {
    super(message)
    this.span = span
  }
}

/** A problem at a place. */
export function problemAt(source: SourceText, span: Span, what: string): RuleProblem {
  return {
    message: `${source.where(span.start)}: ${what}`,
    path: source.path,
    ...source.placeAt(span.start),
    excerpt: source.excerpt(span),
  }
}

/** What is thrown to callers. `detail.text` holds message and excerpt, `detail.more` the number of problems not named. */
export function ruleError(problems: readonly RuleProblem[]): VmsiftError {
  const [first] = problems
  const { message = 'rules are wrong', path, line, column, excerpt } = first ?? {}
  const more = problems.length - 1
  const text = problems.map(problem => `${problem.message}\n${problem.excerpt}`).join('\n')
  return new VmsiftError('bad-rule', message, {
    detail: { path, line, column, excerpt, text, more },
  })
}
