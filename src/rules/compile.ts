/** Rule texts to a `RuleSet`: everything a user can have done wrong is found here. */
import type { MetaEntry, Place, Rule, RuleSet, RuleString, RuleWarning, Span } from './ast.js'
import { ConditionChecker } from './check.js'
import { type LoadedItem, loadRules, type RuleText } from './load.js'
import { FOREIGN_MODULES, MODULES } from './modules/known.js'
import { MAX_NAME } from './names.js'
import { problemAt, RuleFault, type RuleProblem, ruleError } from './problem.js'
import { type External, type NamespaceScope, RuleScope, SetBudget } from './scope.js'
import { decoded, type SourceText } from './source-text.js'
import { stringPattern } from './strings.js'
import type { SyntaxImport, SyntaxMeta, SyntaxRule } from './syntax.js'

/** As in YARA. */
const MAX_STRINGS_PER_RULE = 10_000
/** More is not told. */
const MAX_WARNINGS = 1000
const MAX_PROBLEMS = 1000
/** Texts for YARA-X: of one rule, and together. */
const MAX_STANDALONE_BYTES = 1 << 20
const MAX_STANDALONE_TOTAL = 1 << 26

export interface RuleOptions {
  /** External variables by name. */
  readonly externals?: Readonly<Record<string, External>>
}

/** Rules, and what is wrong with the others. */
export interface CheckedRules {
  /** The rules that are right, as far as there are any. */
  readonly ruleSet: RuleSet
  readonly problems: readonly RuleProblem[]
}

/**
 * Compiles rules.
 * @throws VmsiftError `bad-rule`: one line with file, line and column; `detail.text` tells all problems with their excerpts.
 */
export function compileRules(texts: readonly RuleText[], options: RuleOptions = {}): RuleSet {
  const { ruleSet, problems } = checkRules(texts, options)
  if (problems.length > 0) throw ruleError(problems)
  return ruleSet
}

/** Compiles rules, and collects what is wrong instead of ending at the first. */
export function checkRules(texts: readonly RuleText[], options: RuleOptions = {}): CheckedRules {
  const compiler = new RuleCompiler(new Map(Object.entries(options.externals ?? {})))
  const { sources, problems } = loadRules(texts, item => compiler.add(item))
  return { ruleSet: compiler.ruleSet(sources), problems: [...problems, ...compiler.problems] }
}

class RuleCompiler {
  readonly problems: RuleProblem[] = []
  readonly #externals: ReadonlyMap<string, External>
  readonly #namespaces = new Map<string, NamespaceScope>()
  readonly #rules: Rule[] = []
  /** Names of the rules so far, and of the one that is compiled: if that is wrong, the next takes its place. */
  readonly #names: string[] = []
  readonly #texts: string[] = []
  readonly #references: ReadonlySet<number>[] = []
  readonly #warnings: RuleWarning[] = []
  readonly #budget = new SetBudget()
  #strings = 0
  #standaloneBytes = 0

  constructor(externals: ReadonlyMap<string, External>) {
    this.#externals = externals
  }

  add({ item, text, source, namespace }: LoadedItem): void {
    const scope = this.#namespace(namespace)
    const strings = this.#strings
    try {
      if (item.kind === 'import') this.#import(item, scope)
      else this.#rule(item, text, source, scope)
    } catch (error) {
      if (!(error instanceof RuleFault)) throw error
      if (this.problems.length < MAX_PROBLEMS) this.problems.push(problemAt(text, error.span, error.message))
      if (item.kind !== 'rule') return
      this.#strings = strings
      // It is known, so that no rule after it is wrong because this one is.
      if (!scope.rules.has(item.name.text)) scope.rules.set(item.name.text, undefined)
      else if (scope.rules.get(item.name.text) === this.#rules.length)
        scope.rules.set(item.name.text, undefined)
    }
  }

  ruleSet(sources: readonly SourceText[]): RuleSet {
    return {
      sources: sources.map(({ path }) => ({ path })),
      rules: this.#rules,
      strings: this.#strings,
      warnings: this.#warnings,
    }
  }

  #namespace(name: string): NamespaceScope {
    const known = this.#namespaces.get(name)
    if (known !== undefined) return known
    const scope = { name, rules: new Map(), imports: new Set<string>(), wildcards: new Set<string>() }
    this.#namespaces.set(name, scope)
    return scope
  }

