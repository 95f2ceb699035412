/**
 * LZO1X decompression, written from the stream's description in the Linux kernel (Documentation/staging/lzo.rst).
 * Our own, because npm has nothing that will do: lzo-ts is GPL-3.0, lzo-wasm only for browsers and asynchronous,
 * lzo-decompress native without arm64 builds. Every read and write is checked: any garbage ends in an error.
 */

/** The stream can't be decompressed into the room given. */
export class LzoError extends Error {}

/** Ends the stream: a copy at distance 16384 (lzo.rst, `0 0 0 1 H L L L`). */
const END_DISTANCE = 16384

/** A stream that starts with this byte tells its version in the next one. */
const VERSIONED = 17
/** Version 1 (lzo-rle) has runs of zeros: a copy at distance 0xbfff, `0 0 0 1 1 L L L` and a byte with more of the length. */
const RUN_OF_ZEROS = 0xfffc
const SHORTEST_RUN = 4

/**
 * Decompresses one LZO1X stream (version 0 as liblzo writes it, or 1, the kernel's lzo-rle) into `target`.
 * @returns bytes written, at most `target.length`.
 * @throws LzoError on a broken stream, or one that doesn't end exactly at the end of `source`.
 */
export function lzo1xDecompress(source: Uint8Array, target: Uint8Array): number {
  let input = 0
  let output = 0
  let state = 0

  const next = (): number => {
    const byte = source[input++]
    if (byte === undefined) throw new LzoError('lzo stream is cut short')
    return byte
  }
  /** A length that didn't fit its bits: 255 for each zero byte, then the first other. */
  const extended = (base: number): number => {
    let length = base
    for (;;) {
      const byte = next()
      if (byte !== 0) return length + byte
      length += 255
      if (length > target.length + 255) throw new LzoError('lzo length passes the block')
    }
  }
  const literals = (count: number): void => {
    if (count > source.length - input || count > target.length - output)
      throw new LzoError('lzo literals pass the end')
    for (let i = 0; i < count; i++) target[output++] = source[input++] as number
  }
  const copy = (distance: number, length: number): void => {
    if (distance > output || length > target.length - output) throw new LzoError('lzo copy passes the block')
    // Byte by byte: source and destination overlap where a pattern repeats.
    for (let i = 0; i < length; i++, output++) target[output] = target[output - distance] as number
  }

  let runs = false
  if (source[0] === VERSIONED && source.length >= 5) {
    runs = (source[1] ?? 0) > 0
    input = 2
  }
  const first = source[input] ?? 0
  if (first > 17) {
    input++
    const count = first - 17
    literals(count)
    state = Math.min(count, 4)
  }
  for (;;) {
    const code = next()
    let distance: number
    let length: number
    let low: number
    if (code < 16) {
      if (state === 0) {
        literals(3 + (code === 0 ? extended(15) : code))
        state = 4
        continue
      }
      low = code
      distance = next() * 4 + (code >> 2) + (state === 4 ? 2049 : 1)
      length = state === 4 ? 3 : 2
    } else if (runs && code >= 24 && code < 32 && isRun(source, input)) {
      low = next()
      next()
      const run = (code & 7) + next() * 8 + SHORTEST_RUN
      if (run > target.length - output) throw new LzoError('lzo zeros pass the block')
      target.fill(0, output, output + run)
      output += run
      state = low & 3
      literals(state)
      continue
    } else if (code < 32) {
      length = 2 + (code & 7 || extended(7))
      low = next()
      distance = END_DISTANCE + ((code & 8) << 11) + next() * 64 + (low >> 2)
      if (distance === END_DISTANCE) {
        if (input !== source.length) throw new LzoError('lzo stream ends early')
        return output
      }
    } else if (code < 64) {
      length = 2 + (code & 31 || extended(31))
      low = next()
      distance = next() * 64 + (low >> 2) + 1
    } else {
      low = code
      distance = next() * 8 + ((code >> 2) & 7) + 1
      length = code < 128 ? 3 + ((code >> 5) & 1) : 5 + ((code >> 5) & 3)
    }
    copy(distance, length)
    state = low & 3
    literals(state)
  }
}

/** Whether the two bytes there hold the distance that stands for a run of zeros. */
function isRun(source: Uint8Array, at: number): boolean {
  return at + 2 < source.length && (word(source, at) & RUN_OF_ZEROS) === RUN_OF_ZEROS
}

function word(source: Uint8Array, at: number): number {
  return (source[at] as number) | ((source[at + 1] as number) << 8)
}
