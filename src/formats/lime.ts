/**
 * LiME images, version 1: a 32-byte header before each range, then its bytes (504ensicsLabs/LiME src/main.c
 * `write_lime_header`). AVML version 1 is the same. LiME's "padded" has no headers: raw.ts.
 */
import type { ByteSource } from '../core/bytes.js'
import { tooFragmented } from './corrupt.js'
import { ExtentBuilder, runsOf } from './extents.js'
import type { Image } from './image.js'
import { MAX_RUNS } from './limits.js'
import {
  isZeroTail,
  LIME_MAGIC,
  orderRanges,
  RANGE_HEADER_BYTES,
  type RangeHeader,
  readRangeHeader,
} from './range-header.js'

interface LimeRange extends RangeHeader {
  readonly offset: number
}

/**
 * Walks the headers. A last range that reaches past the end of the file stays whole: the reader tells what is missing.
 * @throws VmsiftError `image-corrupt`: a broken header, ranges that overlap or run backwards.
 */
export function parseLime(source: ByteSource): Image {
  const warnings: string[] = []
  const ranges: LimeRange[] = []
  let at = 0
  while (at < source.size) {
    if (ranges.length > 0 && isZeroTail(source, at)) {
      warnings.push(`${source.size - at} bytes of zeros behind the last LiME range`)
      break
    }
    if (ranges.length >= MAX_RUNS) throw tooFragmented('LiME ranges', MAX_RUNS)
    const header = readRangeHeader(source, at, 'LiME', LIME_MAGIC, 1)
    ranges.push({ ...header, offset: at + RANGE_HEADER_BYTES })
    at += RANGE_HEADER_BYTES + header.length
  }
  if (at > source.size)
    warnings.push(
      `the file ends ${at - source.size} bytes before its last LiME range does: later ranges, if any, are lost`,
    )
  const extents = new ExtentBuilder()
  for (const range of orderRanges(ranges, 'LiME', warnings))
    extents.add(range.gpa, range.length, range.offset)
  const table = extents.table()
  return {
    format: 'lime',
    runs: runsOf(table),
    notes: { cpus: [] },
    storage: { kind: 'direct', extents: table },
    warnings,
  }
}
