/** Finds a table in the kernel's data by some of its entries, where no symbol tells its place. */

import type { StructReader } from '../struct/reader.js'
import type { LinuxKernel } from './kernel.js'

/** An entry that is known: where in the table it stands, and its bytes. */
export interface Landmark {
  /** Bytes from the table's start. */
  readonly offset: number
  readonly bytes: Uint8Array
}

/** How far behind the kernel's text its constants and data are looked for. */
const MAX_DATA_BYTES = 32 << 20
/** So many landmarks must stand where they belong: the others may have been changed. */
const MIN_LANDMARKS = 4
/** Places tried of each. */
const MAX_PLACES = 4096

/**
 * Address of the table on which most landmarks agree, four at least; undefined when there is none.
 * @param alignment of the table, in bytes.
 */
export function searchTable(
  kernel: LinuxKernel,
  reader: StructReader,
  landmarks: readonly Landmark[],
  alignment: number,
): bigint | undefined {
  const end = kernel.symbols.addressOf('_etext')
  if (end === undefined || landmarks.length < MIN_LANDMARKS) return undefined
  const from = end - (end % BigInt(alignment))
  const { bytes } = reader.memory.read(from, MAX_DATA_BYTES)
  const memory = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const votes = new Map<number, number>()
  for (const { offset, bytes: wanted } of landmarks) {
    let left = MAX_PLACES
    for (let at = memory.indexOf(wanted); at >= 0 && left-- > 0; at = memory.indexOf(wanted, at + 1)) {
      const start = at - offset
      if (start >= 0 && start % alignment === 0) votes.set(start, (votes.get(start) ?? 0) + 1)
    }
  }
  const [best, count] = [...votes].reduce((one, other) => (other[1] > one[1] ? other : one), [-1, 0])
  return count < MIN_LANDMARKS ? undefined : from + BigInt(best)
}
