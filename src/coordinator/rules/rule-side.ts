/** The rules of a scan: gathers what workers find, space by space, and at the end evaluates and tells. */
import type { Gap, PhysicalMemory } from '../../core/memory.js'
import type { Rule, RuleSet, RuleString } from '../../rules/ast.js'
import { Conditions } from '../../rules/conditions.js'
import { dependentsOf } from '../../rules/dependents.js'
import type { Guards } from '../../rules/guards.js'
import type { External } from '../../rules/scope.js'
import type { OffsetColumns } from '../../rules/search/columns.js'
import { Gathered } from '../../rules/search/gather.js'
import type { StringTables } from '../../rules/search/tables.js'
import type { ResidentMatchEvent } from '../../scan/events.js'
import type { Batch } from '../../scan/messages.js'
import type { RuleHit } from '../../scan/scanner.js'
import type { RulePlan } from '../../space/rule-plan.js'
import type { Target } from '../target.js'
import { ForeignRules, MAX_REGIONS } from './foreign.js'
import { FullParts } from './full-parts.js'
import { cutAt, LostRanges } from './lost-ranges.js'
import { imageSpace, type RuleMemory } from './rule-memory.js'
import { SpaceMatches } from './space-matches.js'
import { type AskedOfMatches, toldMatches } from './told-matches.js'
import { addFixedPlaces, ruleName, stringsAtFixedPlaces, verdict } from './verdict.js'

/** Names of a list that are told, in a line for a person. */
const FEW_NAMES = 3

/** Rules, and how their strings are searched. */
export interface SearchedRules {
  /** Decoded, the first time, when it is called: that is not to delay the search. */
  readonly ruleSet: () => RuleSet
  readonly guards: Guards
  /** By rule: 1 where it can hold and is evaluated. */
  readonly wanted: Uint8Array
  readonly externals: Readonly<Record<string, External>>
  readonly tables: StringTables
  /** Puts rules into the cache, where they are not there yet. */
  readonly keep: () => void
}

/** A rule that holds, in the space that `address` lies in, or matches of a string of such a rule at their addresses. */
export type RuleFinding =
  | { readonly kind: 'rule'; readonly hit: RuleHit; readonly address: number }
  | { readonly kind: 'matches'; readonly matches: readonly ResidentMatchEvent[] }

/** A space that rules are evaluated in. */
export interface Scope {
  /** An address that belongs to it. */
  readonly start: number
  readonly space: RuleMemory
  /** What was found, by the strings' ids. */
  readonly strings: Map<number, OffsetColumns>
  /** Ids of strings of which not every match was kept. */
  readonly limited: ReadonlySet<number>
}

/** What the end of a scan needs. */
interface Prepared {
  readonly ruleSet: RuleSet
  readonly conditions: Conditions
  /** Strings that count at one offset only. */
  readonly fixed: readonly RuleString[]
}

export class RuleSide {
  readonly #rules: SearchedRules
  #prepared: Prepared | undefined
  readonly #asked: AskedOfMatches
  readonly #exhausted = new Set<number>()
  readonly #limited = new Set<number>()
  readonly #failed = new Set<string>()
  readonly #cut = new Set<string>()
  readonly #image: () => RuleMemory
  readonly #gathered: Gathered
  #spaces: SpaceMatches | undefined
  readonly #lost = new LostRanges()
  readonly #full: FullParts

  constructor(target: Target, folded: boolean, rules: SearchedRules, asked: AskedOfMatches) {
    this.#rules = rules
    this.#asked = asked
    this.#gathered = new Gathered(rules.tables)
    this.#full = new FullParts(rules.tables.flags.length)
    this.#image = () => imageSpace(target.memory, folded ? target.memory.runs : target.runs, folded)
  }

  /** What workers need not look for any more, as it becomes known; undefined where spaces are laid out. */
  get fullParts(): Uint8Array | undefined {
    return this.#spaces === undefined ? this.#full.flags : undefined
  }

  /** Evaluates in laid-out spaces, each by itself, in place of the image. `memory` is this thread's. */
  useSpaces(plan: RulePlan, memory: PhysicalMemory): void {
    this.#spaces = new SpaceMatches(this.#rules.tables, plan, memory)
  }

  /** Makes the conditions ready, and keeps what was compiled, while others search. */
  prepareEarly(): void {
    this.#rules.keep()
    try {
      this.prepare()
    } catch {
      // told when the rules are evaluated, where it ends the scan
    }
  }

