/** What `vmsift rules check` found, for programs and for people. */
import type { Rule, RuleSet } from '../rules/ast.js'
import { checkRules } from '../rules/compile.js'
import { dependentsOf } from '../rules/dependents.js'
import { foreignRules } from '../rules/foreign.js'
import type { RuleText } from '../rules/load.js'
import type { RuleProblem } from '../rules/problem.js'
import type { External } from '../rules/scope.js'
import { slowStrings } from '../rules/slow-strings.js'
import { escapeText } from './escape.js'
import { line } from './scan-json.js'

/** One thing to tell; `path`, `line` and `column` say where. */
interface Remark {
  readonly path: string | undefined
  readonly line: number
  readonly column: number
  readonly message: string
  readonly rule?: string
  readonly namespace?: string
  readonly string?: string
}

export interface RulesReport {
  readonly errors: readonly RuleProblem[]
  readonly warnings: readonly Remark[]
  readonly slow: readonly Remark[]
  readonly foreign: readonly Remark[]
  readonly rules: number
  readonly strings: number
}

/** Compiles rules and collects all there is to say about them. */
export function reportOf(
  texts: readonly RuleText[],
  externals: Readonly<Record<string, External>>,
): RulesReport {
  const { ruleSet, problems } = checkRules(texts, { externals })
  const foreign = foreignRules(ruleSet, externals)
  const refused = foreign.filter(({ refusal }) => refusal !== undefined)
  return {
    errors: [
      ...problems,
      ...refused.map(({ rule, refusal }) => ({
        ...placeOf(ruleSet, rule.place),
        message: `${whereOf(ruleSet, rule.place)}: YARA-X, which has ${rule.needsYaraX.join(', ')}, refuses this rule: ${refusal}`,
        excerpt: '',
      })),
    ],
    warnings: ruleSet.warnings.map(({ message, place }) => ({ ...placeOf(ruleSet, place), message })),
    slow: slowStrings(ruleSet).map(({ rule, string, reason }) => ({
      ...placeOf(ruleSet, string.place),
      rule: rule.name,
      namespace: rule.namespace,
      string: string.identifier,
      message: `${whereOf(ruleSet, string.place)}: ${string.identifier} of ${rule.name} ${reason}`,
    })),
    foreign: foreignRemarks(
      ruleSet,
      foreign.filter(({ refusal }) => refusal === undefined).map(({ rule }) => rule),
    ),
    rules: ruleSet.rules.length,
    strings: ruleSet.strings,
  }
}

/** Rules that YARA-X evaluates, and then those that refer to them. */
function foreignRemarks(ruleSet: RuleSet, foreign: readonly Rule[]): Remark[] {
  const remark = (rule: Rule, text: string): Remark => ({
    ...placeOf(ruleSet, rule.place),
    rule: rule.name,
    namespace: rule.namespace,
    message: `${whereOf(ruleSet, rule.place)}: ${rule.name} ${text}`,
  })
  return [
    ...foreign.map(rule => {
      const why = rule.needsYaraX.join(', ')
      const placed = rule.strings.length > 0
      return remark(
        rule,
        placed
          ? `is left to YARA-X: ${why}`
          : `counts as not holding: it needs ${why}, and has no string that says where a file may be`,
      )
    }),
    ...Array.from(dependentsOf(ruleSet.rules, foreign), ([rule, named]) =>
      remark(rule, `is no more exact than ${named.name}, which it refers to`),
    ),
  ]
}

type Place = RuleSet['rules'][number]['place']

function placeOf(
  { sources }: RuleSet,
  { source, line: row, column }: Place,
): Pick<Remark, 'path' | 'line' | 'column'> {
  return { path: sources[source]?.path, line: row, column }
}

function whereOf(ruleSet: RuleSet, place: Place): string {
  const { path, line: row, column } = placeOf(ruleSet, place)
  return `${path ?? 'rule'}:${row}:${column}`
}

/** One object a line; the summary is the last. */
export function* reportJson({
  errors,
  warnings,
  slow,
  foreign,
  rules,
  strings,
}: RulesReport): Generator<string> {
  for (const error of errors) yield line({ type: 'error', ...error })
  for (const warning of warnings) yield line({ type: 'warning', ...warning })
  for (const one of foreign) yield line({ type: 'foreign', ...one })
  for (const one of slow) yield line({ type: 'slow', ...one })
  yield line({
    type: 'summary',
    rules,
    strings,
    errors: errors.length,
    warnings: warnings.length,
    slow: slow.length,
    foreign: foreign.length,
  })
}

/** As a compiler would: each error with its line and a caret. */
export function* reportText({
  errors,
  warnings,
  slow,
  foreign,
  rules,
  strings,
}: RulesReport): Generator<string> {
  for (const { message, excerpt } of errors) {
    yield `${escapeText(message)}\n`
    for (const row of excerpt === '' ? [] : excerpt.split('\n')) yield `  ${escapeText(row)}\n`
  }
  for (const { message } of warnings) yield `${escapeText(message)} (warning)\n`
  for (const { message } of foreign) yield `${escapeText(message)}\n`
  for (const { message } of slow) yield `${escapeText(message)} (slow)\n`
  const counts = [
    counted(rules, 'rule'),
    counted(strings, 'string'),
    counted(errors.length, 'error'),
    ...(slow.length > 0 ? [`${counted(slow.length, 'string')} slow`] : []),
  ]
  yield `${counts.join(', ')}\n`
}

function counted(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}
