/**
 * Decompression of single blocks into room of known size. Every function fills `target` exactly or throws
 * `image-corrupt`; none allocates by what the compressed bytes claim, whatever they are.
 * The libraries are loaded at first use: start-up must not pay for a codec that the image doesn't need.
 */

import { createRequire } from 'node:module'
import { tryUncompress } from '../ffi/zlib.js'
import { corrupt } from './corrupt.js'
import { LzoError, lzo1xDecompress } from './lzo.js'
import { varint } from './snappy-frame.js'
import { zstdFrameFits } from './zstd-frame.js'
import { startZstd, type ZstdDecoder } from './zstd-wasm.js'

const require = createRequire(import.meta.url)

/** Decompresses `source` so that it fills `target`. */
export type Codec = (source: Uint8Array, target: Uint8Array) => void

type Snappy = Pick<typeof import('snappy'), 'uncompressSync'>
type Zlib = typeof import('node:zlib')

let snappy: Snappy | undefined
let zlib: Zlib | undefined
let zstd: ZstdDecoder | undefined

/** A raw snappy block (npm snappy, native). The length it claims is checked before anything is allocated. */
export const snappyInto: Codec = (source, target) => {
  const claimed = varint(source)
  if (claimed !== target.length) throw wrongLength('snappy', claimed, target.length)
  snappy ??= require('snappy') as Snappy
  // copyOutputData: a Buffer that owns its bytes; an external one costs 9 us more in finalizers.
  const options = { asBuffer: true, copyOutputData: true }
  fill('snappy', target, () => (snappy as Snappy).uncompressSync(source, options) as Buffer)
}

/** A zlib stream, output bounded: zlib itself by FFI, else node:zlib. */
export const zlibInto: Codec = (source, target) => {
  const uncompress = tryUncompress()
  if (uncompress !== undefined) {
    const written = uncompress(source, target)
    if (written !== target.length) throw wrongLength('zlib', written, target.length)
    return
  }
  zlib ??= require('node:zlib') as Zlib
  fill('zlib', target, () => (zlib as Zlib).inflateSync(source, { maxOutputLength: target.length }))
}

/** One zstd frame that states its size, as makedumpfile writes it (libzstd as WebAssembly). */
export const zstdInto: Codec = (source, target) => {
  if (!zstdFrameFits(source, target.length))
    throw corrupt(`zstd frame is broken or not of ${target.length} bytes`, { length: target.length })
  zstd ??= startZstd()
  const bytes = zstd(source, target.length)
  if (bytes?.length !== target.length) throw wrongLength('zstd', bytes?.length, target.length)
  target.set(bytes)
}

/** An LZO1X stream. */
export const lzoInto: Codec = (source, target) => {
  let written: number
  try {
    written = lzo1xDecompress(source, target)
  } catch (error) {
    if (!(error instanceof LzoError)) throw error
    throw corrupt(error.message)
  }
  if (written !== target.length) throw wrongLength('lzo', written, target.length)
}

/** Stored bytes. */
export const storedInto: Codec = (source, target) => {
  if (source.length !== target.length) throw wrongLength('stored', source.length, target.length)
  target.set(source)
}

/** Runs a library's decompressor: whatever it throws at garbage is a corrupt block. */
function fill(codec: string, target: Uint8Array, decompress: () => Uint8Array): void {
  let bytes: Uint8Array
  try {
    bytes = decompress()
  } catch (error) {
    throw corrupt(`${codec} data is broken: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (bytes.length !== target.length) throw wrongLength(codec, bytes.length, target.length)
  if (bytes !== target) target.set(bytes)
}

function wrongLength(codec: string, got: number | undefined, expected: number): Error {
  return corrupt(`${codec} data has ${got ?? 'no'} bytes where ${expected} belong`, { got, expected })
}