  prepare(): Prepared {
    if (this.#prepared === undefined) {
      const ruleSet = this.#rules.ruleSet()
      const conditions = new Conditions(ruleSet, this.#rules.wanted)
      this.#prepared = { ruleSet, conditions, fixed: stringsAtFixedPlaces(ruleSet) }
    }
    return this.#prepared
  }

  /** Takes what a worker found. */
  add(batch: Batch): void {
    const { strings, dropped = [], gaps } = batch
    for (const part of dropped) this.#limited.add(this.#rules.tables.string[part] as number)
    this.#lost.add(gaps)
    if (this.#spaces !== undefined) {
      this.#spaces.add(batch)
      return
    }
    this.#full.add(batch)
    if (strings !== undefined) {
      const { count, part, gpa, length } = strings
      for (let i = 0; i < count; i++)
        this.#gathered.add(part[i] as number, gpa[i] as number, length[i] as number)
    }
  }

  /** Memory that was given up: nothing was found there. */
  lose(gaps: readonly Gap[]): void {
    this.#lost.add(gaps)
  }

  *#scopes(): Generator<Scope> {
    if (this.#spaces !== undefined) {
      yield* this.#spaces.scopes(this.#lost)
      return
    }
    const space = this.#image()
    const cuts = this.#lost.inImage()
    const strings = this.#gathered.finish(address => cutAt(cuts, address, space.runEnd(address)))
    yield { start: 0, space, strings, limited: this.#gathered.limited }
  }

  /** Evaluates all rules in each space; a rule that holds comes before its matches. Undefined: it takes long, and more is to come. */
  *findings(): Generator<RuleFinding | undefined> {
    const { ruleSet, conditions, fixed } = this.prepare()
    using foreign = new ForeignRules(this.#rules.externals, this.#rules.guards)
    try {
      for (const { space, strings, limited, start } of this.#scopes()) {
        for (const string of limited) this.#limited.add(string)
        addFixedPlaces(fixed, strings, space)
        space.strings = strings
        for (const held of verdict(ruleSet, conditions, space, {
          exhausted: this.#exhausted,
          foreign: rule => foreign.holds(rule, space, this.#limited),
          isOneOfMany: this.#spaces !== undefined,
        })) {
          yield held && { kind: 'rule', hit: held.hit, address: start }
          for (const string of held?.strings ?? [])
            for (const matches of toldMatches(space, string, this.#asked)) yield { kind: 'matches', matches }
        }
      }
    } finally {
      // told even where nobody wants more matches
      for (const rule of foreign.failed) this.#failed.add(ruleName(rule))
      for (const rule of foreign.cut) this.#cut.add(ruleName(rule))
    }
  }

  /** What a person should know, once all is told. */
  hints(): string[] {
    const { rules } = this.prepare().ruleSet
    const exhausted = rules.filter(({ index }) => this.#exhausted.has(index)).map(ruleName)
    const foreign = rules.filter(({ needsYaraX }) => needsYaraX.length > 0)
    const { wanted } = this.#rules
    const placeless = foreign.filter(({ index, strings }) => wanted[index] === 1 && strings.length === 0)
    const placed = foreign.filter(rule => !placeless.includes(rule))
    const hint = (names: readonly string[], text: string): string[] =>
      names.length === 0 ? [] : [`${named(names)}${text}`]
    const left = (some: readonly Rule[], text: string): string[] => {
      const dependents = [...dependentsOf(rules, some).keys()].filter(({ index }) => wanted[index] === 1)
      const also =
        dependents.length === 0
          ? ''
          : `; no more exact is what refers to them: ${named(dependents.map(ruleName))}`
      const all =
        Math.max(some.length, dependents.length) > FEW_NAMES ? ' (vmsift rules check names all)' : ''
      return hint(some.map(ruleName), `: modules like pe and elf know files, not memory${text}${also}${all}`)
    }
    return [
      ...(rules.length === 0 ? ['the rule files hold no rule: nothing was looked for on their behalf'] : []),
      ...hint(exhausted, ': conditions take too long: they count as not holding'),
      ...left(
        placed,
        ': evaluated by YARA-X in regions of 16 MiB around their strings, which may differ from yara',
      ),
      ...left(placeless, ', and no string says where one may be: they count as not holding'),
      ...hint([...this.#failed], ' could not be evaluated: they count as not holding'),
      ...hint(
        [...this.#cut],
        `: strings in more regions than YARA-X is asked about: only the first ${MAX_REGIONS} were looked at`,
      ),
    ]
  }

  /** Strings of which not every match was kept, as `rule:$a`. */
  limited(): string[] {
    if (this.#limited.size === 0) return []
    return this.prepare().ruleSet.rules.flatMap(rule =>
      rule.strings
        .filter(({ id }) => this.#limited.has(id))
        .map(({ identifier }) => `${ruleName(rule)}:${identifier}`),
    )
  }
}

/** The first few of a list of names, and how many more there are. */
export function named(names: readonly string[]): string {
  const shown = names.slice(0, FEW_NAMES).join(', ')
  const more = names.length - FEW_NAMES
  return more > 0 ? `${shown} and ${more} more` : shown
}
