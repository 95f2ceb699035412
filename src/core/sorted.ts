/** Index of the last entry of ascending `starts` that is ≤ `value`, or -1. */
export function lastAtOrBelow(starts: Float64Array, value: number): number {
  let low = 0
  let high = starts.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((starts[middle] as number) <= value) low = middle + 1
    else high = middle
  }
  return low - 1
}
