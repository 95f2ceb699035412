/**
 * Sends a worker's context along with every task at no cost: what is plain goes into shared memory as JSON once, typed
 * arrays over shared memory go as they are. So threads can be started before it is known what they will look for.
 */

/** Cheap to clone: two references and a few views. */
export interface Packed {
  readonly json: SharedArrayBuffer
  readonly binaries: readonly Binary[]
}

type Binary = SharedArrayBuffer | ArrayBufferView

interface Reference {
  readonly $binary: number
}

/** Packs a value of plain objects, arrays, numbers, strings, booleans, and binaries. */
export function pack(value: unknown): Packed {
  const binaries: Binary[] = []
  const text = JSON.stringify(value, (_key, item: unknown) => {
    if (!isBinary(item)) return item
    const reference: Reference = { $binary: binaries.push(item) - 1 }
    return reference
  })
  const bytes = new TextEncoder().encode(text)
  const json = new SharedArrayBuffer(bytes.length)
  new Uint8Array(json).set(bytes)
  return { json, binaries }
}

/** The inverse of `pack`. */
export function unpack(packed: Packed): unknown {
  // TextDecoder refuses shared memory
  const text = Buffer.from(packed.json).toString('utf8')
  return JSON.parse(text, (_key, item: unknown) => {
    if (typeof item !== 'object' || item === null || !('$binary' in item)) return item
    return packed.binaries[(item as Reference).$binary]
  })
}

function isBinary(value: unknown): value is Binary {
  return value instanceof SharedArrayBuffer || ArrayBuffer.isView(value)
}
