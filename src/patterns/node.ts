/** Patterns over bytes as a tree: what text, hex and regular expressions are parsed into. Plain data. */

/** A set of byte values: 256 bits as eight 32-bit words, bit b of word b >>> 5. */
export type ByteSet = readonly number[]

export type Assertion =
  | 'stretch-start'
  | 'stretch-end'
  | 'stretch-end-or-final-newline'
  | 'line-start'
  | 'line-end'
  | 'word-boundary'
  | 'not-word-boundary'

export type PatternNode =
  | { readonly kind: 'literal'; readonly bytes: readonly number[] }
  | { readonly kind: 'set'; readonly set: ByteSet }
  | { readonly kind: 'concat'; readonly items: readonly PatternNode[] }
  | { readonly kind: 'alternate'; readonly items: readonly PatternNode[] }
  /** `max` is undefined when unbounded. */
  | { readonly kind: 'repeat'; readonly item: PatternNode; readonly min: number; readonly max?: number }
  | { readonly kind: 'assert'; readonly assertion: Assertion }
