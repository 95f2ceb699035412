/**
 * Strings that are slow to look for, and why: a rough judgement of how often their fixed bytes stand in memory. A string is found
 * by some of its fixed bytes; where those are few or frequent, there is much to look at.
 */
import { setMembers } from '../patterns/byte-set.js'
import type { HexNode, RegexNode, Rule, RuleSet, RuleString, StringPattern } from './ast.js'

/** Fewer fixed bytes in a row than this are found everywhere. */
const FEW_BYTES = 3
/** Keys of an xor that are many for a short text. */
const MANY_KEYS = 16
const SHORT_TEXT = 5
/** Bytes that memory is full of. */
const FREQUENT = new Set([0x00, 0x20, 0x90, 0xcc, 0xff])

export interface SlowString {
  readonly rule: Rule
  readonly string: RuleString
  /** A half-sentence: `has no two fixed bytes in a row`. */
  readonly reason: string
}

/** The slow strings of a rule set, in its order. */
export function slowStrings({ rules }: RuleSet): SlowString[] {
  return rules.flatMap(rule =>
    rule.strings.flatMap(string => {
      const reason = whySlow(string.pattern)
      return reason === undefined ? [] : [{ rule, string, reason }]
    }),
  )
}

/** Why a pattern is slow to look for; undefined when it is not. */
function whySlow(pattern: StringPattern): string | undefined {
  if (pattern.kind === 'text' && pattern.xor !== undefined) {
    const keys = pattern.xor.max - pattern.xor.min + 1
    if (keys >= MANY_KEYS && pattern.bytes.length < SHORT_TEXT)
      return `is ${count(pattern.bytes.length, 'byte')} under ${keys} keys`
  }
  const run = longestRun(pattern)
  if (run.length === 0) return 'has no fixed byte'
  if (run.length < FEW_BYTES) return `has no more than ${count(run.length, 'fixed byte')} in a row`
  if (new Set(run).size === 1 && FREQUENT.has(run[0] ?? 0))
    return `has no more fixed bytes than a run of ${(run[0] ?? 0).toString(16).padStart(2, '0')}, of which memory is full`
  return undefined
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}

function longestRun(pattern: StringPattern): readonly number[] {
  switch (pattern.kind) {
    case 'text':
      // Of three encodings as base64 the shortest keeps a character less than each byte gives.
      if (pattern.base64 !== undefined) return [...pattern.bytes.subarray(1)]
      return [...pattern.bytes]
    case 'hex':
      return longest(pattern.node.kind === 'concat' ? pattern.node.items : [pattern.node], fixedHex)
    case 'regex': {
      return longest(itemsOf(pattern.regex.node), fixedRegex)
    }
  }
}

/** What follows each other, whether it is grouped or not. */
function itemsOf(node: RegexNode): RegexNode[] {
  return node.kind === 'concat' ? node.items.flatMap(itemsOf) : [node]
}

function fixedHex(node: HexNode): number | undefined {
  return node.kind === 'byte' && node.mask === 0xff && !node.negated ? node.value : undefined
}

/** A letter counts as fixed where its case is ignored. */
function fixedRegex(node: RegexNode): number | undefined {
  if (node.kind !== 'set') return undefined
  const members = setMembers(node.set)
  const [first, second] = members
  if (members.length === 1) return first
  return members.length === 2 && first !== undefined && second === (first | 0x20) ? second : undefined
}

function longest<Node>(nodes: readonly Node[], fixed: (node: Node) => number | undefined): number[] {
  let best: number[] = []
  let run: number[] = []
  for (const node of nodes) {
    const byte = fixed(node)
    if (byte === undefined) run = []
    else run.push(byte)
    if (run.length > best.length) best = [...run]
  }
  return best
}
