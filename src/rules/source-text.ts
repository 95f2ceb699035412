/** A rule text, and places in it as a person sees them. */
import type { Span } from './ast.js'

/** Longest part of a line that an excerpt shows. */
const MAX_SHOWN = 120
/** Up to here columns count characters; further on in a line, bytes: a file may be one line. */
const MAX_COUNTED = 4096
const TAB = /\t/g
const NON_ASCII = /[\x80-\xff]/
/** What would not stand as one character on a terminal. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

export interface TextPlace {
  readonly line: number
  /** In characters, from 1; behind the first 4096 bytes of a line, in bytes. */
  readonly column: number
}

export class SourceText {
  /** As it is shown; undefined for a text that came from no file. */
  readonly path: string | undefined
  /** latin1: each character is one byte. */
  readonly text: string
  #lineStarts: number[] | undefined

  constructor(path: string | undefined, bytes: Uint8Array) {
    this.path = path
    this.text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  }

  /** Line and column of a byte. */
  placeAt(offset: number): TextPlace {
    const line = this.#lineAt(offset)
    const before = this.text.slice(this.#starts()[line] ?? 0, offset)
    const isPlain = before.length > MAX_COUNTED || !NON_ASCII.test(before)
    return { line: line + 1, column: (isPlain ? before.length : [...decoded(before)].length) + 1 }
  }

  /** `rules.yar:3:14`. */
  where(offset: number): string {
    const { line, column } = this.placeAt(offset)
    return `${this.path ?? 'rule'}:${line}:${column}`
  }

  /** The line of a span with carets under it, as compilers show it; two lines, no line end behind. */
  excerpt(span: Span): string {
    const line = this.#lineAt(span.start)
    const start = this.#starts()[line] ?? 0
    const end = (this.#starts()[line + 1] ?? this.text.length + 1) - 1
    const from = span.start - start > MAX_SHOWN - 20 ? span.start - 40 : start
    const to = Math.min(end, from + MAX_SHOWN)
    const shown = decoded(this.text.slice(from, to))
      .replace(TAB, ' ')
      .trimEnd()
      .replace(UNPRINTABLE, '\ufffd')
    const marked = this.text.slice(span.start, Math.max(span.start, Math.min(span.end, to))).trimEnd()
    const carets = '^'.repeat(Math.max(1, [...decoded(marked)].length))
    const gutter = `${line + 1}`
    const indent = ' '.repeat([...decoded(this.text.slice(from, span.start))].length)
    return `${gutter} | ${shown}\n${' '.repeat(gutter.length)} | ${indent}${carets}`
  }

  #starts(): number[] {
    if (this.#lineStarts !== undefined) return this.#lineStarts
    const starts = [0]
    for (let at = this.text.indexOf('\n'); at >= 0; at = this.text.indexOf('\n', at + 1)) starts.push(at + 1)
    this.#lineStarts = starts
    return starts
  }

  #lineAt(offset: number): number {
    const starts = this.#starts()
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((starts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    return low
  }
}

/** Text of bytes that stand as latin1: UTF-8 where they are. */
export function decoded(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8')
}
