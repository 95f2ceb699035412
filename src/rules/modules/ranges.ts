/** Bytes of a range, as the functions of `math` and `hash` see them. */
import type { CallContext } from './module.js'

const CHUNK_BYTES = 1 << 16
/** Answers that are kept. */
const MAX_KNOWN = 4096
/** Steps that one chunk counts as: hashing it takes about as long. */
const STEPS_PER_CHUNK = 64

/**
 * Hands the bytes of a range to `take`, in pieces, which are used before the next comes. A range that goes beyond the end of
 * an image is cut there, as YARA does; one that starts where nothing is, or runs into a hole, has no answer: false.
 */
export function readRange(
  { space, spend }: CallContext,
  offset: bigint,
  length: bigint,
  take: (bytes: Uint8Array) => void,
): boolean {
  if (offset < 0n || length < 0n) return false
  if (space.read(offset, 1).length === 0) return false
  const end = offset + length
  const last = space.filesize !== undefined && end > space.filesize ? space.filesize : end
  for (let at = offset; at < last; ) {
    const left = last - at
    const wanted = left < BigInt(CHUNK_BYTES) ? Number(left) : CHUNK_BYTES
    spend(STEPS_PER_CHUNK)
    const bytes = space.read(at, wanted)
    if (bytes.length < wanted) return false
    take(bytes)
    at += BigInt(wanted)
  }
  return true
}

/** How often each byte value stands somewhere. */
export class Histogram {
  readonly counts = new Float64Array(256)
  readonly #signed: boolean
  total = 0

  constructor(signed = false) {
    this.#signed = signed
  }

  add(bytes: Uint8Array): void {
    const { counts } = this
    for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1
    this.total += bytes.length
  }

  /** What a byte counts as in a sum. */
  valueOf(byte: number): number {
    return this.#signed && byte > 127 ? byte - 256 : byte
  }
}

/** The bytes of a range, counted; undefined where it has no answer. */
export function histogramOf(context: CallContext, offset: bigint, length: bigint): Histogram | undefined {
  return remembered(context, `bytes ${offset} ${length}`, () => {
    const histogram = new Histogram()
    return readRange(context, offset, length, bytes => histogram.add(bytes)) ? histogram : undefined
  })
}

/** An answer that is computed once an evaluation. */
export function remembered<Answer>({ known }: CallContext, key: string, compute: () => Answer): Answer {
  if (known.has(key)) return known.get(key) as Answer
  const answer = compute()
  if (known.size < MAX_KNOWN) known.set(key, answer)
  return answer
}
