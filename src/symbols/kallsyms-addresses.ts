/** kallsyms_offsets and kallsyms_addresses: what the stored values mean is told by the values themselves. */
import { viewOf } from './byte-reader.js'
import type { KallsymsAddressing } from './kallsyms-layout.js'

/** Lowest address of a kernel: 1 GiB on 32 bits (VMSPLIT_1G), the upper half less 12 bits on 64. */
const LOWEST_32 = 0x40000000n
const LOWEST_64 = 0xfff0_0000_0000_0000n

/** Whether this may be an address of the kernel's image. */
export function isKernelAddress(address: bigint, pointerBytes: 4 | 8): boolean {
  return address >= (pointerBytes === 8 ? LOWEST_64 : LOWEST_32)
}

/**
 * What 32-bit offsets are, undefined when they are nothing of the kind. Symbols are sorted by address, so each reading has its own
 * order: behind a base, they ascend; with absolute per-CPU ones, negative values descend behind positive ones; behind their own
 * addresses, `value + 4 * i` ascends, and `value` alone doesn't, because many symbols share an address.
 */
export function addressingOf(offsets: Uint8Array, count: number): KallsymsAddressing | undefined {
  const view = viewOf(offsets)
  let plain = true
  let percpu = true
  let own = true
  let distinct = 0
  let last = view.getInt32(0, true)
  for (let i = 1; i < count; i++) {
    const value = view.getInt32(i * 4, true)
    if (value >>> 0 < last >>> 0) plain = false
    if (value < 0 ? last < 0 && value > last : last < 0 || value < last) percpu = false
    if (value + 4 < last) own = false
    if (value !== last) distinct++
    last = value
    if (!plain && !percpu && !own) return undefined
  }
  // A page of zeros ascends as well.
  if (distinct < count / 8) return undefined
  if (plain) return 'base-relative'
  if (percpu) return 'absolute-percpu'
  return own ? 'self-relative' : undefined
}

/**
 * Addresses from 32-bit offsets. `base`: relative_base; for `self-relative` the address of the first offset; for `absolute` 0.
 */
export function addressesFromOffsets(
  offsets: Uint8Array,
  count: number,
  addressing: KallsymsAddressing,
  base: bigint,
): BigUint64Array {
  const view = viewOf(offsets)
  const addresses = new BigUint64Array(count)
  // Halves of 32 bits: a bigint for each would cost more than all the rest.
  const words = new Uint32Array(addresses.buffer)
  const baseLow = Number(base & 0xffff_ffffn)
  const baseHigh = Number((base >> 32n) & 0xffff_ffffn)
  for (let i = 0; i < count; i++) {
    const value = view.getInt32(i * 4, true)
    let low = value >>> 0
    let high = 0
    if (addressing === 'base-relative') {
      low += baseLow
      high = baseHigh
    } else if (addressing === 'absolute-percpu' && value < 0) {
      low = baseLow - 1 - value
      high = baseHigh
    } else if (addressing === 'self-relative') {
      low = baseLow + value + 4 * i
      high = baseHigh
    }
    words[i * 2] = low
    words[i * 2 + 1] = high + Math.floor(low / 2 ** 32)
  }
  return addresses
}

/** Addresses from a table of pointers; undefined unless they ascend up to one of the kernel's. */
export function addressesFromPointers(
  table: Uint8Array,
  count: number,
  pointerBytes: 4 | 8,
): BigUint64Array | undefined {
  const view = viewOf(table)
  const addresses = new BigUint64Array(count)
  const words = new Uint32Array(addresses.buffer)
  let lastHigh = 0
  let lastLow = 0
  let distinct = 0
  for (let i = 0; i < count; i++) {
    const low = view.getUint32(i * pointerBytes, true)
    const high = pointerBytes === 8 ? view.getUint32(i * 8 + 4, true) : 0
    if (high < lastHigh || (high === lastHigh && low < lastLow)) return undefined
    if (high !== lastHigh || low !== lastLow) distinct++
    words[i * 2] = low
    words[i * 2 + 1] = high
    lastHigh = high
    lastLow = low
  }
  const last = addresses[count - 1] ?? 0n
  return distinct >= count / 8 && isKernelAddress(last, pointerBytes) ? addresses : undefined
}
