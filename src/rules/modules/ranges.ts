/** Bytes of a range, as the functions of `math` and `hash` see them. */
import { after, type CallContext, type Pieces, type Soon } from './module.js'

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
  context: CallContext,
  offset: bigint,
  length: bigint,
  take: (bytes: Uint8Array) => void,
): Soon<boolean> {
  const { space } = context
  if (offset < 0n || length < 0n) return false
  if (space.read(offset, 1).length === 0) return false
  const end = offset + length
  const last = space.filesize !== undefined && end > space.filesize ? space.filesize : end
  if (last - offset > BigInt(CHUNK_BYTES)) return readChunks(context, offset, last, take)
  return last <= offset || readChunk(context, offset, Number(last - offset), take)
}

function* readChunks(
  context: CallContext,
  offset: bigint,
  last: bigint,
  take: (bytes: Uint8Array) => void,
): Pieces<boolean> {
  for (let at = offset; at < last; at += BigInt(CHUNK_BYTES)) {
    const left = last - at
    if (!readChunk(context, at, left < BigInt(CHUNK_BYTES) ? Number(left) : CHUNK_BYTES, take)) return false
    if (context.isLate()) yield
  }
  return true
}

function readChunk(
  { space, spend }: CallContext,
  at: bigint,
  length: number,
  take: (bytes: Uint8Array) => void,
): boolean {
  spend(STEPS_PER_CHUNK)
  const bytes = space.read(at, length)
  if (bytes.length < length) return false
  take(bytes)
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
export function histogramOf(
  context: CallContext,
  offset: bigint,
  length: bigint,
): Soon<Histogram | undefined> {
  return remembered(context, `bytes ${offset} ${length}`, () => {
    const histogram = new Histogram()
    const read = readRange(context, offset, length, bytes => histogram.add(bytes))
    return after(read, whole => (whole ? histogram : undefined))
  })
}

/** An answer that is computed once an evaluation. */
export function remembered<Answer>(
  { known }: CallContext,
  key: string,
  compute: () => Soon<Answer>,
): Soon<Answer> {
  if (known.has(key)) return known.get(key) as Answer
  return after(compute(), answer => {
    if (known.size < MAX_KNOWN) known.set(key, answer)
    return answer
  })
}
