/**
 * YARA rules as a tree: plain data, which crosses threads and goes into caches as it is. Text is bytes: every string that
 * comes from a rule's source (names aside, which are ASCII) is a `Uint8Array`, or a string of which each character is one
 * byte where it says "latin1".
 */
import type { ByteSet } from '../patterns/node.js'

/** What was compiled: all files, includes in place. */
export interface RuleSet {
  readonly sources: readonly RuleSource[]
  /** In the order of their text; a rule may refer to earlier ones of its namespace only. */
  readonly rules: readonly Rule[]
  /** Number of strings of all rules: their ids are 0 to `strings - 1`, in the order of the rules. */
  readonly strings: number
  readonly warnings: readonly RuleWarning[]
}

/** A file or a text that rules came from. */
export interface RuleSource {
  /** As it is shown; undefined for a text that came from no file. */
  readonly path: string | undefined
}

/** A place in a source: line and column from 1, columns in characters. */
export interface Place {
  /** Index into `RuleSet.sources`. */
  readonly source: number
  readonly line: number
  readonly column: number
}

export interface RuleWarning {
  /** One line, with its place. */
  readonly message: string
  readonly place: Place
}

export interface Rule {
  /** Index in `RuleSet.rules`. */
  readonly index: number
  readonly namespace: string
  readonly name: string
  readonly place: Place
  readonly isGlobal: boolean
  readonly isPrivate: boolean
  readonly tags: readonly string[]
  readonly meta: readonly MetaEntry[]
  readonly strings: readonly RuleString[]
  readonly condition: Expression
  /** Indices of earlier rules that the condition refers to. */
  readonly references: readonly number[]
  /** Why this rule needs YARA-X: the modules and words it uses that have no meaning on memory as a whole. Empty for most. */
  readonly needsYaraX: readonly string[]
  /**
   * For YARA-X, where `needsYaraX` is not empty: the rule's own text, behind the imports of its namespace and the rules it
   * refers to; absent where that comes to more than a MiB. latin1.
   */
  readonly text?: string
}

/** Metadata in the order of the source; names may repeat. A text is latin1. */
export interface MetaEntry {
  readonly name: string
  /** A float is YARA-X's. */
  readonly value: string | bigint | number | boolean
}

export interface RuleString {
  /** Dense over the whole rule set. */
  readonly id: number
  /** Index of its rule. */
  readonly rule: number
  /** `$a`; an anonymous string is `$`. */
  readonly identifier: string
  readonly place: Place
  /** Its matches count, and are not reported. */
  readonly isPrivate: boolean
  /**
   * The offsets where a match can make a difference, from `at` in the condition as YARA takes them: when there is one, matches
   * elsewhere are neither counted nor reported. Undefined for almost all strings. docs/DECISIONS.md tells more.
   */
  readonly fixedOffset?: bigint
  readonly pattern: StringPattern
}

export type StringPattern = TextPattern | HexPattern | RegexPattern

/** Modifiers of texts and regular expressions. With neither `wide` nor `ascii` in the source, `ascii` is true. */
export interface Width {
  readonly ascii: boolean
  /** Every byte is followed by a zero. */
  readonly wide: boolean
}

export interface TextPattern extends Width {
  readonly kind: 'text'
  readonly bytes: Uint8Array
  readonly nocase: boolean
  readonly fullword: boolean
  /** Keys, both inclusive; a plain `xor` is 0 to 255. */
  readonly xor?: { readonly min: number; readonly max: number }
  /** At least one of `plain` (`base64`) and `wide` (`base64wide`) is true; `alphabet` is 64 bytes, latin1. */
  readonly base64?: { readonly alphabet: string; readonly plain: boolean; readonly wide: boolean }
}

export interface HexPattern {
  readonly kind: 'hex'
  readonly node: HexNode
}

export type HexNode =
  /** Bytes b with (b & mask) == value; `??` has mask 0. Negated: all others. */
  | { readonly kind: 'byte'; readonly value: number; readonly mask: number; readonly negated: boolean }
  /** `[min-max]`, any bytes, as few as fit; `max` is undefined for `[min-]`. Never first or last. */
  | { readonly kind: 'jump'; readonly min: number; readonly max: number | undefined }
  | { readonly kind: 'concat'; readonly items: readonly HexNode[] }
  | { readonly kind: 'alternatives'; readonly items: readonly HexNode[] }

export interface RegexPattern extends Width {
  readonly kind: 'regex'
  readonly regex: Regex
  readonly fullword: boolean
}

/** A regular expression; its tree holds what its flags and the `nocase` modifier say. */
export interface Regex {
  /** What stands between the slashes, `\/` already `/`. latin1. */
  readonly source: string
  readonly ignoreCase: boolean
  /** `.` is any byte, also a newline. */
  readonly dotAll: boolean
  readonly node: RegexNode
  /** Its bytes where it is nothing but letters: YARA looks for it as for a text then. */
  readonly literal?: Uint8Array
}

export type RegexNode =
  | { readonly kind: 'empty' }
  /**
   * One byte of a set; letters stand with both cases where case is ignored. `isClass`: it is written as one, `[a]` or `\w`; `written`: the
   * byte that stands there, where its case is ignored.
   */
  | { readonly kind: 'set'; readonly set: ByteSet; readonly isClass?: true; readonly written?: number }
  | { readonly kind: 'concat'; readonly items: readonly RegexNode[] }
  | { readonly kind: 'alternatives'; readonly items: readonly RegexNode[] }
  /** `max` is undefined when unbounded. */
  | {
      readonly kind: 'repeat'
      readonly item: RegexNode
      readonly min: number
      readonly max: number | undefined
      readonly greedy: boolean
    }
  | { readonly kind: 'assert'; readonly assertion: 'start' | 'end' | 'word-boundary' | 'not-word-boundary' }

