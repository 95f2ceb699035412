/** What the grammar (grammar/yara.peggy) makes of a rule text: names are not resolved, nothing is checked. Texts are latin1. */
import type { Span } from './ast.js'

export type SyntaxItem = SyntaxInclude | SyntaxImport | SyntaxRule

export interface SyntaxInclude extends Span {
  readonly kind: 'include'
  readonly path: string
}

export interface SyntaxImport extends Span {
  readonly kind: 'import'
  readonly module: string
}

export interface SyntaxName extends Span {
  readonly text: string
}

export interface SyntaxRule extends Span {
  readonly kind: 'rule'
  readonly flags: readonly (Span & { readonly word: 'private' | 'global' })[]
  readonly name: SyntaxName
  readonly tags: readonly SyntaxName[]
  readonly meta: readonly SyntaxMeta[]
  readonly strings: readonly SyntaxString[]
  readonly condition: SyntaxExpression
}

export interface SyntaxMeta extends Span {
  readonly name: string
  readonly value:
    | { readonly kind: 'text'; readonly value: string }
    | { readonly kind: 'boolean'; readonly value: boolean }
    | (Span & { readonly kind: 'integer'; readonly value: bigint; readonly negative: boolean })
    | { readonly kind: 'float'; readonly value: number; readonly negative: boolean }
}

/** `$a`: the name without the `$`. */
export interface SyntaxStringName extends Span {
  readonly name: string
}

export interface SyntaxString extends Span {
  readonly identifier: SyntaxStringName
  readonly value: SyntaxText | SyntaxRegex | SyntaxHex
  readonly modifiers: readonly SyntaxModifier[]
}

export type SyntaxModifier = Span &
  (
    | { readonly word: 'nocase' | 'wide' | 'ascii' | 'fullword' | 'private' }
    | {
        readonly word: 'xor'
        readonly keys: { readonly min: SyntaxInteger; readonly max: SyntaxInteger } | null
      }
    | { readonly word: 'base64' | 'base64wide'; readonly alphabet: string | undefined }
  )

export interface SyntaxText extends Span {
  readonly kind: 'text'
  readonly value: string
}

export interface SyntaxInteger extends Span {
  readonly kind: 'integer'
  readonly value: bigint
}

export interface SyntaxRegex extends Span {
  readonly kind: 'regex'
  readonly source: string
  readonly flags: string
}

export interface SyntaxHex extends Span {
  readonly kind: 'hex'
  readonly node: SyntaxHexNode
}

export interface SyntaxDigits extends Span {
  readonly text: string
}

export type SyntaxHexNode = Span &
  /** Two digits a byte; a negated one stands alone. */
  (
    | { readonly kind: 'bytes'; readonly digits: string; readonly negated: boolean }
    | {
        readonly kind: 'jump'
        readonly from: SyntaxDigits | null
        readonly dash: boolean
        readonly to: SyntaxDigits | null
      }
    | { readonly kind: 'concat' | 'alternatives'; readonly items: readonly SyntaxHexNode[] }
  )

export interface SyntaxRange extends Span {
  readonly from: SyntaxExpression
  readonly to: SyntaxExpression
}

export type SyntaxQuantifier =
  | { readonly kind: 'all' | 'any' | 'none' }
  | { readonly kind: 'count' | 'percent'; readonly value: SyntaxExpression }

export type SyntaxWhere =
  | { readonly kind: 'at'; readonly offset: SyntaxExpression }
  | { readonly kind: 'in'; readonly range: SyntaxRange }

/** `$a*` and `rule*`. */
export interface SyntaxWildcard extends Span {
  readonly kind: 'strings' | 'rules'
  readonly prefix: string
}

export type SyntaxSetItem = SyntaxWildcard | SyntaxExpression

export type SyntaxSet = Span &
  ({ readonly kind: 'them' } | { readonly kind: 'items'; readonly items: readonly SyntaxSetItem[] })

export type SyntaxIterable = Span &
  (
    | { readonly kind: 'range'; readonly range: SyntaxRange }
    | { readonly kind: 'list'; readonly items: readonly SyntaxExpression[] }
    | { readonly kind: 'path'; readonly path: SyntaxPath }
  )

export type SyntaxStep = Span &
  (
    | { readonly kind: 'field'; readonly name: string }
    | { readonly kind: 'index'; readonly index: SyntaxExpression }
    | { readonly kind: 'call'; readonly arguments: readonly SyntaxExpression[] }
  )

/** `name`, `name.field[index](arguments)`. */
export interface SyntaxPath extends Span {
  readonly kind: 'path'
  readonly name: string
  readonly nameEnd: number
  readonly steps: readonly SyntaxStep[]
}

export interface SyntaxBinary extends Span {
  readonly kind: 'binary'
  readonly operator: string
  readonly left: SyntaxExpression
  readonly right: SyntaxExpression
}

export interface SyntaxOf extends Span {
  readonly kind: 'of'
  readonly quantifier: SyntaxQuantifier
  readonly set: SyntaxSet
  readonly where: SyntaxWhere | null
}

export interface SyntaxForOf extends Span {
  readonly kind: 'for-of'
  readonly quantifier: SyntaxQuantifier
  readonly set: SyntaxSet
  readonly body: SyntaxExpression
}

export interface SyntaxForIn extends Span {
  readonly kind: 'for-in'
  readonly quantifier: SyntaxQuantifier
  readonly variables: readonly SyntaxName[]
  readonly iterable: SyntaxIterable
  readonly body: SyntaxExpression
}

export interface SyntaxWith extends Span {
  readonly kind: 'with'
  readonly variables: readonly { readonly name: SyntaxName; readonly value: SyntaxExpression }[]
  readonly body: SyntaxExpression
}

export type SyntaxExpression =
  | SyntaxText
  | SyntaxInteger
  | SyntaxRegex
  | SyntaxPath
  | SyntaxBinary
  | SyntaxOf
  | SyntaxForOf
  | SyntaxForIn
  | SyntaxWith
  | (Span &
      (
        | { readonly kind: 'float'; readonly value: number }
        | { readonly kind: 'boolean'; readonly value: boolean }
        | { readonly kind: 'filesize' | 'entrypoint' }
        | { readonly kind: 'read'; readonly word: string; readonly offset: SyntaxExpression }
        | { readonly kind: 'found'; readonly string: SyntaxStringName; readonly where: SyntaxWhere | null }
        | { readonly kind: 'count'; readonly string: SyntaxStringName; readonly range: SyntaxRange | null }
        | {
            readonly kind: 'offset' | 'length'
            readonly string: SyntaxStringName
            readonly index: SyntaxExpression | null
          }
        | {
            readonly kind: 'unary'
            readonly operator: '-' | '~' | 'not' | 'defined'
            readonly operand: SyntaxExpression
          }
        | { readonly kind: 'and' | 'or'; readonly items: readonly SyntaxExpression[] }
        | { readonly kind: 'matches'; readonly text: SyntaxExpression; readonly regex: SyntaxRegex }
      ))
