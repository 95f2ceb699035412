/**
 * Raw images: byte n of the file is physical address base + n.
 * LiME's `format=padded` is this too: no headers, and zeros where there is no memory, from address 0 on
 * (LiME src/main.c, LIME_MODE_PADDED; its `format=raw` drops the holes, which nothing in the file can tell).
 */
import { gpa, hex, MAX_PHYSICAL_BYTES } from '../core/address.js'
import type { ByteSource } from '../core/bytes.js'
import { VmsiftError } from '../core/errors.js'
import { ExtentBuilder, runsOf } from './extents.js'
import type { Image, ParseOptions } from './image.js'

/**
 * The whole source as one run at `options.base` (default 0).
 * @throws VmsiftError `bad-argument` when the base is no address, or the image would reach past 2^52.
 */
export function parseRaw(source: ByteSource, options: ParseOptions): Image {
  const base = gpa(options.base ?? 0)
  if (base + source.size > MAX_PHYSICAL_BYTES)
    throw new VmsiftError('bad-argument', `${source.size} bytes at base ${hex(base)} reach past 2^52`, {
      detail: { base, size: source.size },
    })
  const extents = new ExtentBuilder()
  extents.add(base, source.size, 0)
  const table = extents.table()
  return {
    format: 'raw',
    runs: runsOf(table),
    notes: { cpus: [] },
    storage: { kind: 'direct', extents: table },
    warnings: [],
  }
}
