/** What the suites look for: seeded, so that every run and every peer gets the same. */
import type { PatternSpec } from '../src/index.js'
import { seeded } from './random.js'

/** Planted a few times in every image, and nowhere else. */
export const RARE_TEXT = 'vmsift rare literal 7f3a'
/** Planted once at the start of every image. */
export const FIRST_TEXT = 'vmsift first block 91c4'

export interface PatternSet {
  readonly name: string
  readonly specs: readonly PatternSpec[]
  /** The literals, where that is all there is. */
  readonly texts: readonly string[]
}

/** `count` random literals of 12 bytes, the shorter sets being the beginnings of the longer ones. */
export function literals(count: number): string[] {
  const random = seeded(0x5eed)
  return Array.from({ length: count }, () => random.text(12))
}

/** One rare literal, 128 and 1000 random ones. */
export function literalSets(): PatternSet[] {
  return [
    textSet('1 literal', [RARE_TEXT]),
    textSet('128 literals', literals(128)),
    textSet('1000 literals', literals(1000)),
  ]
}

/** Two expressions that people look for in memory. */
export function regexSets(): PatternSet[] {
  const set = (name: string, source: string): PatternSet => ({
    name,
    specs: [{ kind: 'regex', source }],
    texts: [],
  })
  return [
    set('URL regex', 'https?://[a-zA-Z0-9.-]{4,64}/[a-zA-Z0-9_/.-]{0,64}'),
    set('e-mail regex', '[a-zA-Z0-9._-]{1,32}@[a-zA-Z0-9-]{2,32}\\.[a-z]{2,6}'),
  ]
}

/** Text patterns as `scan` takes them. */
export function textSet(name: string, texts: readonly string[]): PatternSet {
  return { name, specs: texts.map(text => ({ kind: 'text', text })), texts }
}

/** The literals as expressions for hs_compile_multi, one a line. */
export function expressionLines(texts: readonly string[]): string {
  const escaped = (text: string): string =>
    [...Buffer.from(text)].map(byte => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
  return `${texts.map(escaped).join('\n')}\n`
}
