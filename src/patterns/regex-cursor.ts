/** Reading a regular expression's source, with errors that point at a column. */
import { VmsiftError } from '../core/errors.js'

/** A position in the source. */
export class RegexCursor {
  at = 0
  readonly source: string

  constructor(source: string) {
    this.source = source
  }

  get done(): boolean {
    return this.at >= this.source.length
  }

  /** Whether `text` stands here. */
  sees(text: string): boolean {
    return this.source.startsWith(text, this.at)
  }

  /** Skips `text` if it stands here. */
  skip(text: string): boolean {
    if (!this.sees(text)) return false
    this.at += text.length
    return true
  }

  /** The code unit here, or the empty string at the end. */
  peek(): string {
    return this.source[this.at] ?? ''
  }

  /** Takes a whole character (a surrogate pair is one). */
  next(): string {
    const character = String.fromCodePoint(this.source.codePointAt(this.at) ?? 0)
    this.at += character.length
    return character
  }

  /** Takes what a sticky expression matches here. */
  take(expression: RegExp): RegExpExecArray | undefined {
    expression.lastIndex = this.at
    const found = expression.exec(this.source)
    if (found !== null) this.at += found[0].length
    return found ?? undefined
  }

  /** An error about what stands at `at`. */
  error(at: number, what: string): VmsiftError {
    return new VmsiftError(
      'bad-pattern',
      `regular expression ${quoted(this.source)}: ${what.replace('@', `at column ${at + 1}`)}`,
      {
        detail: { source: this.source, column: at + 1 },
      },
    )
  }

  /** The error for a construct that PCRE has and this parser has not. */
  unsupported(at: number, construct: string, text: string, advice = ''): VmsiftError {
    return this.error(at, `${construct} "${text}" @ is not supported${advice === '' ? '' : `; ${advice}`}`)
  }
}

/** A pattern as an error message shows it: not longer than a line. */
export function quoted(source: string): string {
  return source.length <= 60 ? `"${source}"` : `"${source.slice(0, 57)}..."`
}
