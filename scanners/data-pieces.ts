/** The pieces of a window that are not pages of zeros: half of a guest's memory is, and nothing need be looked for there. */
import { PAGE_BYTES } from '../src/core/address.js'
import type { ScanWindow } from '../src/scan/scanner.js'
import type { CandidateFinder } from './candidate-finder.js'

/** Offsets into the window, ends exclusive, ascending. Reused from window to window. */
export interface Pieces {
  readonly from: readonly number[]
  readonly to: readonly number[]
  readonly count: number
}

const ZEROS = Buffer.alloc(PAGE_BYTES)
/** Shorter runs of zeros are searched along: a call costs as much. */
const MIN_ZERO_PAGES = 2

/** Cuts a window at runs of whole pages of zeros. */
export function dataPieces({ bytes, gpa }: ScanWindow): Pieces {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const from: number[] = []
  const to: number[] = []
  let open = 0
  let zeroFrom = -1
  const first = (PAGE_BYTES - (gpa % PAGE_BYTES)) % PAGE_BYTES
  let at = first
  for (; at + PAGE_BYTES <= bytes.length; at += PAGE_BYTES) {
    const zero =
      bytes[at] === 0 &&
      bytes[at + 2048] === 0 &&
      bytes[at + 4088] === 0 &&
      buffer.compare(ZEROS, 0, PAGE_BYTES, at, at + PAGE_BYTES) === 0
    if (zero) {
      if (zeroFrom < 0) zeroFrom = at
    } else if (zeroFrom >= 0) {
      if (at - zeroFrom >= MIN_ZERO_PAGES * PAGE_BYTES) {
        if (zeroFrom > open) {
          from.push(open)
          to.push(zeroFrom)
        }
        open = at
      }
      zeroFrom = -1
    }
  }
  const end = zeroFrom >= 0 && at - zeroFrom >= MIN_ZERO_PAGES * PAGE_BYTES ? zeroFrom : bytes.length
  if (end > open) {
    from.push(open)
    to.push(end)
  }
  // what is left behind the last whole page
  if (end !== bytes.length && at < bytes.length) {
    from.push(at)
    to.push(bytes.length)
  }
  return { from, to, count: from.length }
}

/** Whether a finder finds nothing in zeros. */
export function isQuietInZeros(finder: CandidateFinder, longest: number): boolean {
  return !finder.scan(new Uint8Array(longest * 2 + 64), 1) ? false : finder.count === 0
}
