/**
 * zlib's one-call decompression, from the copy inside the running program: node exports it. Unlike node:zlib it leaves
 * nothing behind when a stream is broken (there about 8 KB each, until the thread's event loop turns).
 */
import { tryKoffi, tryLibrary } from './koffi.js'

/** Decompresses `source` into `target` and returns the bytes written; undefined when the stream is broken or too long. */
export type Uncompress = (source: Uint8Array, target: Uint8Array) => number | undefined

const Z_OK = 0

let found: { readonly uncompress: Uncompress | undefined } | undefined

/** zlib's `uncompress` (zlib.h), or undefined where FFI is not to be had or the program does not export it. */
export function tryUncompress(): Uncompress | undefined {
  found ??= { uncompress: bind() }
  return found.uncompress
}

function bind(): Uncompress | undefined {
  // elsewhere zlib's uLong has 32 bits
  if (process.platform === 'win32' || tryKoffi() === undefined) return undefined
  try {
    const call = tryLibrary([null])?.func(
      'int uncompress(void *target, void *length, void *source, uint64 sourceLength)',
    )
    if (call === undefined) return undefined
    const length = new BigUint64Array(1)
    return (source, target) => {
      length[0] = BigInt(target.length)
      return call(target, length, source, source.length) === Z_OK ? Number(length[0]) : undefined
    }
  } catch {
    return undefined // not exported by this program
  }
}
