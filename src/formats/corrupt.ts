/** The errors that every parser throws, in one wording. */

import { VmsiftError } from '../core/errors.js'
import type { GapReason } from '../core/memory.js'

/** An image whose own headers contradict themselves. `message` says what and where; `detail` keeps the raw values. */
export function corrupt(message: string, detail: Readonly<Record<string, unknown>> = {}): VmsiftError {
  return new VmsiftError('image-corrupt', message, { detail })
}

/** More pieces than any real image has: refused, so that memory stays bounded. */
export function tooFragmented(what: string, limit: number): VmsiftError {
  return corrupt(`image too fragmented: more than ${limit} ${what}`, { what, limit })
}

/** A block that lies, wholly or in part, behind the end of the file. */
export function truncatedBlock(what: string, offset: number, length: number, size: number): VmsiftError {
  return corrupt(
    `${what} lies past the end of the file: ${length} bytes at offset ${offset}, the file has ${size}`,
    {
      reason: 'truncated',
      offset,
      length,
      size,
    },
  )
}

/**
 * The gap that a failed `BlockReader.decode` leaves: `truncated` where the file ends before the block, else `unreadable`.
 * Anything but an `image-corrupt` error is not a gap and is thrown on.
 */
export function blockFailure(error: unknown): GapReason {
  if (!(error instanceof VmsiftError) || error.code !== 'image-corrupt') throw error
  return error.detail['reason'] === 'truncated' ? 'truncated' : 'unreadable'
}
