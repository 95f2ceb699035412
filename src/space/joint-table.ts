/**
 * Regions around joints: pieces of physical memory in virtual order, and where in which space each chain of pieces
 * occurs. Regions stand one behind the other in an address space of their own (`base`), which is what partitions, batches
 * and matches of the joint scan are about.
 */

/** The stretch begins at the region's first byte, and a start there is owned that would see it. */
export const BEGINS_STRETCH = 1
/** The stretch ends at the region's last byte, and a start there is owned that would see it. */
export const ENDS_STRETCH = 2

/** All of it is shared memory. Regions without flags come first, each part in the order of discovery. */
export interface JointTable {
  /** Where each region's bytes begin; one more entry tells where the last ends. */
  readonly base: Float64Array
  /** Owned starts, as offsets into the region's bytes, end exclusive. */
  readonly ownedFrom: Uint32Array
  readonly ownedTo: Uint32Array
  readonly flags: Uint8Array
  /** Number of regions without flags. */
  readonly plain: number
  /** Index of each region's first piece; one more entry for the end. */
  readonly pieces: Uint32Array
  readonly pieceGpa: Float64Array
  readonly pieceLength: Uint32Array
  /** Index of each region's first occurrence; one more entry for the end. */
  readonly occurrences: Uint32Array
  readonly occurrenceSpace: Uint32Array
  /** Page number (4 KiB, signed) of the region's first byte there; the offset in the page is the first piece's own. */
  readonly occurrenceVpn: Float64Array
}

/** Index of the region whose bytes hold `address`; `base` ascends, and `address` lies below its last entry. */
export function regionAt(base: Float64Array, address: number, first = 0, end = base.length - 1): number {
  let low = first
  let high = end
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((base[middle + 1] as number) <= address) low = middle + 1
    else high = middle
  }
  return low
}

/** Physical address of the byte at `offset` of a region. */
export function gpaInRegion(table: JointTable, region: number, offset: number): number {
  let left = offset
  for (let piece = table.pieces[region] as number; ; piece++) {
    const length = table.pieceLength[piece] as number
    if (left < length) return (table.pieceGpa[piece] as number) + left
    left -= length
  }
}
