/** What `of` counts. */
import type { OfItems } from './ast.js'
import type { ConditionChecker } from './check.js'
import { RuleFault } from './problem.js'
import type { SyntaxExpression, SyntaxSet, SyntaxSetItem, SyntaxWildcard } from './syntax.js'

type Kind = 'strings' | 'rules' | 'conditions'

/**
 * The items of a set: strings, rules, or conditions where it has anything else.
 * @throws RuleFault
 */
export function checkSet(checker: ConditionChecker, syntax: SyntaxSet): OfItems {
  const { strings, budget } = checker.scope
  if (syntax.kind === 'them') {
    budget.spend(strings.count, strings.count, syntax)
    return { kind: 'strings', strings: strings.findAll('', false, syntax) }
  }
  const kinds = new Set(syntax.items.map(item => kindOf(checker, item)))
  const kind = kinds.size === 1 ? [...kinds][0] : 'conditions'
  switch (kind) {
    case 'strings':
      return { kind, strings: syntax.items.flatMap(item => stringsOf(checker, item)) }
    case 'rules':
      return { kind, rules: syntax.items.flatMap(item => rulesOf(checker, item)) }
    default:
      return { kind: 'conditions', items: syntax.items.map(item => checker.condition(plain(item))) }
  }
}

function kindOf({ scope }: ConditionChecker, item: SyntaxSetItem): Kind {
  if (item.kind === 'strings' || item.kind === 'rules') return item.kind
  if (item.kind === 'found' && item.where === null && (item.string.name !== '' || scope.loops === 0))
    return 'strings'
  const isRule =
    item.kind === 'path' &&
    item.steps.length === 0 &&
    scope.variable(item.name) === undefined &&
    !scope.externals.has(item.name)
  return isRule ? 'rules' : 'conditions'
}

function stringsOf({ scope }: ConditionChecker, item: SyntaxSetItem): number[] {
  scope.budget.spend(item.kind === 'strings' ? scope.strings.count : 1, scope.strings.count, item)
  if (item.kind === 'strings') return scope.strings.findAll(item.prefix, false, item)
  return item.kind === 'found' ? scope.strings.findAll(item.string.name, true, item) : []
}

function rulesOf({ scope }: ConditionChecker, item: SyntaxSetItem): number[] {
  const { rules, wildcards } = scope.namespace
  const indexOf = (name: string): number[] => {
    const index = rules.get(name)
    if (index !== undefined) scope.references.add(index)
    return index === undefined ? [] : [index]
  }
  if (item.kind === 'path') {
    if (!rules.has(item.name)) throw new RuleFault(item, `undefined identifier "${item.name}"`)
    return indexOf(item.name)
  }
  if (item.kind !== 'rules') return []
  wildcards.add(item.prefix)
  scope.budget.spend(0, scope.earlier.length, item)
  // As YARA does: every rule so far that is called like that, this one too, by its name in this namespace.
  const names = scope.earlier.filter(name => name.startsWith(item.prefix) && rules.has(name))
  if (names.length === 0) throw new RuleFault(item, `undefined identifier "${item.prefix}*"`)
  scope.budget.spend(names.length, 0, item)
  return names.flatMap(indexOf)
}

function plain(item: SyntaxSetItem): SyntaxExpression {
  if (isWildcard(item)) throw new RuleFault(item, 'names with "*" can\'t stand beside conditions')
  return item
}

function isWildcard(item: SyntaxSetItem): item is SyntaxWildcard {
  return item.kind === 'strings' || item.kind === 'rules'
}
