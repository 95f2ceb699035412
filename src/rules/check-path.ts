/** Names in conditions: variables, external variables, rules, and what modules have. */
import type { Expression, ValueType } from './ast.js'
import type { Checked, ConditionChecker } from './check.js'
import { fileOf } from './file-kinds.js'
import { FOREIGN_MODULES, findFunction, MODULES } from './modules/known.js'
import { RuleFault } from './problem.js'
import type { External } from './scope.js'
import type { SyntaxExpression, SyntaxPath, SyntaxStep } from './syntax.js'

const LETTERS: Readonly<Record<ValueType, string>> = {
  integer: 'i',
  float: 'f',
  text: 's',
  boolean: 'b',
  regex: 'r',
}

/**
 * What a name stands for.
 * @throws RuleFault
 */
export function checkPath(checker: ConditionChecker, syntax: SyntaxPath): Checked {
  const { scope } = checker
  const { name, steps, start, end } = syntax
  const variable = scope.variable(name)
  if (variable !== undefined) {
    if (variable.type === 'unknown') return foreign(checker, syntax)
    refuseSteps(syntax)
    return {
      node: { kind: 'variable', slot: variable.slot, type: variable.type, start, end },
      type: variable.type,
    }
  }
  const external = scope.externals.get(name)
  if (external !== undefined) {
    refuseSteps(syntax)
    return literalOf(external, syntax)
  }
  if (scope.namespace.imports.has(name))
    return Object.hasOwn(MODULES, name) ? ofModule(checker, syntax) : foreign(checker, syntax)
  if (!scope.namespace.rules.has(name)) throw unknownName(syntax)
  if (steps.length > 0) throw new RuleFault(syntax, `"${name}" is a rule: it has no fields`)
  const rule = scope.namespace.rules.get(name)
  if (rule === undefined) return { node: { kind: 'boolean', value: false, start, end }, type: 'boolean' }
  scope.references.add(rule)
  return { node: { kind: 'rule', rule, start, end }, type: 'boolean' }
}

function unknownName({ name, start, nameEnd }: SyntaxPath): RuleFault {
  const isModule = Object.hasOwn(MODULES, name) || FOREIGN_MODULES.includes(name)
  const hint = isModule ? `: import "${name}" before the rule` : ''
  return new RuleFault({ start, end: nameEnd }, `undefined identifier "${name}"${hint}`)
}

function refuseSteps({ name, steps }: SyntaxPath): void {
  const [step] = steps
  if (step === undefined) return
  const what =
    step.kind === 'field' ? 'a structure' : step.kind === 'index' ? 'an array or dictionary' : 'a function'
  throw new RuleFault(step, `"${name}" is not ${what}`)
}

function literalOf(value: External, { start, end }: SyntaxPath): Checked {
  const node = (): { node: Expression; type: ValueType } => {
    switch (typeof value) {
      case 'string':
        return { node: { kind: 'text', bytes: Buffer.from(value, 'utf8'), start, end }, type: 'text' }
      case 'boolean':
        // YARA's boolean externals are the integers 0 and 1.
        return { node: { kind: 'integer', value: value ? 1n : 0n, start, end }, type: 'integer' }
      case 'bigint':
        return { node: { kind: 'integer', value, start, end }, type: 'integer' }
      case 'number':
        return { node: { kind: 'float', value, start, end }, type: 'float' }
    }
  }
  return node()
}

/** Something of a module that only YARA-X has: what stands within is checked, the rest is its own affair. */
function foreign(checker: ConditionChecker, syntax: SyntaxPath): Checked {
  const { name, steps, start, end } = syntax
  if (checker.scope.namespace.imports.has(name)) checker.scope.foreign.add(`module ${name}`)
  for (const step of steps) for (const inner of innerOf(step)) checker.expression(inner)
  // a variable may have a module's name
  const file = checker.scope.variable(name) === undefined ? fileOf(syntax) : undefined
  return {
    node: { kind: 'foreign', name, ...(file !== undefined && { file }), start, end },
    type: 'unknown',
  }
}

function innerOf(step: SyntaxStep): readonly SyntaxExpression[] {
  return step.kind === 'index' ? [step.index] : step.kind === 'call' ? step.arguments : []
}

function ofModule(checker: ConditionChecker, syntax: SyntaxPath): Checked {
  const { name, steps, start, end } = syntax
  const module = MODULES[name]
  const [field, call, after] = steps
  if (field?.kind !== 'field')
    throw new RuleFault(syntax, `wrong usage of identifier "${name}": it is a module`)
  const full = `${name}.${field.name}`
  const float = module?.floats?.[field.name]
  if (float !== undefined) {
    if (call !== undefined) throw new RuleFault(call, `"${field.name}" is a number`)
    return { node: { kind: 'float', value: float, start, end }, type: 'float' }
  }
  if (module === undefined || !Object.hasOwn(module.functions, field.name))
    throw new RuleFault(field, `invalid field name "${field.name}": module "${name}" has no such field`)
  if (call?.kind !== 'call')
    throw new RuleFault(syntax, `wrong usage of identifier "${full}": it is a function`)
  if (after !== undefined) throw new RuleFault(after, `what "${full}" returns has no fields`)
  return callOf(checker, syntax, full, call.arguments)
}

function callOf(
  checker: ConditionChecker,
  { start, end }: SyntaxPath,
  name: string,
  syntax: readonly SyntaxExpression[],
): Checked {
  const values = syntax.map(value => checker.expression(value))
  if (values.some(({ type }) => type === 'unknown'))
    return { node: { kind: 'foreign', name, start, end }, type: 'unknown' }
  const signature = values.map(({ type }) => (type === 'unknown' ? '' : LETTERS[type])).join('')
  const found = findFunction(name, signature)
  if (found === undefined)
    throw new RuleFault(
      { start, end },
      `wrong arguments for function "${name}": it does not take (${values.map(({ type }) => type).join(', ')})`,
    )
  return {
    node: {
      kind: 'call',
      name,
      signature,
      arguments: values.map(({ node }) => node),
      type: found.returns,
      start,
      end,
    },
    type: found.returns,
  }
}
