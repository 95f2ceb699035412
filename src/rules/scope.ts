/** The names a condition can use: loop variables, external variables, modules, rules, and the strings of its own rule. */
import type { RuleString, Span, ValueType } from './ast.js'
import { RuleFault } from './problem.js'
import { isLiteral } from './strings.js'

/** What the checker knows of a value: `unknown` is something of a module that is left to YARA-X. */
export type Type = ValueType | 'unknown'

/** Value of an external variable. A number is a float, whatever its fraction; integers are bigints. */
export type External = string | number | bigint | boolean

/** Names of one namespace, while its rules are compiled. */
export interface NamespaceScope {
  readonly name: string
  /** Indices of rules by name; undefined for one that has an error. */
  readonly rules: Map<string, number | undefined>
  readonly imports: Set<string>
  /** Beginnings of names that `of (name*)` used: no later rule may be called like that. */
  readonly wildcards: Set<string>
}

export interface Variable {
  readonly name: string
  readonly slot: number
  readonly type: Type
}

/** How a condition uses a string, in the order of its text: what YARA derives from it. */
type StringUse = 'found' | 'at' | 'set' | 'other'

interface TrackedString {
  readonly string: RuleString
  referenced: boolean
  fixed: bigint | undefined
  mayBeFixed: boolean
}

/** The strings of the rule that is compiled. */
export class StringScope {
  readonly #tracked: readonly TrackedString[]
  readonly #byName = new Map<string, number>()

  constructor(strings: readonly RuleString[]) {
    this.#tracked = strings.map(string => ({
      string,
      referenced: false,
      fixed: undefined,
      mayBeFixed: true,
    }))
    strings.forEach(({ identifier }, index) => void this.#byName.set(identifier, index))
  }

  get count(): number {
    return this.#tracked.length
  }

  /** The string `$name`. */
  find(name: string, span: Span): number {
    const index = this.#byName.get(`$${name}`)
    if (index === undefined) throw new RuleFault(span, `undefined string "$${name}"`)
    return index
  }

  /** All strings whose names begin like this; `$` alone is all anonymous ones when `exact`. */
  findAll(name: string, exact: boolean, span: Span): number[] {
    const wanted = `$${name}`
    const found = [...this.#tracked.keys()].filter(index => {
      const identifier = this.#tracked[index]?.string.identifier ?? ''
      return exact ? identifier === wanted : identifier.startsWith(wanted)
    })
    if (found.length === 0) throw new RuleFault(span, `undefined string "${wanted}${exact ? '' : '*'}"`)
    for (const index of found) this.use(index, 'set')
    return found
  }

  /** Remembers a use, and the offset of an `at` where it is a constant. YARA's own rules, parser.c of 4.2. */
  use(index: number, use: StringUse, offset?: bigint): void {
    const tracked = this.#tracked[index]
    if (tracked === undefined) return
    tracked.referenced = true
    this.#narrow(tracked, use, offset)
    if (use === 'at' && tracked.fixed === undefined) tracked.mayBeFixed = false
  }

  /** A use of the loop's string counts for every string of the rule. */
  useLoop(use: StringUse, offset?: bigint): void {
    for (const tracked of this.#tracked) this.#narrow(tracked, use, offset)
  }

  #narrow(tracked: TrackedString, use: StringUse, offset: bigint | undefined): void {
    if (use !== 'at') {
      tracked.mayBeFixed = false
      return
    }
    tracked.fixed ??= offset
    if (tracked.fixed !== offset) tracked.mayBeFixed = false
  }

  /** The strings as they are used; those that are never used come as `unused`. */
  result(): { readonly strings: RuleString[]; readonly unused: RuleString[] } {
    return {
      strings: this.#tracked.map(({ string, fixed, mayBeFixed, referenced }) =>
        referenced && mayBeFixed && fixed !== undefined && isLiteral(string.pattern)
          ? { ...string, fixedOffset: BigInt.asUintN(64, fixed) }
          : string,
      ),
      unused: this.#tracked
        .filter(({ referenced, string }) => !referenced && !string.identifier.startsWith('$_'))
        .map(({ string }) => string),
    }
  }
}

/** What sets of strings and rules may come to, all together: a wildcard in each of many rules would fill the memory. */
export class SetBudget {
  #left = 1 << 22

  /** Accounts for a set of `count` items, out of `among`. */
  spend(count: number, among: number, span: Span): void {
    this.#left -= Math.max(count, among >>> 4)
    if (this.#left < 0) throw new RuleFault(span, 'sets of strings and rules are too large, all together')
  }
}

/** Everything in sight of one condition. */
export class RuleScope {
  readonly namespace: NamespaceScope
  readonly strings: StringScope
  /** Names of rules before this one, and this one's, of all namespaces, in order. */
  readonly earlier: readonly string[]
  readonly externals: ReadonlyMap<string, External>
  readonly budget: SetBudget
  readonly variables: Variable[] = []
  /** Depth of `for ... of` around: its string is `$`. */
  loops = 0
  /** What the rule uses that only YARA-X has. */
  readonly foreign = new Set<string>()
  /** Rules that the condition refers to. */
  readonly references = new Set<number>()

  constructor(
    namespace: NamespaceScope,
    strings: readonly RuleString[],
    earlier: readonly string[],
    externals: ReadonlyMap<string, External>,
    budget: SetBudget,
  ) {
    this.namespace = namespace
    this.budget = budget
    this.strings = new StringScope(strings)
    this.earlier = earlier
    this.externals = externals
  }

  variable(name: string): Variable | undefined {
    return this.variables.find(variable => variable.name === name)
  }

  /** Adds a variable for the time `run` takes. */
  withVariables<Result>(
    added: readonly { readonly name: string; readonly span: Span; readonly type: Type }[],
    run: (variables: readonly Variable[]) => Result,
  ): Result {
    const before = this.variables.length
    try {
      for (const { name, span, type } of added) {
        if (this.variable(name) !== undefined)
          throw new RuleFault(span, `duplicated loop identifier "${name}"`)
        this.variables.push({ name, slot: this.variables.length, type })
      }
      return run(this.variables.slice(before))
    } finally {
      this.variables.length = before
    }
  }
}
