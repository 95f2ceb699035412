/** Addresses, pages and how a person sees them. */
import { VmsiftError } from './errors.js'

declare const brand: unique symbol

/** Guest physical address. At most 52 bits, so a double holds it exactly. */
export type Gpa = number & { readonly [brand]: 'gpa' }

/** Bytes in the smallest page of every architecture handled here. */
export const PAGE_BYTES = 4096

/** Largest guest physical address space: 52 bits (Intel SDM vol. 3A 4.1.4). */
export const MAX_PHYSICAL_BYTES = 2 ** 52

/**
 * Brands a number as a guest physical address.
 * @throws VmsiftError `bad-argument` unless it is an integer in 0 ≤ n ≤ 2^52 (2^52 itself is a legal exclusive end).
 */
export function gpa(value: number): Gpa {
  if (!Number.isSafeInteger(value) || value < 0 || value > MAX_PHYSICAL_BYTES)
    throw new VmsiftError('bad-argument', `not a guest physical address: ${value}`, { detail: { value } })
  return value as Gpa
}

/** `0x` and lower case, no padding: how every address is shown. */
export function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`
}

/** Largest multiple of `unit` not above `value`; exact beyond 2^32. */
export function alignDown(value: number, unit: number): number {
  return value - (value % unit)
}

/** Smallest multiple of `unit` not below `value`; exact beyond 2^32. */
export function alignUp(value: number, unit: number): number {
  const rest = value % unit
  return rest === 0 ? value : value - rest + unit
}
