/** What the rules say of one space: which hold, and the matches of theirs that are told. */

import type { Rule, RuleSet, RuleString } from '../../rules/ast.js'
import type { Conditions } from '../../rules/conditions.js'
import { OffsetColumns } from '../../rules/search/columns.js'
import { lengthAtFixedOffset } from '../../rules/search/fixed-place.js'
import { decoded } from '../../rules/source-text.js'
import type { MetaValue, RuleHit } from '../../scan/scanner.js'
import type { RuleMemory } from './rule-memory.js'

/** A string of a rule that holds, and that has matches. */
export interface ToldString {
  readonly rule: Rule
  readonly string: RuleString
}

/** The rules' names where a person reads them: `namespace:rule`, without the default namespace. */
export function ruleName({ namespace, name }: Rule): string {
  return namespace === 'default' ? name : `${namespace}:${name}`
}

/** The strings that count at one offset only. */
export function stringsAtFixedPlaces({ rules }: RuleSet): RuleString[] {
  return rules.flatMap(({ strings }) => strings.filter(({ fixedOffset }) => fixedOffset !== undefined))
}

/** Adds the matches of strings that count at one offset only. */
export function addFixedPlaces(
  fixed: readonly RuleString[],
  strings: Map<number, OffsetColumns>,
  space: RuleMemory,
): void {
  for (const string of fixed) {
    const address = space.addressAt(BigInt.asUintN(64, string.fixedOffset ?? 0n))
    if (address === undefined) continue
    const length = lengthAtFixedOffset(string, (offset, bytes) => space.read(offset, bytes))
    if (length < 0) continue
    const columns = new OffsetColumns()
    columns.push(address, length)
    strings.set(string.id, columns)
  }
}

/** Evaluates; tells rules that hold, each with its strings behind it. Undefined: it takes long, and more is to come. */
export function* verdict(
  { rules }: RuleSet,
  conditions: Conditions,
  space: RuleMemory,
  options: {
    readonly exhausted: Set<number>
    readonly foreign: (rule: Rule) => boolean
    /** One of many: rules that can't hold there without their strings are passed over. */
    readonly isOneOfMany: boolean
  },
): Generator<{ readonly hit: RuleHit; readonly strings: readonly ToldString[] } | undefined> {
  const outcome = yield* conditions.inPieces(space, {
    foreign: options.foreign,
    ...(options.isOneOfMany && { found: space.found }),
  })
  for (const index of outcome.exhausted) options.exhausted.add(index)
  for (const index of outcome.holding) {
    const rule = rules[index] as Rule
    const strings = rule.strings.flatMap((string): ToldString[] => {
      const found = !string.isPrivate && space.columns(string.id) !== undefined
      return found ? [{ rule, string }] : []
    })
    yield { hit: hitOf(rule), strings }
  }
}

function hitOf({ namespace, name, tags, meta }: Rule): RuleHit {
  const values = new Map<string, MetaValue[]>()
  for (const { name: key, value } of meta) {
    const known = values.get(key)
    if (known === undefined) values.set(key, [plain(value)])
    else known.push(plain(value))
  }
  // an entry may be called __proto__
  const entries = Array.from(values, ([key, all]) => [key, all.length === 1 ? all[0] : all] as const)
  return { namespace, rule: name, tags, meta: Object.fromEntries(entries) as RuleHit['meta'] }
}

function plain(value: Rule['meta'][number]['value']): MetaValue {
  if (typeof value === 'string') return decoded(value)
  if (typeof value !== 'bigint') return value
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : `${value}`
}
