/** The strings of rule files, in rules that hold as soon as one of their strings is found: conditions of real rules seldom do. */
import { loadRules, type RuleText } from '../../../src/rules/load.js'

/** One text; rules are called `r0`, `r1`, ... */
export function stringsOnly(texts: readonly RuleText[]): Buffer {
  const rules: string[] = []
  loadRules(texts, ({ item, text: { text } }) => {
    if (item.kind !== 'rule' || item.strings.length === 0) return
    const strings = item.strings.map(({ start, end }) => text.slice(start, end).trimEnd())
    rules.push(`rule r${rules.length} {\n strings:\n  ${strings.join('\n  ')}\n condition: any of them\n}\n`)
  })
  return Buffer.from(rules.join(''), 'latin1')
}
