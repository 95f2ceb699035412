/** token_table and token_index of kallsyms: 256 strings that compressed names are made of. */
import { MAX_TOKEN_BYTES, TOKEN_INDEX_BYTES } from './kallsyms-layout.js'

/** The tokens, ready for expanding names. */
export interface KallsymsTokens {
  /** token_table's bytes. */
  readonly bytes: Uint8Array
  /** Where each token starts in `bytes`, and behind where it ends. */
  readonly starts: Uint16Array
  readonly ends: Uint32Array
}

/**
 * Reads the tokens; `table` may be longer than the table is. Undefined when the two don't fit together: starts ascend from 0, and
 * each token ends with a NUL right before the next.
 */
export function parseTokens(table: Uint8Array, index: Uint8Array): KallsymsTokens | undefined {
  if (index.length < TOKEN_INDEX_BYTES) return undefined
  const starts = new Uint16Array(256)
  const ends = new Uint32Array(256)
  const limit = Math.min(table.length, MAX_TOKEN_BYTES)
  let at = 0
  for (let token = 0; token < 256; token++) {
    if (((index[token * 2] as number) | ((index[token * 2 + 1] as number) << 8)) !== at) return undefined
    starts[token] = at
    at = table.indexOf(0, at)
    if (at < 0 || at >= limit) return undefined
    ends[token] = at
    at++
  }
  return { bytes: table.subarray(0, at), starts, ends }
}
