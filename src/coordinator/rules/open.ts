/** Opens the rules of a scan: the tables that workers search by, and who evaluates what they find. */
import { Conditions } from '../../rules/conditions.js'
import type { StringTables } from '../../rules/search/tables.js'
import type { ScanRequest } from '../request.js'
import type { Target } from '../target.js'
import { compileRuleScan, type RuleSpec } from './compile.js'
import { RuleSide } from './rule-side.js'

export function openRules(
  target: Target,
  specs: readonly RuleSpec[],
  request: ScanRequest,
): { readonly tables: StringTables; readonly side: RuleSide } {
  const rules = compileRuleScan(specs, request.externals ?? {}, request.matcher ?? 'auto')
  const conditions = new Conditions(rules.ruleSet)
  const folded = target.space === 'virtual'
  const side = new RuleSide(target, folded, rules, conditions, request.contextBytes ?? 0)
  return { tables: rules.tables, side }
}
