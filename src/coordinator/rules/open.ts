/** Opens the rules of a scan: out of the cache, or compiled; which of them can hold, the tables that workers search by, and who evaluates what they find. */
import { cpus } from 'node:os'
import { describeMatcher } from '../../patterns/compile.js'
import { compileStrings } from '../../patterns/compile-strings.js'
import type { RuleSet } from '../../rules/ast.js'
import { compileRules } from '../../rules/compile.js'
import { type Guards, guardsOf, withoutRest } from '../../rules/guards.js'
import type { RuleText } from '../../rules/load.js'
import { PLAN_VERSION } from '../../rules/search/plan.js'
import type { StringTables } from '../../rules/search/tables.js'
import type { WordCounts } from '../../rules/search/word-counts.js'
import type { MatcherChoice, PatternSpec } from '../../scan/pattern-spec.js'
import type { MappedPages } from '../../space/mapped-pages.js'
import { cacheFolder } from '../cache-folder.js'
import { type ScanRequest, spaceOf } from '../request.js'
import type { Target } from '../target.js'
import { VERSION } from '../version.js'
import { sampleWords } from './memory-sample.js'
import { cacheKey, digestOf, type KeptStrings, RuleCache } from './rule-cache.js'
import { imageSpace } from './rule-memory.js'
import { RuleSide } from './rule-side.js'
import { unoptimised } from './unoptimised.js'
import { rulesForImage, rulesForSpaces } from './wanted-rules.js'

/** So much rule text is compiled faster without V8's optimiser: of 7 MB it takes two thirds of the processor time. */
const MAX_UNOPTIMISED = 8 << 20

type RuleSpec = Extract<PatternSpec, { kind: 'yara' }>

export interface OpenedRules {
  readonly tables: StringTables
  readonly side: RuleSide
}

/**
 * Compiles rules, unless that was done before. What is returned plans the search of their strings, unless that was done, too: it is called
 * with what is mapped in the spaces that are searched, where that is known.
 * @throws VmsiftError `bad-rule`, `ffi-unavailable`.
 */
export function openRules(
  target: Target,
  specs: readonly RuleSpec[],
  request: ScanRequest,
): (mapped?: MappedPages) => OpenedRules {
  const { externals = {}, matcher = 'auto', contextBytes = 0, outermost = false } = request
  const cache = new RuleCache(cacheFolder())
  // a database of Vectorscan is of one kind of processor, and a home folder may be shared by several
  const versions = [VERSION, PLAN_VERSION, describeMatcher(matcher), matcher, cpus()[0]?.model ?? '']
  const key = cacheKey([versions, process.cwd(), specs.map(keyOf), externals])
  const rules = new CompiledRules(specs, externals, cache.readGuards(key))
  const { guards } = rules
  return mapped => {
    const wanted = isImage(target, request)
      ? rulesForImage(guards, imageSpace(target.memory, target.runs, false))
      : rulesForSpaces(guards, mapped)
    const stringsKey = cacheKey([key, Buffer.from(wanted).toString('base64')])
    const kept = cache.readStrings(stringsKey)
    const { tables, ruleSet } =
      kept ?? planned(rules.ruleSet, wanted, matcher, sampleWords(target.memory, target.memory.runs))
    const writes: (() => void)[] = []
    if (rules.isNew) writes.push(cache.guardsWriter(key, guards, rules.included))
    if (kept === undefined) writes.push(cache.stringsWriter(stringsKey, tables, ruleSet, rules.included))
    const keep = (): void => {
      for (const write of writes.splice(0)) write()
    }
    const folded = target.space === 'virtual'
    const searched = { ruleSet, guards, wanted, externals, tables, keep }
    return { tables, side: new RuleSide(target, folded, searched, { contextBytes, outermost }) }
  }
}

/** Plans the search of the rules that can hold. */
function planned(
  compiled: RuleSet,
  wanted: Uint8Array,
  matcher: MatcherChoice,
  counts: WordCounts,
): KeptStrings {
  const ruleSet = withoutRest(compiled, wanted)
  const strings = compiled.rules.flatMap(rule => (wanted[rule.index] === 1 ? rule.strings : []))
  return { tables: compileStrings(strings, matcher, counts), ruleSet: () => ruleSet }
}

/** Rules as they were compiled, or what is known of them from before. */
class CompiledRules {
  readonly #compile: () => RuleSet
  #ruleSet: RuleSet | undefined
  /** Files whose text is part of the key. */
  readonly #given: ReadonlySet<string | undefined>
  readonly guards: Guards
  /** Their guards are not in the cache. */
  readonly isNew: boolean

  constructor(
    specs: readonly RuleSpec[],
    externals: NonNullable<ScanRequest['externals']>,
    kept: Guards | undefined,
  ) {
    const bytes = specs.reduce((sum, { source }) => sum + source.length, 0)
    const once = bytes <= MAX_UNOPTIMISED ? unoptimised : <Result>(run: () => Result): Result => run()
    this.#compile = () => once(() => compileRules(specs.map(textOf), { externals }))
    this.#given = new Set(specs.map(({ path }) => path))
    this.guards = kept ?? once(() => guardsOf(this.ruleSet))
    this.isNew = kept === undefined
  }

  /** Files that were read besides those that were given. */
  get included(): readonly string[] {
    const included = this.ruleSet.sources.flatMap(({ path }) =>
      path === undefined || this.#given.has(path) ? [] : [path],
    )
    return [...new Set(included)]
  }

  get ruleSet(): RuleSet {
    this.#ruleSet ??= this.#compile()
    return this.#ruleSet
  }
}

/** Rules are evaluated over physical memory as a whole, which has a beginning and a size. */
function isImage(target: Target, request: ScanRequest): boolean {
  return target.space === 'physical' && spaceOf(target, request) === 'physical'
}

/** What tells a rule text apart in a key. */
function keyOf(spec: RuleSpec): unknown {
  return { ...spec, source: digestOf(spec.source) }
}

function textOf({ source, path, namespace }: RuleSpec): RuleText {
  return { source, ...(path !== undefined && { path }), ...(namespace !== undefined && { namespace }) }
}
