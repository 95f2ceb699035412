/** Texts against texts, byte by byte; case is that of ASCII letters. */
import type { TextOperator } from '../ast.js'

const LOWER = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte,
)

/** -1, 0 or 1. Bytes are signed, as YARA compares them. */
export function compareTexts(left: Uint8Array, right: Uint8Array): number {
  const length = Math.min(left.length, right.length)
  for (let i = 0; i < length; i++) {
    const difference = (((left[i] ?? 0) << 24) >> 24) - (((right[i] ?? 0) << 24) >> 24)
    if (difference !== 0) return Math.sign(difference)
  }
  return Math.sign(left.length - right.length)
}

/** The outcome of `contains` and the like. */
export function relateTexts(operator: TextOperator, left: Uint8Array, right: Uint8Array): boolean {
  switch (operator) {
    case 'contains':
      return contains(left, right)
    case 'icontains':
      return contains(lowered(left), lowered(right))
    case 'startswith':
      return isAtPlace(left, right, 0)
    case 'istartswith':
      return isAtPlace(lowered(left), lowered(right), 0)
    case 'endswith':
      return isAtPlace(left, right, left.length - right.length)
    case 'iendswith':
      return isAtPlace(lowered(left), lowered(right), left.length - right.length)
    case 'iequals':
      return compareTexts(lowered(left), lowered(right)) === 0
  }
}

function lowered(text: Uint8Array): Uint8Array {
  return text.map(byte => LOWER[byte] ?? byte)
}

function contains(text: Uint8Array, part: Uint8Array): boolean {
  return Buffer.from(text.buffer, text.byteOffset, text.length).includes(Buffer.from(part))
}

function isAtPlace(text: Uint8Array, part: Uint8Array, place: number): boolean {
  if (place < 0 || place + part.length > text.length) return false
  return part.every((byte, index) => text[place + index] === byte)
}
