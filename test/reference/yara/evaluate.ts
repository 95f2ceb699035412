/** Whole rule sets over bytes, by the naive string matcher and the conditions of src/rules. */
import type { RuleSet } from '../../../src/rules/ast.js'
import { Conditions, type EvaluateOptions } from '../../../src/rules/conditions.js'
import type { RuleSpace, StringMatches } from '../../../src/rules/space.js'
import { type FoundString, findString } from './strings.js'

/** The program prints the length of the bytes it keeps. */
const MAX_PRINTED = 512

/** Matches in a list, as an evaluation asks for them; `base` is added to each offset. */
export function matchesOf(found: readonly FoundString[], base = 0n): StringMatches {
  const offsets = found.map(({ offset }) => BigInt(offset) + base)
  return {
    count: found.length,
    offsetAt: index => offsets[index] ?? 0n,
    lengthAt: index => found[index]?.length ?? 0,
    firstFrom(offset) {
      const index = offsets.findIndex(one => one >= offset)
      return index < 0 ? found.length : index
    },
  }
}

/** A file's bytes as a space. */
export function spaceOf(data: Uint8Array, matches: ReadonlyMap<number, StringMatches>): RuleSpace {
  return {
    filesize: BigInt(data.length),
    matches: id => matches.get(id),
    read(offset, length) {
      if (offset >= BigInt(data.length)) return data.subarray(0, 0)
      return data.subarray(Number(offset), Number(offset) + length)
    },
  }
}

export interface NaiveAnswer {
  readonly rules: readonly string[]
  /** `rule $a 0x10 3`, sorted; of rules that hold and strings that are not private. */
  readonly matches: readonly string[]
}

/** What `yara -s -L` should print. */
export function answerOf(ruleSet: RuleSet, data: Uint8Array, options?: EvaluateOptions): NaiveAnswer {
  const found = new Map<number, FoundString[]>()
  for (const { strings } of ruleSet.rules)
    for (const string of strings) found.set(string.id, findString(string, data))
  const matches = new Map([...found].map(([id, list]) => [id, matchesOf(list)]))
  const { holding } = new Conditions(ruleSet).evaluate(spaceOf(data, matches), options)
  const rules = holding.map(index => ruleSet.rules[index]!)
  return {
    rules: rules.map(({ name }) => name),
    matches: rules
      .flatMap(({ name, strings }) =>
        strings
          .filter(({ isPrivate }) => !isPrivate)
          .flatMap(({ id, identifier }) =>
            (found.get(id) ?? []).map(
              ({ offset, length }) =>
                `${name} ${identifier} 0x${offset.toString(16)} ${Math.min(length, MAX_PRINTED)}`,
            ),
          ),
      )
      .sort(),
  }
}
