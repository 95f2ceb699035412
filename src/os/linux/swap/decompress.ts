/** The compressors that zram and zswap may use, by the names that the kernel's crypto layer gives them. */
import { VmsiftError } from '../../../core/errors.js'
import { type Codec, lzoInto, zstdInto } from '../../../formats/codecs.js'
import { Lz4Error, lz4Decompress } from '../../../formats/lz4.js'

const CODECS: ReadonlyMap<string, Codec> = new Map([
  ['lzo', lzoInto],
  ['lzo-rle', lzoInto],
  ['lz4', lz4Into],
  ['lz4hc', lz4Into],
  ['zstd', zstdInto],
])

/** Whether this compressor's pages can be read: `deflate` and `842` can't. */
export function canDecompress(compressor: string): boolean {
  return CODECS.has(compressor)
}

/** A page of `length` bytes; undefined when the bytes are broken or the compressor is none of those. */
export function decompressPage(
  compressor: string,
  source: Uint8Array,
  length: number,
): Uint8Array | undefined {
  const target = new Uint8Array(length)
  try {
    const codec = CODECS.get(compressor)
    if (codec === undefined) return undefined
    codec(source, target)
    return target
  } catch (error) {
    if (error instanceof VmsiftError || error instanceof Lz4Error) return undefined
    throw error
  }
}

function lz4Into(source: Uint8Array, target: Uint8Array): void {
  const written = lz4Decompress(source, target)
  if (written !== target.length) throw new Lz4Error(`lz4 block of ${written} bytes, not ${target.length}`)
}
