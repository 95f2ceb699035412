/**
 * What must hold of a space for a rule to hold there, whatever strings are found: `uint16(0) == 0x5a4d and filesize < 2MB`. It is asked
 * before anything is searched, and the strings of rules that can't hold need not be looked for.
 */
import type { Expression, Rule, RuleSet, RuleString, StringReference, Where } from './ast.js'
import { beginsAs, fileOfOperand } from './file-kinds.js'
import { partsOf, type Variant } from './search/parts.js'

/** Guards of a rule set: plain data, which is kept with it. Columns are by rule. */
export interface Guards {
  /** Distinct ones; none of them asks for strings, rules or functions. */
  readonly conditions: readonly Expression[]
  /** Index into `conditions`, `NO_GUARD` where nothing is known beforehand. */
  readonly guard: Int32Array
  readonly flags: Uint8Array
  /** Rules of one namespace have the same number. */
  readonly namespace: Uint32Array
  /** Index of the first of `references`; one more for the end. */
  readonly firstReference: Uint32Array
  /** Earlier rules that conditions refer to. */
  readonly references: Uint32Array
}

export const NO_GUARD = -1
const PRIVATE = 1
const GLOBAL = 2
/** YARA-X evaluates it, in regions. */
export const FOREIGN = 4

/** Bytes of a text that are compared where it must stand at an offset, and texts that are compared. */
const MAX_BYTES = 4
const MAX_VARIANTS = 4
/** Nodes of a guard: what is larger costs more than it saves. */
const MAX_NODES = 200

/** Derives the guards of all rules. */
export function guardsOf({ rules }: RuleSet): Guards {
  const conditions: Expression[] = []
  const known = new Map<string, number>()
  const guard = new Int32Array(rules.length).fill(NO_GUARD)
  const byRule: (Expression | undefined)[] = []
  const namespaces = new Map<string, number>()
  const firstReference = [0]
  const references: number[] = []
  for (const rule of rules) {
    const found = new Deriver(rule, rules, byRule).necessary(rule.condition)
    const fits = found !== undefined && sizeOf(found) <= MAX_NODES ? found : undefined
    byRule.push(fits)
    if (fits !== undefined) {
      const key = printed(fits)
      let index = known.get(key)
      if (index === undefined) {
        index = conditions.push(fits) - 1
        known.set(key, index)
      }
      guard[rule.index] = index
    }
    if (!namespaces.has(rule.namespace)) namespaces.set(rule.namespace, namespaces.size)
    for (const reference of rule.references) references.push(reference)
    firstReference.push(references.length)
  }
  return {
    conditions,
    guard,
    flags: Uint8Array.from(
      rules,
      rule =>
        (rule.isPrivate ? PRIVATE : 0) |
        (rule.isGlobal ? GLOBAL : 0) |
        (rule.needsYaraX.length > 0 ? FOREIGN : 0),
    ),
    namespace: Uint32Array.from(rules, rule => namespaces.get(rule.namespace) ?? 0),
    firstReference: Uint32Array.from(firstReference),
    references: Uint32Array.from(references),
  }
}

/**
 * The rules that have to be evaluated (1), because they may hold and are told, or others that may hold refer to them. Without the strings of
 * the rest nothing changes. `mayHold`: whether a guard holds in some space; of a rule for YARA-X, in some region.
 */
export function rulesToEvaluate(
  guards: Guards,
  mayHold: (condition: number, foreign: boolean) => boolean,
): Uint8Array {
  const { guard, flags, namespace, firstReference, references } = guards
  const known = new Map<number, boolean>()
  const may = Uint8Array.from(guard, (condition, rule) => {
    if (condition === NO_GUARD) return 1
    const foreign = ((flags[rule] as number) & FOREIGN) !== 0
    const key = condition * 2 + (foreign ? 1 : 0)
    let holds = known.get(key)
    if (holds === undefined) {
      holds = mayHold(condition, foreign)
      known.set(key, holds)
    }
    return holds ? 1 : 0
  })
  const heldBack = new Set<number>()
  for (const [rule, flag] of flags.entries())
    if ((flag & GLOBAL) !== 0 && may[rule] === 0) heldBack.add(namespace[rule] as number)
  const wanted = new Uint8Array(guard.length)
  // rules refer to earlier ones only
  for (let rule = guard.length - 1; rule >= 0; rule--) {
    if (may[rule] === 0 || heldBack.has(namespace[rule] as number)) {
      wanted[rule] = 0
      continue
    }
    const flag = flags[rule] as number
    if ((flag & PRIVATE) === 0 || (flag & GLOBAL) !== 0) wanted[rule] = 1
    if (wanted[rule] === 0) continue
    const end = firstReference[rule + 1] as number
    for (let at = firstReference[rule] as number; at < end; at++) wanted[references[at] as number] = 1
  }
  return wanted
}

