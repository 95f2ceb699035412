/** Rules as they are given -> what workers search and what is evaluated at the end. */
import { compileExpressions, vectorscanVersion } from '../../ffi/vectorscan.js'
import { VmsiftError } from '../../core/errors.js'
import type { RuleSet } from '../../rules/ast.js'
import { compileRules } from '../../rules/compile.js'
import { planStrings } from '../../rules/search/plan.js'
import { type StringTables, tablesOf } from '../../rules/search/tables.js'
import type { External } from '../../rules/scope.js'
import type { MatcherChoice, PatternSpec } from '../../scan/pattern-spec.js'

export type RuleSpec = Extract<PatternSpec, { kind: 'yara' }>

export interface CompiledRules {
  readonly ruleSet: RuleSet
  readonly externals: Readonly<Record<string, External>>
  readonly tables: StringTables
}

/**
 * Compiles rules and plans the search of their strings.
 * @throws VmsiftError `bad-rule`, `ffi-unavailable`.
 */
export function compileRuleScan(
  specs: readonly RuleSpec[],
  externals: Readonly<Record<string, External>>,
  matcher: MatcherChoice,
): CompiledRules {
  const version = matcher === 'embedded' ? undefined : vectorscanVersion()
  if (version === undefined && matcher === 'vectorscan')
    throw new VmsiftError(
      'ffi-unavailable',
      'vectorscan is not available here: apt install libvectorscan5 (or set VMSIFT_LIBHS), or use --matcher embedded',
    )
  const texts = specs.map(({ source, path, namespace }) => ({
    source,
    ...(path !== undefined && { path }),
    ...(namespace !== undefined && { namespace }),
  }))
  const ruleSet = compileRules(texts, { externals })
  const strings = ruleSet.rules.flatMap(rule => rule.strings)
  return { ruleSet, externals, tables: tablesOf(planStrings(strings, version !== undefined), compileExpressions) }
}
