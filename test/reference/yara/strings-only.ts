/** The strings of rule files, in rules that hold as soon as one of their strings is found: conditions of real rules seldom do. */
import { loadRules, type RuleText } from '../../../src/rules/load.js'

/** One text; rules are called `r0`, `r1`, ... */
export function stringsOnly(texts: readonly RuleText[]): Buffer {
  const { items, sources } = loadRules(texts)
  let count = 0
  const rules = items.flatMap(({ item, source }) => {
    if (item.kind !== 'rule' || item.strings.length === 0) return []
    const { text } = sources[source]!
    const strings = item.strings.map(({ start, end }) => text.slice(start, end).trimEnd())
    return [`rule r${count++} {\n strings:\n  ${strings.join('\n  ')}\n condition: any of them\n}\n`]
  })
  return Buffer.from(rules.join(''), 'latin1')
}
