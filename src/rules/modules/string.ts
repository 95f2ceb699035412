/** The `string` module, which YARA has since 4.3. */
import type { RuleModule, Value } from './module.js'

const SHAPES: Readonly<Record<number, RegExp>> = {
  0: /^[\t-\r ]*([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)$/,
}
const MIN = -(2n ** 63n)
const MAX = 2n ** 63n - 1n

/** What C's strtoll makes of a whole text; undefined where a part is left over, or it does not fit. */
function toInteger([text, base]: readonly Value[]): bigint | undefined {
  const radix = base === undefined ? 0 : Number(base)
  if (radix !== 0 && (radix < 2 || radix > 36)) return undefined
  const match = shapeOf(radix).exec(Buffer.from(text as Uint8Array).toString('latin1'))
  if (match === null) return undefined
  const [, sign, digits = ''] = match
  const hexadecimal = /^0x/i.test(digits)
  const octal = radix === 0 && !hexadecimal && digits.length > 1 && digits.startsWith('0')
  const used = hexadecimal ? 16 : octal ? 8 : radix === 0 ? 10 : radix
  const value = parse(hexadecimal ? digits.slice(2) : digits, used)
  if (value === undefined) return undefined
  const signed = sign === '-' ? -value : value
  return signed < MIN || signed > MAX ? undefined : signed
}

function shapeOf(radix: number): RegExp {
  const known = SHAPES[radix]
  if (known !== undefined) return known
  const digits = '0123456789abcdefghijklmnopqrstuvwxyz'.slice(0, radix)
  const prefix = radix === 16 ? '(?:0[xX])?' : ''
  return new RegExp(`^[\\t-\\r ]*([+-]?)(${prefix}[${digits}${digits.toUpperCase()}]+)$`)
}

function parse(digits: string, radix: number): bigint | undefined {
  const stripped = digits.replace(/^0+(?=.)/, '')
  if (stripped.length > 64) return undefined
  let value = 0n
  for (const digit of stripped) {
    const one = Number.parseInt(digit, radix)
    if (Number.isNaN(one)) return undefined
    value = value * BigInt(radix) + BigInt(one)
  }
  return value
}

export const STRING: RuleModule = {
  functions: {
    to_int: [
      { takes: 's', returns: 'integer', run: toInteger },
      { takes: 'si', returns: 'integer', run: toInteger },
    ],
    length: [{ takes: 's', returns: 'integer', run: ([text]) => BigInt((text as Uint8Array).length) }],
  },
}