/** Where an expression begins and ends in its source: offsets in bytes. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** A string or a set of them within a rule: indices into `Rule.strings`; `loop` is the string of the innermost `for ... of`. */
export type StringReference = { readonly kind: 'string'; readonly index: number } | { readonly kind: 'loop' }

export interface Range {
  readonly from: Expression
  readonly to: Expression
}

/** How many: `percent` is of the number of items. */
export type Quantifier =
  | { readonly kind: 'all' }
  | { readonly kind: 'any' }
  | { readonly kind: 'none' }
  | { readonly kind: 'count'; readonly value: Expression }
  | { readonly kind: 'percent'; readonly value: Expression }

/** What `of` counts: strings of the rule, earlier rules, or conditions (YARA-X). */
export type OfItems =
  | { readonly kind: 'strings'; readonly strings: readonly number[] }
  | { readonly kind: 'rules'; readonly rules: readonly number[] }
  | { readonly kind: 'conditions'; readonly items: readonly Expression[] }

/** Narrows an `of`, and a string: found in a range of offsets, or at one. */
export type Where =
  | { readonly kind: 'anywhere' }
  | { readonly kind: 'at'; readonly offset: Expression }
  | { readonly kind: 'in'; readonly range: Range }

/** What a `for ... in` goes through. */
export type Iterable =
  | { readonly kind: 'range'; readonly range: Range }
  | { readonly kind: 'list'; readonly items: readonly Expression[] }

export type ArithmeticOperator = '+' | '-' | '*' | '\\' | '%' | '&' | '|' | '^' | '<<' | '>>'
export type ComparisonOperator = '==' | '!=' | '<' | '<=' | '>' | '>='
export type TextOperator =
  | 'contains'
  | 'icontains'
  | 'startswith'
  | 'istartswith'
  | 'endswith'
  | 'iendswith'
  | 'iequals'

/** What a value is. An expression's type is known when it is compiled. */
export type ValueType = 'integer' | 'float' | 'text' | 'boolean' | 'regex'

/** Files that modules tell of, by the modules' names. */
export type FileKind = 'pe' | 'elf'

/** A condition. Every name is resolved, external variables are their values: what is left is what has to be computed. */
export type Expression = Span & ExpressionBody

export type ExpressionBody =
  | { readonly kind: 'boolean'; readonly value: boolean }
  /** Signed, 64 bits. */
  | { readonly kind: 'integer'; readonly value: bigint }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'text'; readonly bytes: Uint8Array }
  | { readonly kind: 'regex'; readonly regex: Regex }
  | { readonly kind: 'filesize' }
  /** Variable of a loop or of `with`, by its place in the frame. */
  | { readonly kind: 'variable'; readonly slot: number; readonly type: ValueType }
  /** Whether an earlier rule holds. */
  | { readonly kind: 'rule'; readonly rule: number }
  | { readonly kind: 'found'; readonly string: StringReference; readonly where: Where }
  | { readonly kind: 'count'; readonly string: StringReference; readonly range: Range | undefined }
  /** `@a[i]` and `!a[i]`; `index` from 1. */
  | { readonly kind: 'offset'; readonly string: StringReference; readonly index: Expression }
  | { readonly kind: 'length'; readonly string: StringReference; readonly index: Expression }
  | {
      readonly kind: 'read'
      readonly bytes: 1 | 2 | 4
      readonly signed: boolean
      readonly bigEndian: boolean
      readonly offset: Expression
    }
  | { readonly kind: 'negate'; readonly operand: Expression; readonly type: 'integer' | 'float' }
  | { readonly kind: 'complement'; readonly operand: Expression }
  | {
      readonly kind: 'arithmetic'
      readonly operator: ArithmeticOperator
      readonly left: Expression
      readonly right: Expression
      readonly type: 'integer' | 'float'
    }
  | {
      readonly kind: 'compare'
      readonly operator: ComparisonOperator
      readonly left: Expression
      readonly right: Expression
      /** As what they are compared. */
      readonly type: 'integer' | 'float' | 'text'
    }
  | {
      readonly kind: 'textual'
      readonly operator: TextOperator
      readonly left: Expression
      readonly right: Expression
    }
  | { readonly kind: 'matches'; readonly text: Expression; readonly regex: Regex }
  | { readonly kind: 'not'; readonly operand: Expression }
  | { readonly kind: 'defined'; readonly operand: Expression }
  | { readonly kind: 'and'; readonly items: readonly Expression[] }
  | { readonly kind: 'or'; readonly items: readonly Expression[] }
  | { readonly kind: 'of'; readonly quantifier: Quantifier; readonly items: OfItems; readonly where: Where }
  | {
      readonly kind: 'for-of'
      readonly quantifier: Quantifier
      readonly strings: readonly number[]
      readonly body: Expression
    }
  | {
      readonly kind: 'for-in'
      readonly quantifier: Quantifier
      readonly slot: number
      readonly iterable: Iterable
      readonly body: Expression
    }
  | {
      readonly kind: 'with'
      readonly variables: readonly { readonly slot: number; readonly value: Expression }[]
      readonly body: Expression
    }
  /** A function of a module that is known here: `name` is `math.entropy`, `signature` the types it was called with, as `ii`. */
  | {
      readonly kind: 'call'
      readonly name: string
      readonly signature: string
      readonly arguments: readonly Expression[]
      readonly type: ValueType
    }
  /** Something of another module, which has no value here: such a rule `needsYaraX`. */
  | {
      readonly kind: 'foreign'
      readonly name: string
      /** Of what does not begin as such a file it is undefined, or `false`. */
      readonly file?: { readonly kind: FileKind; readonly otherwise: 'undefined' | 'false' }
    }