  #import(item: SyntaxImport, scope: NamespaceScope): void {
    if (!Object.hasOwn(MODULES, item.module) && !FOREIGN_MODULES.includes(item.module))
      throw new RuleFault(item, `unknown module "${decoded(item.module)}"`)
    scope.imports.add(item.module)
  }

  #rule(syntax: SyntaxRule, text: SourceText, source: number, namespace: NamespaceScope): void {
    const name = syntax.name.text
    this.#checkName(syntax, namespace)
    checkTags(syntax)
    const index = this.#rules.length
    namespace.rules.set(name, index)
    this.#names[index] = name
    const placeOf = (offset: number): Place => ({ source, ...text.placeAt(offset) })
    const warn = (span: Span, message: string) => {
      if (this.#warnings.length < MAX_WARNINGS)
        this.#warnings.push({ message: `${text.where(span.start)}: ${message}`, place: placeOf(span.start) })
    }
    const strings = this.#stringsOf(syntax, index, text, placeOf)
    const scope = new RuleScope(namespace, strings, this.#names, this.#externals, this.#budget)
    const condition = new ConditionChecker(scope, text, warn).condition(syntax.condition)
    const used = scope.strings.result()
    const [unused] = used.unused
    if (unused !== undefined) {
      const definition = syntax.strings[strings.indexOf(unused)]
      throw new RuleFault(definition?.identifier ?? syntax.name, `unreferenced string "${unused.identifier}"`)
    }
    this.#texts.push(text.text.slice(syntax.start, syntax.end))
    this.#references.push(scope.references)
    const standalone = scope.foreign.size === 0 ? undefined : this.#standalone(index, namespace)
    this.#rules.push({
      index,
      namespace: namespace.name,
      name,
      place: placeOf(syntax.name.start),
      isGlobal: syntax.flags.some(({ word }) => word === 'global'),
      isPrivate: syntax.flags.some(({ word }) => word === 'private'),
      tags: syntax.tags.map(tag => tag.text),
      meta: syntax.meta.map(metaOf),
      strings: used.strings,
      condition,
      references: [...scope.references],
      needsYaraX: [...scope.foreign],
      ...(standalone !== undefined && { text: standalone }),
    })
  }

  #checkName({ name }: SyntaxRule, namespace: NamespaceScope): void {
    const { text } = name
    if (text.length > MAX_NAME)
      throw new RuleFault(name, `identifier too long: at most ${MAX_NAME} characters`)
    if (namespace.rules.has(text) || this.#externals.has(text))
      throw new RuleFault(name, `duplicated identifier "${text}"`)
    for (const prefix of namespace.wildcards)
      if (text.startsWith(prefix))
        throw new RuleFault(name, `rule identifier "${text}" matches previously used wildcard rule set`)
  }

  #stringsOf(
    syntax: SyntaxRule,
    rule: number,
    text: SourceText,
    placeOf: (offset: number) => Place,
  ): readonly RuleString[] {
    if (syntax.strings.length > MAX_STRINGS_PER_RULE)
      throw new RuleFault(syntax.name, `rule has too many strings: at most ${MAX_STRINGS_PER_RULE}`)
    const names = new Set<string>()
    return syntax.strings.map(definition => {
      const { name } = definition.identifier
      if (name !== '' && names.has(name))
        throw new RuleFault(definition.identifier, `duplicated string identifier "$${name}"`)
      names.add(name)
      const { pattern, isPrivate } = stringPattern(text, definition)
      return {
        id: this.#strings++,
        rule,
        identifier: `$${name}`,
        place: placeOf(definition.identifier.start),
        isPrivate,
        pattern,
      }
    })
  }

  /** The rule's text with what it refers to before it, to be compiled alone; undefined where that is too much. */
  #standalone(index: number, { imports }: NamespaceScope): string | undefined {
    if (this.#standaloneBytes > MAX_STANDALONE_TOTAL) return undefined
    const wanted = new Set([index])
    let length = 0
    // A set grows while it is gone through.
    for (const rule of wanted) {
      const { length: bytes } = this.#texts[rule] ?? ''
      length += bytes
      this.#standaloneBytes += bytes
      if (length > MAX_STANDALONE_BYTES) return undefined
      for (const reference of this.#references[rule] ?? []) wanted.add(reference)
    }
    const rules = [...wanted].sort((a, b) => a - b).map(rule => this.#texts[rule] ?? '')
    return [...[...imports].map(module => `import "${module}"`), ...rules].join('\n')
  }
}

function checkTags({ tags }: SyntaxRule): void {
  const seen = new Set<string>()
  for (const tag of tags) {
    if (seen.has(tag.text)) throw new RuleFault(tag, `duplicated tag identifier "${tag.text}"`)
    seen.add(tag.text)
  }
}

function metaOf({ name, value }: SyntaxMeta): MetaEntry {
  switch (value.kind) {
    case 'text':
    case 'boolean':
      return { name, value: value.value }
    case 'float':
      return { name, value: value.negative ? -value.value : value.value }
    case 'integer':
      if (value.value > 2n ** 63n - 1n) throw new RuleFault(value, `integer overflow in "${value.value}"`)
      return { name, value: value.negative ? -value.value : value.value }
  }
}
