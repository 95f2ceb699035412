/**
 * What a symbol file's JSON may make the parser hold: some tens of kilobytes of .xz hold half a gigabyte of brackets, of which V8 makes
 * twenty gigabytes. Real files have a value for each 50 bytes, 30 levels of them at most, and a million values (Linux with all types).
 */
import { VmsiftError } from '../core/errors.js'

const MAX_VALUES = 4_000_000
const MAX_DEPTH = 256

const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c
const ARRAY = 0x5b
const ARRAY_END = 0x5d
const OBJECT = 0x7b
const OBJECT_END = 0x7d

/**
 * Counts values and levels, without parsing.
 * @throws VmsiftError `image-corrupt` where there are more than any symbol file has.
 */
export function checkJsonBounds(bytes: Uint8Array, name: string): void {
  let values = 0
  let depth = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number
    if (byte === QUOTE) {
      for (at++; at < bytes.length && bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) at++
    } else if (byte === COMMA) values++
    else if (byte === OBJECT || byte === ARRAY) {
      values++
      depth++
    } else if (byte === OBJECT_END || byte === ARRAY_END) depth--
    if (values > MAX_VALUES)
      throw new VmsiftError('image-corrupt', `${name} is no symbol file: more than ${MAX_VALUES} values`)
    if (depth > MAX_DEPTH)
      throw new VmsiftError('image-corrupt', `${name} is no symbol file: more than ${MAX_DEPTH} levels`)
  }
}
