/** Opens the rules of a scan: out of the cache, or compiled; the tables that workers search by, and who evaluates what they find. */
import { describeMatcher } from '../../patterns/compile.js'
import { compileStrings } from '../../patterns/compile-strings.js'
import type { RuleSet } from '../../rules/ast.js'
import { compileRules } from '../../rules/compile.js'
import { PLAN_VERSION } from '../../rules/search/plan.js'
import type { StringTables } from '../../rules/search/tables.js'
import type { PatternSpec } from '../../scan/pattern-spec.js'
import { cacheFolder } from '../cache-folder.js'
import type { ScanRequest } from '../request.js'
import type { Target } from '../target.js'
import { VERSION } from '../version.js'
import { cacheKey, RuleCache } from './rule-cache.js'
import { RuleSide } from './rule-side.js'

type RuleSpec = Extract<PatternSpec, { kind: 'yara' }>

export interface OpenedRules {
  readonly tables: StringTables
  readonly side: RuleSide
}

/**
 * Compiles rules and plans the search of their strings, unless that was done before.
 * @throws VmsiftError `bad-rule`, `ffi-unavailable`.
 */
export function openRules(target: Target, specs: readonly RuleSpec[], request: ScanRequest): OpenedRules {
  const { externals = {}, matcher = 'auto', contextBytes = 0 } = request
  const cache = new RuleCache(cacheFolder())
  const key = cacheKey([
    VERSION,
    PLAN_VERSION,
    describeMatcher(matcher),
    matcher,
    process.cwd(),
    specs,
    externals,
  ])
  const kept = cache.read(key)
  const folded = target.space === 'virtual'
  const sideOf = (ruleSet: () => RuleSet, tables: StringTables): OpenedRules => ({
    tables,
    side: new RuleSide(target, folded, { ruleSet, externals, tables }, contextBytes),
  })
  if (kept !== undefined) return sideOf(kept.ruleSet, kept.tables)
  const ruleSet = compileRules(specs.map(textOf), { externals })
  const strings = ruleSet.rules.flatMap(rule => rule.strings)
  const tables = compileStrings(strings, matcher)
  const given = new Set(specs.map(({ path }) => path))
  const included = ruleSet.sources.flatMap(({ path }) =>
    path === undefined || given.has(path) ? [] : [path],
  )
  cache.write(key, ruleSet, tables, [...new Set(included)])
  return sideOf(() => ruleSet, tables)
}

function textOf({ source, path, namespace }: RuleSpec): {
  source: string
  path?: string
  namespace?: string
} {
  return { source, ...(path !== undefined && { path }), ...(namespace !== undefined && { namespace }) }
}
