/** Times as Windows counts them: 100 ns since 1601-01-01 UTC. */

const UNITS_A_SECOND = 10_000_000n
/** Seconds from 1601 to 1970. */
const EPOCH_SECONDS = 11_644_473_600n
/** The year 2200: what lies beyond is no time. */
const LATEST = 7_258_118_400n

/** Seconds since 1970; undefined for 0 and for what can be no time of a guest. */
export function unixSeconds(time: bigint | undefined): number | undefined {
  if (time === undefined || time === 0n) return undefined
  const seconds = time / UNITS_A_SECOND - EPOCH_SECONDS
  if (seconds < 0n || seconds > LATEST) return undefined
  return Number(time - EPOCH_SECONDS * UNITS_A_SECOND) / Number(UNITS_A_SECOND)
}
