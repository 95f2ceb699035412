/** Numbers as a user types them: decimal or 0x, with K, M, G, T for powers of 1024. */
import { hex, MAX_PHYSICAL_BYTES } from '../core/address.js'
import { VmsiftError } from '../core/errors.js'

const NUMBER = /^(0x[0-9a-f]+|[0-9]+)(?:([kmgt])(?:i?b)?)?$/i
const POWER: Readonly<Record<string, bigint>> = { k: 10n, m: 20n, g: 30n, t: 40n }
const HOW = 'write 4096, 0x1000, 4K or 1G'

function parseNumber(text: string, what: string): bigint {
  const [, digits, suffix] = NUMBER.exec(text.trim()) ?? []
  if (digits === undefined)
    throw new VmsiftError('bad-argument', `${what} is not a number: '${text}'; ${HOW}`, { detail: { text } })
  return BigInt(digits) << (suffix === undefined ? 0n : (POWER[suffix.toLowerCase()] ?? 0n))
}

/** A guest physical address, 2^52 at most. `what` names the option in errors (`bad-argument`). */
export function parseAddress(text: string, what: string): number {
  const value = parseNumber(text, what)
  if (value > BigInt(MAX_PHYSICAL_BYTES))
    throw new VmsiftError('bad-argument', `${what} lies beyond 2^52, the largest physical address: ${text}`, {
      detail: { text },
    })
  return Number(value)
}

/** A virtual address: 64 bits. */
export function parseVirtualAddress(text: string, what: string): bigint {
  const value = parseNumber(text, what)
  if (value >= 1n << 64n)
    throw new VmsiftError('bad-argument', `${what} is longer than 64 bits: ${text}`, { detail: { text } })
  return value
}

/** A number of bytes, at least 1; what no memory can hold counts as 2^52. */
export function parseLength(text: string, what: string): number {
  const value = parseNumber(text, what)
  if (value === 0n) throw new VmsiftError('bad-argument', `${what} is 0; it must be at least 1`)
  return value > BigInt(MAX_PHYSICAL_BYTES) ? MAX_PHYSICAL_BYTES : Number(value)
}

/** A whole number between `min` and `max`, suffixes allowed. */
export function parseCount(text: string, what: string, min: number, max: number): number {
  const value = parseNumber(text, what)
  if (value < BigInt(min) || value > BigInt(max)) {
    const allowed = max === Number.MAX_SAFE_INTEGER ? `at least ${min}` : `between ${min} and ${max}`
    throw new VmsiftError('bad-argument', `${what} must be ${allowed}, not ${text}`, {
      detail: { text, min, max },
    })
  }
  return Number(value)
}

/** `START-END`, end exclusive. */
export function parseRange(text: string, what = '--range'): { start: number; end: number } {
  const [, from, to] = /^([^-]+)-([^-]+)$/.exec(text) ?? []
  if (from === undefined || to === undefined)
    throw new VmsiftError(
      'bad-argument',
      `${what} is not START-END: '${text}'; write 0x100000-0x200000 or 1G-2G`,
      {
        detail: { text },
      },
    )
  const start = parseAddress(from, `the start of ${what}`)
  const end = parseAddress(to, `the end of ${what}`)
  if (start >= end)
    throw new VmsiftError(
      'bad-argument',
      `${what} is empty: ${hex(start)} is not below ${hex(end)} (the end is exclusive)`,
      {
        detail: { start, end },
      },
    )
  return { start, end }
}
