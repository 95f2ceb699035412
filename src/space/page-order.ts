/** Sorting by page: a radix sort, which beats comparisons by far on millions of numbers. */
import { PAGE_BYTES } from '../core/address.js'

const DIGIT_BITS = 16
const DIGITS = 2 ** DIGIT_BITS
/** Below this a comparison sort is cheaper than clearing the counters. */
const SMALL = 2048

/**
 * Indices of `addresses[0 .. count)` in ascending order of their page (4 KiB); equal pages stay in the order they had.
 * Addresses are below 2^64 and not negative.
 */
export function orderByPage(addresses: Float64Array, count: number): Uint32Array {
  if (count <= SMALL) return smallOrder(addresses, count)
  let order = new Uint32Array(count)
  let other = new Uint32Array(count)
  let highest = 0
  for (let i = 0; i < count; i++) {
    order[i] = i
    const page = Math.floor((addresses[i] as number) / PAGE_BYTES)
    if (page > highest) highest = page
  }
  const counters = new Uint32Array(DIGITS)
  for (let unit = PAGE_BYTES; unit / PAGE_BYTES <= highest; unit *= DIGITS) {
    counters.fill(0)
    for (let i = 0; i < count; i++) {
      const digit = Math.floor((addresses[i] as number) / unit) % DIGITS
      counters[digit] = (counters[digit] as number) + 1
    }
    let before = 0
    for (let digit = 0; digit < DIGITS; digit++) {
      const here = counters[digit] as number
      counters[digit] = before
      before += here
    }
    for (let i = 0; i < count; i++) {
      const index = order[i] as number
      const digit = Math.floor((addresses[index] as number) / unit) % DIGITS
      const place = counters[digit] as number
      counters[digit] = place + 1
      other[place] = index
    }
    const sorted = other
    other = order
    order = sorted
  }
  return order
}

function smallOrder(addresses: Float64Array, count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i)
  return order.sort(
    (a, b) =>
      Math.floor((addresses[a] as number) / PAGE_BYTES) - Math.floor((addresses[b] as number) / PAGE_BYTES) ||
      a - b,
  )
}
