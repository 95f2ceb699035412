/**
 * Rules that use modules which have no meaning on memory as a whole (`pe`, `elf`, ...): YARA-X evaluates them, text and all, over the regions in
 * which their strings were found. That is not what YARA says of the whole; so they are told of, once.
 */

import type { MemoryRun } from '../../core/memory.js'
import { loadYara, type YaraEngine, type YaraRules } from '../../patterns/yara-runtime.js'
import type { Rule } from '../../rules/ast.js'
import { GuardChecks } from '../../rules/guard-checks.js'
import { type Guards, NO_GUARD } from '../../rules/guards.js'
import type { External } from '../../rules/scope.js'
import { regionsWithStrings } from './foreign-regions.js'
import { regionSpace } from './regions.js'
import type { RuleMemory } from './rule-memory.js'

/** Regions of one space that one rule is evaluated in. */
export const MAX_REGIONS = 256
const TIMEOUT_MS = 60_000

/** What is used of a result; the package types it `any`. */
interface YaraResult {
  readonly valid: boolean
  readonly matches: readonly { readonly identifier: string }[]
}

export class ForeignRules implements Disposable {
  readonly #externals: Readonly<Record<string, External>>
  readonly #engines = new Map<
    number,
    { readonly rules: YaraRules; readonly engine: YaraEngine } | undefined
  >()
  /** Rules that could not be evaluated at all. */
  readonly failed = new Set<Rule>()
  /** Rules whose strings lie in more regions than were looked at. */
  readonly cut = new Set<Rule>()
  readonly #guards: Guards
  readonly #checks: GuardChecks

  constructor(externals: Readonly<Record<string, External>>, guards: Guards) {
    this.#externals = externals
    this.#guards = guards
    this.#checks = new GuardChecks(guards)
  }

  /** Whether a rule holds in some region of a space that holds enough of its strings. `limited`: as in `regionsWithStrings`. */
  holds(rule: Rule, space: RuleMemory, limited: ReadonlySet<number>): boolean {
    const regions = this.#regionsOf(rule, space, limited)
    if (regions.length === 0) return false
    const engine = this.#engineOf(rule)
    if (engine === undefined) return false
    return regions.some(({ gpa, length }) => this.#holdsIn(rule, engine, space.peek(gpa, length)))
  }

  /** Where enough strings of the rule are, and what the rule asks for besides strings holds. */
  #regionsOf(rule: Rule, space: RuleMemory, limited: ReadonlySet<number>): readonly MemoryRun[] {
    const { regions, cut } = regionsWithStrings(rule, space, limited)
    const guard = this.#guards.guard[rule.index] ?? NO_GUARD
    const asked =
      guard === NO_GUARD
        ? regions
        : regions.filter(region => this.#checks.mayHold(guard, regionSpace(space, region)))
    if (cut || asked.length > MAX_REGIONS) this.cut.add(rule)
    return asked.slice(0, MAX_REGIONS)
  }

  #holdsIn(rule: Rule, engine: YaraEngine, bytes: Uint8Array): boolean {
    // YARA's console module writes with console.log; stdout is for results
    const { log } = console
    console.log = console.error
    try {
      const result = engine.scan(bytes) as YaraResult
      return result.valid && result.matches.some(({ identifier }) => identifier === rule.name)
    } catch {
      // out of time, or out of memory: it can't be told
      this.failed.add(rule)
      return false
    } finally {
      console.log = log
    }
  }

  #engineOf(rule: Rule): YaraEngine | undefined {
    if (!this.#engines.has(rule.index)) this.#engines.set(rule.index, this.#build(rule))
    return this.#engines.get(rule.index)?.engine
  }

  #build(rule: Rule): { readonly rules: YaraRules; readonly engine: YaraEngine } | undefined {
    if (rule.text === undefined) {
      this.failed.add(rule)
      return undefined
    }
    const { Compiler } = loadYara()
    const compiler = new Compiler()
    try {
      for (const [name, value] of Object.entries(this.#externals))
        compiler.defineGlobal(name, typeof value === 'bigint' ? Number(value) : value)
      compiler.addSource(Buffer.from(rule.text, 'latin1').toString('utf8'))
      const rules = compiler.build()
      const engine = rules.scanner()
      engine.setTimeoutMs(TIMEOUT_MS)
      return { rules, engine }
    } catch {
      // what YARA takes and YARA-X does not
      this.failed.add(rule)
      return undefined
    } finally {
      compiler.free()
    }
  }

  [Symbol.dispose](): void {
    for (const each of this.#engines.values()) {
      each?.engine.free()
      each?.rules.free()
    }
    this.#engines.clear()
  }
}
