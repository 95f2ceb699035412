/** kallsyms_names: compressed names, each a length and that many tokens (kernel/kallsyms.c, kallsyms_expand_symbol). */
import { MAX_NAME_BYTES } from './kallsyms-layout.js'
import type { KallsymsTokens } from './kallsyms-tokens.js'

/** All names together, expanded; those of 200 000 symbols take 5 MB. */
const MAX_EXPANDED_BYTES = 128 << 20

/** Expanded names: columns as `SymbolColumns` has them. */
export interface ExpandedNames {
  readonly names: Uint8Array
  readonly starts: Uint32Array
  readonly types: Uint8Array
  /** Bytes of `kallsyms_names` that were used. */
  readonly length: number
}

/**
 * Where the entry at `at` ends: behind a length byte, whose high bit adds a second one (6.1 and later), and the tokens.
 * -1 when the entry is empty or passes the end.
 */
export function nameEnd(compressed: Uint8Array, at: number): number {
  let length = compressed[at] ?? 0
  let start = at + 1
  if (length >= 0x80) length = (length & 0x7f) | ((compressed[start++] ?? 0) << 7)
  const end = start + length
  return length === 0 || end > compressed.length ? -1 : end
}

/**
 * Expands `count` names; the first character of each is its type. Undefined when a name is cut short, too long, empty, or its type is
 * no letter.
 */
export function expandNames(
  compressed: Uint8Array,
  count: number,
  tokens: KallsymsTokens,
): ExpandedNames | undefined {
  // Each entry has at least a length and one token: more than that many can't be there, whatever the count says.
  if (count * 2 > compressed.length) return undefined
  let names = new Uint8Array(count * 24 + MAX_NAME_BYTES)
  const starts = new Uint32Array(count + 1)
  const types = new Uint8Array(count)
  const { bytes, starts: tokenStarts, ends: tokenEnds } = tokens
  let at = 0
  let used = 0
  for (let i = 0; i < count; i++) {
    const end = nameEnd(compressed, at)
    if (end < 0) return undefined
    let token = at + ((compressed[at] as number) >= 0x80 ? 2 : 1)
    if (used + 2 * MAX_NAME_BYTES > names.length) {
      if (used > MAX_EXPANDED_BYTES) return undefined
      names = grown(names)
    }
    let first = -1
    const start = used
    for (; token < end; token++) {
      const code = compressed[token] as number
      let from = tokenStarts[code] as number
      const to = tokenEnds[code] as number
      if (first < 0 && from < to) first = bytes[from++] as number
      if (used - start + to - from > MAX_NAME_BYTES) return undefined
      while (from < to) names[used++] = bytes[from++] as number
    }
    if (used === start || !isType(first)) return undefined
    types[i] = first
    starts[i + 1] = used
    at = end
  }
  return { names: names.slice(0, used), starts, types, length: at }
}

function grown(names: Uint8Array): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(names.length * 2)
  larger.set(names)
  return larger
}

/** A letter as nm prints it, or `?`. */
function isType(byte: number): boolean {
  const lower = byte | 0x20
  return (lower >= 0x61 && lower <= 0x7a) || byte === 0x3f
}
