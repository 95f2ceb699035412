/**
 * libzstd's decoder as WebAssembly, out of npm `zstddec`, started synchronously.
 * The package only offers an asynchronous start, and a block reader can't wait: so its module text is read for the
 * binary it carries (54 KB of base64). The version is pinned exactly for that, and a test decodes a real frame with it.
 * Memory is the sandbox's own: whatever a frame does, it can't reach ours.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { VmsiftError } from '../core/errors.js'

/** Room for one frame, in and out: a kdump page is at most 64 KiB, and its compressed form is no longer. */
const ROOM_BYTES = 65536

/** What the binary exports, as far as it is used here. */
interface ZstdExports {
  readonly memory: { readonly buffer: ArrayBuffer }
  readonly malloc: (bytes: number) => number
  readonly ZSTD_decompress: (target: number, capacity: number, source: number, length: number) => number
  readonly ZSTD_isError: (result: number) => number
}

/** The little of WebAssembly's own interface that is used; `lib` has no DOM types. */
interface WasmApi {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown }
}

/** Decompresses one frame, at most 64 KiB on both sides; `undefined` when it is broken or doesn't fit. */
export type ZstdDecoder = (source: Uint8Array, capacity: number) => Uint8Array | undefined

/**
 * Starts the decoder (about 2 ms). What it returns is borrowed until its next call.
 * @throws VmsiftError `not-supported` when the package isn't the one it was written for.
 */
export function startZstd(): ZstdDecoder {
  const { malloc, memory, ZSTD_decompress, ZSTD_isError } = instantiate()
  const source = malloc(ROOM_BYTES)
  const target = malloc(ROOM_BYTES)
  return (bytes, capacity) => {
    if (bytes.length > ROOM_BYTES || capacity > ROOM_BYTES) return undefined
    // The buffer is another one after the sandbox's memory grew.
    new Uint8Array(memory.buffer, source, bytes.length).set(bytes)
    const result = ZSTD_decompress(target, capacity, source, bytes.length)
    return ZSTD_isError(result) === 0 ? new Uint8Array(memory.buffer, target, result) : undefined
  }
}

function instantiate(): ZstdExports {
  const path = createRequire(import.meta.url).resolve('zstddec')
  const binary = /"(AGFzbQ[A-Za-z0-9+/=]+)"/.exec(readFileSync(path, 'latin1'))?.[1]
  if (binary === undefined)
    throw new VmsiftError('not-supported', `no zstd decoder in ${path}: install zstddec 0.3.4`, {
      detail: { path },
    })
  const { Module, Instance } = (globalThis as unknown as { WebAssembly: WasmApi }).WebAssembly
  const instance = new Instance(new Module(Buffer.from(binary, 'base64')), {
    env: { emscripten_notify_memory_growth: () => undefined },
  })
  return instance.exports as ZstdExports
}
