/** Rules that refer to others. */
import type { Rule } from './ast.js'

/** Rules that refer to one of `roots`, or to one that does: each with the rule that it names. A rule refers to earlier ones only. */
export function dependentsOf(rules: readonly Rule[], roots: readonly Rule[]): ReadonlyMap<Rule, Rule> {
  const reached = new Set(roots.map(({ index }) => index))
  const found = new Map<Rule, Rule>()
  const byIndex = new Map(rules.map(rule => [rule.index, rule]))
  for (const rule of rules) {
    const named = byIndex.get(rule.references.find(index => reached.has(index)) ?? -1)
    if (named === undefined || reached.has(rule.index)) continue
    reached.add(rule.index)
    found.set(rule, named)
  }
  return found
}
