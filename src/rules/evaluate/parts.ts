/** Parts of a condition: done at once, or in pieces where they may take long. */
import type { Expression } from '../ast.js'
import { finish, type Pieces, type Value } from '../modules/module.js'
import type { EvaluationState, Run, RunInPieces } from './state.js'

export type Part =
  | { readonly run: Run; readonly inPieces?: undefined }
  | { readonly run?: undefined; readonly inPieces: RunInPieces }

/** Makes a part of a node of the same rule. */
export type Parts = (node: Expression) => Part

/** The value of a part, wherever it stops. */
export function* computed({ run, inPieces }: Part, state: EvaluationState): Pieces<Value> {
  return run === undefined ? yield* inPieces(state) : run(state)
}

/** Without a stop. */
export function atOnce({ run, inPieces }: Part): Run {
  return run ?? (state => finish(inPieces(state)))
}
