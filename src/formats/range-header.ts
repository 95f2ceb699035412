/**
 * The 32-byte header that LiME and AVML put before every range: magic, version, first and last address, reserved
 * (LiME doc/README.md "LiME Memory Range Header Version 1 Specification"; avml src/image.rs `Header`).
 */
import { hex, MAX_PHYSICAL_BYTES } from '../core/address.js'
import { type ByteSource, readExact, u64le } from '../core/bytes.js'
import { corrupt } from './corrupt.js'

/** Bytes of a range header. */
export const RANGE_HEADER_BYTES = 32
/** `EMiL` as it stands in the file. */
export const LIME_MAGIC = 0x4c694d45
/** `AVML` as it stands in the file. */
export const AVML_MAGIC = 0x4c4d5641

/** A range as its header claims it. */
export interface RangeHeader {
  readonly gpa: number
  readonly length: number
}

/**
 * Reads the header at `offset`.
 * @throws VmsiftError `image-corrupt`: cut short, another magic or version, a range that runs backwards or past 2^52.
 */
export function readRangeHeader(
  source: ByteSource,
  offset: number,
  kind: 'LiME' | 'AVML',
  magic: number,
  version: number,
): RangeHeader {
  const advice =
    offset === 0 ? '' : `; the ranges before it are whole: truncate -s ${offset} on a copy keeps them`
  const left = source.size - offset
  if (left < RANGE_HEADER_BYTES)
    throw corrupt(
      `${kind} range header is cut short: ${RANGE_HEADER_BYTES} bytes wanted at offset ${offset}, ${left} there${advice}`,
      { offset, left },
    )
  const bytes = readExact(source, offset, RANGE_HEADER_BYTES, `${kind} range header`)
  const found = bytes.readUInt32LE(0)
  const foundVersion = bytes.readUInt32LE(4)
  if (found !== magic || foundVersion !== version)
    throw corrupt(
      `not a ${kind} range header at offset ${offset}: magic=${hex(found)} version=${foundVersion}${advice}`,
      { offset, magic: found, version: foundVersion },
    )
  const first = u64le(bytes, 8)
  const last = u64le(bytes, 16)
  if (last < first)
    throw corrupt(`${kind} range runs backwards at offset ${offset}: ${hex(first)}-${hex(last)}${advice}`, {
      offset,
      first,
      last,
    })
  if (last >= MAX_PHYSICAL_BYTES)
    throw corrupt(
      `${kind} range reaches past 2^52 at offset ${offset}: ${hex(first)}-${hex(last)}${advice}`,
      {
        offset,
        first,
        last,
      },
    )
  return { gpa: first, length: last - first + 1 }
}

/** Ranges in order of address, with a warning when the file had them otherwise. */
export function orderRanges<T extends RangeHeader>(ranges: T[], kind: string, warnings: string[]): T[] {
  const ordered = [...ranges].sort((a, b) => a.gpa - b.gpa)
  if (ranges.some((range, i) => range !== ordered[i]))
    warnings.push(`${kind} ranges are not in order of address`)
  for (let i = 1; i < ordered.length; i++) {
    const before = ordered[i - 1] as T
    const range = ordered[i] as T
    if (range.gpa < before.gpa + before.length)
      throw corrupt(
        `${kind} ranges overlap: ${hex(before.gpa)}-${hex(before.gpa + before.length - 1)} and ` +
          `${hex(range.gpa)}-${hex(range.gpa + range.length - 1)}; which one is right can't be told`,
        { first: before.gpa, second: range.gpa },
      )
  }
  return ordered
}

/** Whether everything from `offset` on is zeros: padding up to a device's sector or block. Looks at 1 MiB at most. */
export function isZeroTail(source: ByteSource, offset: number): boolean {
  const left = source.size - offset
  if (left <= 0 || left > 1 << 20) return false
  // The next header's magic settles it nearly always; without this look a file of empty ranges would cost O(n²).
  if (readExact(source, offset, Math.min(4, left), 'tail').some(byte => byte !== 0)) return false
  return readExact(source, offset, left, 'tail').every(byte => byte === 0)
}
