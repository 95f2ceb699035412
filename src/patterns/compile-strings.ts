/** Strings of YARA rules to the tables by which workers search. */
import { VmsiftError } from '../core/errors.js'
import { compileExpressions, vectorscanVersion } from '../ffi/vectorscan.js'
import type { RuleString } from '../rules/ast.js'
import { planStrings } from '../rules/search/plan.js'
import { type StringTables, tablesOf } from '../rules/search/tables.js'
import type { WordCounts } from '../rules/search/word-counts.js'
import type { MatcherChoice } from '../scan/pattern-spec.js'

/**
 * `counts`: as in `planStrings`.
 * @throws VmsiftError `ffi-unavailable` when `vectorscan` is asked for and not there.
 */
export function compileStrings(
  strings: readonly RuleString[],
  matcher: MatcherChoice,
  counts?: WordCounts,
): StringTables {
  const version = matcher === 'embedded' ? undefined : vectorscanVersion()
  if (version === undefined && matcher === 'vectorscan')
    throw new VmsiftError(
      'ffi-unavailable',
      'vectorscan is not available here: apt install libvectorscan5 (or set VMSIFT_LIBHS), or use --matcher embedded',
    )
  return tablesOf(planStrings(strings, version !== undefined, counts), compileExpressions)
}
