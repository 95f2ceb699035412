/** What time it is in the guest (kernel/time/timekeeping.c): turns a time since boot into one of the calendar. */

import { structSpec } from '../struct/layout.js'
import type { StructReader } from '../struct/reader.js'
import type { LinuxKernel } from './kernel.js'

const TIMEKEEPER = structSpec('timekeeper', {
  realOffset: 'offs_real',
  bootOffset: 'offs_boot',
  seconds: 'xtime_sec',
})

/** 1980: no guest's clock stands before. */
const EARLIEST_NS = 315_532_800n * 1_000_000_000n
/** 2200. */
const LATEST_NS = 7_258_118_400n * 1_000_000_000n

/** Clock offsets of a guest. */
export interface GuestClock {
  /** Calendar time of the boot, in nanoseconds since 1970. */
  readonly bootTimeNs: bigint
  /** What the guest's clock showed when its memory was taken (at its last tick), in seconds since 1970. */
  readonly nowSeconds: number
}

/**
 * The guest's clock from its timekeeper; undefined when the symbol or the members are not there, or what stands there is no time.
 */
export function guestClock(kernel: LinuxKernel, reader: StructReader): GuestClock | undefined {
  const core = kernel.symbols.addressOf('tk_core') ?? kernel.symbols.addressOf('timekeeper_data')
  if (core === undefined) return undefined
  // since 6.13 a named type tells where it is; before, it stands behind a sequence counter
  const named = kernel.types.member('tk_data', 'timekeeper')?.offset
  const offsets = named === undefined ? [8n, 0n, 16n, 64n] : [BigInt(named)]
  for (const offset of offsets) {
    const timekeeper = reader.record(TIMEKEEPER, core + offset)
    const real = timekeeper?.bigint('realOffset')
    const boot = timekeeper?.bigint('bootOffset')
    const seconds = timekeeper?.number('seconds')
    if (real === undefined || boot === undefined || seconds === undefined) continue
    const bootTimeNs = real - boot
    const nowNs = BigInt(Math.trunc(seconds)) * 1_000_000_000n
    if (bootTimeNs < EARLIEST_NS || nowNs > LATEST_NS || bootTimeNs > nowNs) continue
    return { bootTimeNs, nowSeconds: seconds }
  }
  return undefined
}