/** A rule set with as much of it as it takes to evaluate the rules that are wanted, once their strings are searched. */
export function withoutRest(ruleSet: RuleSet, wanted: Uint8Array): RuleSet {
  const never: Expression = { kind: 'boolean', value: false, start: 0, end: 0 }
  const rules = ruleSet.rules.map((rule): Rule => {
    if (wanted[rule.index] !== 1) {
      const { text: _, ...rest } = rule
      return { ...rest, tags: [], meta: [], strings: [], condition: never }
    }
    return { ...rule, strings: rule.strings.map(withoutPattern) }
  })
  return { ...ruleSet, rules }
}

/** What stands at a fixed offset is compared at the end. */
function withoutPattern(string: RuleString): RuleString {
  return string.fixedOffset === undefined ? { ...string, pattern: NO_PATTERN } : string
}

const NO_PATTERN: RuleString['pattern'] = { kind: 'hex', node: { kind: 'concat', items: [] } }

/** Derives what a condition of `rule` needs; `byRule`: the guards of the rules before it. */
class Deriver {
  readonly #rule: Rule
  readonly #rules: readonly Rule[]
  readonly #byRule: readonly (Expression | undefined)[]

  constructor(rule: Rule, rules: readonly Rule[], byRule: readonly (Expression | undefined)[]) {
    this.#rule = rule
    this.#rules = rules
    this.#byRule = byRule
  }

  /** What holds wherever the condition does; undefined where nothing is known. */
  necessary(condition: Expression): Expression | undefined {
    if (isPlain(condition)) return condition
    const { start, end } = condition
    switch (condition.kind) {
      case 'and': {
        const items = this.#items(condition.items, true) ?? []
        // what needs no reading comes first: it may decide by itself
        const ordered = [...items.filter(item => !readsMemory(item)), ...items.filter(readsMemory)]
        return ordered.length > 1 ? { kind: 'and', items: ordered, start, end } : ordered[0]
      }
      case 'or': {
        const items = this.#items(condition.items, false)
        return items && { kind: 'or', items, start, end }
      }
      case 'rule': {
        // YARA-X evaluates by region: what it says elsewhere says nothing here
        const foreign = (this.#rules[condition.rule]?.needsYaraX.length ?? 1) > 0
        return foreign && this.#rule.needsYaraX.length === 0 ? undefined : this.#byRule[condition.rule]
      }
      case 'found':
        return this.#foundAt(condition.string, condition.where) ?? fileOfPlace(condition.where)
      case 'of': {
        const { kind } = condition.quantifier
        // others may hold where nothing is found
        return kind === 'any' || kind === 'all' ? fileOfPlace(condition.where) : undefined
      }
      case 'for-of': {
        // strings are some: the body holds once at least
        const { kind } = condition.quantifier
        return kind === 'any' || kind === 'all' ? this.necessary(condition.body) : undefined
      }
      case 'foreign':
        return condition.file && beginsAs(condition.file.kind)
      case 'compare':
      case 'textual': {
        const file = fileOfOperand(condition.left) ?? fileOfOperand(condition.right)
        return file && beginsAs(file)
      }
      default:
        return undefined
    }
  }

  /** What each condition needs, as far as there is room; undefined when some is missing, unless `some` will do. */
  #items(conditions: readonly Expression[], some: boolean): Expression[] | undefined {
    const items: Expression[] = []
    let size = 0
    for (const condition of conditions) {
      const found = this.necessary(condition)
      const more = found === undefined ? 0 : sizeOf(found)
      if (found !== undefined && size + more <= MAX_NODES) {
        items.push(found)
        size += more
      } else if (!some) return undefined
    }
    return items
  }

