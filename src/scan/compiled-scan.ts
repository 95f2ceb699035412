/** Everything the workers need to know about what is looked for: checked and compiled once, plain data. */
import type { PatternNode } from '../patterns/node.js'
import type { StringTables } from '../rules/search/tables.js'

/** A text, bytes or regex pattern, parsed. */
export interface CompiledPattern {
  readonly scanner: 'text' | 'bytes' | 'regex'
  /** The pattern as it was given: `rule` of its matches. */
  readonly rule: string
  readonly node: PatternNode
  /** Shortest possible match, at least 1. */
  readonly minBytes: number
  /** Longest possible match; unbounded ones are cut at the scan's `maxMatchBytes`. */
  readonly maxBytes: number
  /** Every quantifier is lazy: the shortest match at a start is the one reported, else the longest. */
  readonly lazy: boolean
}

/** The engines that find candidates; each is there when it has patterns to look for. */
export interface CompiledMatcher {
  /** With its compiled form, which threads share. */
  readonly vectorscan?: { readonly version: string; readonly database: SharedArrayBuffer }
  /** With the indices of its patterns. */
  readonly embedded?: { readonly version: string; readonly patterns: readonly number[] }
}

export interface CompiledScan {
  readonly patterns: readonly CompiledPattern[]
  /** Absent when there are only YARA rules. */
  readonly matcher?: CompiledMatcher
  /** Strings of YARA rules. */
  readonly strings?: StringTables
  /** Only matches that lie inside no earlier match of the same pattern are reported. */
  readonly outermost: boolean
  /** Bytes a window needs before its owned part, and behind it, for the answers to be right. */
  readonly lookBehindBytes: number
  readonly lookAheadBytes: number
  /** Hints for a person, one line each: "install libvectorscan5 for ...". */
  readonly hints: readonly string[]
}

export interface CompileOptions {
  /** `auto` by default. */
  readonly matcher?: 'auto' | 'vectorscan' | 'embedded'
  /** Longest match of an unbounded regular expression; default 4096. */
  readonly maxMatchBytes?: number
  readonly outermost?: boolean
}
