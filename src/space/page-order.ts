/** Sorting by page: a radix sort, which beats comparisons by far on millions of numbers. */
import { PAGE_BYTES } from '../core/address.js'

/** Counters of a digit stay in the processor's first cache. */
const MAX_DIGIT_BITS = 11
/** Page numbers beyond this are sorted by comparison: no machine has so much memory. */
const MAX_PAGE = 2 ** 32

/**
 * Indices of `addresses[0 .. count)` in ascending order of their page (4 KiB); equal pages stay in the order they had.
 * Addresses are not negative.
 */
export function orderByPage(addresses: Float64Array, count: number): Uint32Array {
  const pages = new Uint32Array(count)
  let highest = 0
  for (let i = 0; i < count; i++) {
    const page = Math.floor((addresses[i] as number) / PAGE_BYTES)
    if (page > highest) highest = page
    pages[i] = page
  }
  if (highest >= MAX_PAGE) return orderByComparison(addresses, count)
  let order = new Uint32Array(count)
  for (let i = 0; i < count; i++) order[i] = i
  const bits = highest === 0 ? 0 : Math.floor(Math.log2(highest)) + 1
  const passes = Math.ceil(bits / MAX_DIGIT_BITS)
  const digitBits = Math.ceil(bits / Math.max(1, passes))
  const counters = new Uint32Array(2 ** digitBits)
  let other = new Uint32Array(count)
  for (let pass = 0; pass < passes; pass++) {
    sortDigit(pages, order, other, counters, pass * digitBits)
    const sorted = other
    other = order
    order = sorted
  }
  return order
}

/** One stable pass by the digit that begins at bit `shift`. */
function sortDigit(
  pages: Uint32Array,
  order: Uint32Array,
  sorted: Uint32Array,
  counters: Uint32Array,
  shift: number,
): void {
  const mask = counters.length - 1
  counters.fill(0)
  for (let i = 0; i < pages.length; i++) {
    const digit = ((pages[i] as number) >>> shift) & mask
    counters[digit] = (counters[digit] as number) + 1
  }
  let before = 0
  for (let digit = 0; digit <= mask; digit++) {
    const here = counters[digit] as number
    counters[digit] = before
    before += here
  }
  for (let i = 0; i < order.length; i++) {
    const index = order[i] as number
    const digit = ((pages[index] as number) >>> shift) & mask
    const place = counters[digit] as number
    counters[digit] = place + 1
    sorted[place] = index
  }
}

function orderByComparison(addresses: Float64Array, count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i)
  const pageOf = (index: number): number => Math.floor((addresses[index] as number) / PAGE_BYTES)
  return order.sort((a, b) => pageOf(a) - pageOf(b) || a - b)
}