  /** The first bytes of a string that must stand at an offset. */
  #foundAt(reference: StringReference, where: Where): Expression | undefined {
    if (where.kind !== 'at' || reference.kind !== 'string' || !isPlain(where.offset)) return undefined
    const string = this.#rule.strings[reference.index]
    const [part] = string === undefined ? [] : partsOf(string)
    if (part?.kind !== 'fixed' || part.variants.length > MAX_VARIANTS || readsMemory(where.offset))
      return undefined
    const items = part.variants.map(variant => bytesAt(variant, where.offset))
    return items.length === 1 ? items[0] : { kind: 'or', items, start: 0, end: 0 }
  }
}

/** What there must be for a place to have a value. */
function fileOfPlace(where: Where): Expression | undefined {
  const offsets =
    where.kind === 'at' ? [where.offset] : where.kind === 'in' ? [where.range.from, where.range.to] : []
  const [file] = offsets.flatMap(offset => fileOfOperand(offset) ?? [])
  return file && beginsAs(file)
}

function bytesAt({ values, masks }: Variant, offset: Expression): Expression {
  const place = { start: 0, end: 0 }
  const integer = (value: number): Expression => ({ kind: 'integer', value: BigInt(value), ...place })
  const items = Array.from(values.subarray(0, MAX_BYTES), (value, at): Expression => {
    const byte: Expression = {
      kind: 'read',
      bytes: 1,
      signed: false,
      bigEndian: false,
      offset: {
        kind: 'arithmetic',
        operator: '+',
        type: 'integer',
        left: offset,
        right: integer(at),
        ...place,
      },
      ...place,
    }
    const left: Expression = {
      kind: 'arithmetic',
      operator: '&',
      type: 'integer',
      left: byte,
      right: integer(masks[at] ?? 0xff),
      ...place,
    }
    return { kind: 'compare', operator: '==', type: 'integer', left, right: integer(value), ...place }
  })
  return { kind: 'and', items, ...place }
}

/** Numbers, comparisons and reads: nothing that depends on strings or rules, and nothing that takes long. */
function isPlain(node: Expression): boolean {
  switch (node.kind) {
    case 'boolean':
    case 'integer':
    case 'float':
    case 'filesize':
      return true
    case 'read':
      return isPlain(node.offset)
    case 'negate':
    case 'complement':
    case 'not':
    case 'defined':
      return isPlain(node.operand)
    case 'arithmetic':
      return isPlain(node.left) && isPlain(node.right)
    case 'compare':
      return node.type !== 'text' && isPlain(node.left) && isPlain(node.right)
    case 'and':
    case 'or':
      return node.items.every(isPlain)
    default:
      return false
  }
}

function readsMemory(node: Expression): boolean {
  return node.kind === 'read' || childrenOf(node).some(readsMemory)
}

/** Nodes of a guard. */
function sizeOf(node: Expression): number {
  let size = 1
  for (const child of childrenOf(node)) size += sizeOf(child)
  return size
}

/** What a guard is made of. */
function childrenOf(node: Expression): readonly Expression[] {
  switch (node.kind) {
    case 'read':
      return [node.offset]
    case 'negate':
    case 'complement':
    case 'not':
    case 'defined':
      return [node.operand]
    case 'arithmetic':
    case 'compare':
      return [node.left, node.right]
    case 'and':
    case 'or':
      return node.items
    default:
      return []
  }
}

/** A guard without its places: equal ones are printed alike. */
function printed(node: Expression): string {
  const children = childrenOf(node).map(printed).join(' ')
  switch (node.kind) {
    case 'boolean':
    case 'integer':
      return `${node.value}`
    case 'float':
      return `f${Object.is(node.value, -0) ? '-0' : node.value}`
    case 'read':
      return `(read ${node.bytes} ${node.signed} ${node.bigEndian} ${children})`
    case 'negate':
      return `(- ${node.type} ${children})`
    case 'arithmetic':
    case 'compare':
      return `(${node.operator} ${node.type} ${children})`
    default:
      return `(${node.kind} ${children})`
  }
}
