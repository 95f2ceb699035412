/** Rules that are left to YARA-X: whether it takes them. */
import { loadYara } from '../patterns/yara-runtime.js'
import type { Rule, RuleSet } from './ast.js'
import type { External } from './scope.js'

export interface ForeignRule {
  readonly rule: Rule
  /** What YARA-X says is wrong with it; undefined when it takes it. */
  readonly refusal: string | undefined
}

/**
 * Every rule that needs YARA-X, compiled by it alone.
 * @throws VmsiftError `ffi-unavailable` when it can't be loaded, where there is such a rule.
 */
export function foreignRules(
  { rules }: RuleSet,
  externals: Readonly<Record<string, External>> = {},
): ForeignRule[] {
  return rules
    .filter(({ needsYaraX }) => needsYaraX.length > 0)
    .map(rule => ({ rule, refusal: refusalOf(rule, externals) }))
}

function refusalOf({ text }: Rule, externals: Readonly<Record<string, External>>): string | undefined {
  if (text === undefined) return 'it comes with too many rules that it refers to'
  const { Compiler } = loadYara()
  const compiler = new Compiler()
  try {
    for (const [name, value] of Object.entries(externals)) compiler.defineGlobal(name, plain(value))
    compiler.addSource(Buffer.from(text, 'latin1').toString('utf8'))
    compiler.build().free()
    return undefined
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return /^error(?:\[\w+\])?: (.*)$/m.exec(message)?.[1] ?? message
  } finally {
    compiler.free()
  }
}

function plain(value: External): string | number | boolean {
  return typeof value === 'bigint' ? Number(value) : value
}
