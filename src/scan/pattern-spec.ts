/** What to look for, as a user says it. Plain data. */

export type PatternSpec =
  | {
      readonly kind: 'text'
      readonly text: string
      /** Look for the UTF-16LE form too. */
      readonly utf16?: boolean
      readonly ignoreCase?: boolean
    }
  | {
      readonly kind: 'bytes'
      /** Hexadecimal digits, `?` for any nibble; white space between bytes is ignored: `4d 5a ?? 0?`. */
      readonly hex: string
    }
  | {
      readonly kind: 'regex'
      /** A regular expression over bytes, PCRE syntax. */
      readonly source: string
      readonly ignoreCase?: boolean
    }
  | {
      readonly kind: 'yara'
      /** Rule text: the bytes of a file, which need not be UTF-8, or a text, which stands for its UTF-8 bytes. */
      readonly source: string | Uint8Array
      /** File it came from: named in errors, and `include` is relative to it. */
      readonly path?: string
      readonly namespace?: string
    }

/** Which matcher does the work; `auto` takes Vectorscan where its library is found. */
export type MatcherChoice = 'auto' | 'vectorscan' | 'embedded'
