/** Strings that count at one offset only: nothing is searched, that place is looked at. */
import type { RuleString } from '../ast.js'
import { partsOf } from './parts.js'
import { standsAlone } from './verifier.js'

/** Bytes that are looked at before the place. */
const BEFORE = 2

/** Length of the string's match at its fixed offset, -1 for none; `read` gives what is there of the bytes at an offset. */
export function lengthAtFixedOffset(
  string: RuleString,
  read: (offset: bigint, length: number) => Uint8Array,
): number {
  const { fixedOffset } = string
  const part = partsOf(string)[0]
  if (fixedOffset === undefined || fixedOffset < 0n || part?.kind !== 'fixed') return -1
  for (const { values, masks, wide } of part.variants) {
    const { length } = values
    const found = Uint8Array.from(read(fixedOffset, length + BEFORE))
    if (found.length < length || !values.every((value, i) => ((found[i] ?? 0) & (masks[i] ?? 0)) === value))
      continue
    if (!part.fullword) return length
    const behind = fixedOffset < BEFORE ? Number(fixedOffset) : BEFORE
    const before = Uint8Array.from(read(fixedOffset - BigInt(behind), behind))
    const bytes = new Uint8Array(before.length + found.length)
    bytes.set(before)
    bytes.set(found, before.length)
    // another variant may stand alone where this one does not: "a" before a zero, wide
    if (standsAlone({ bytes, low: 0, high: bytes.length }, before.length, length, wide)) return length
  }
  return -1
}
