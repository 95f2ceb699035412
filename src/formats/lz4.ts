/** LZ4 block decompression, written from the format's description (lz4_Block_format.md). Every read and write is checked. */

/** The block can't be decompressed into the room given. */
export class Lz4Error extends Error {}

const SHORTEST_COPY = 4

/**
 * Decompresses one LZ4 block (no frame) into `target`.
 * @returns bytes written, at most `target.length`.
 * @throws Lz4Error on a broken block.
 */
export function lz4Decompress(source: Uint8Array, target: Uint8Array): number {
  let input = 0
  let output = 0
  const next = (): number => {
    const byte = source[input++]
    if (byte === undefined) throw new Lz4Error('lz4 block is cut short')
    return byte
  }
  /** Fifteen says that more bytes follow, the last of which is not 255. */
  const length = (nibble: number): number => {
    if (nibble < 15) return nibble
    let sum = nibble
    for (;;) {
      const byte = next()
      sum += byte
      if (byte < 255) return sum
      if (sum > target.length + 255) throw new Lz4Error('lz4 length passes the block')
    }
  }
  for (;;) {
    const token = next()
    const literals = length(token >> 4)
    if (literals > source.length - input || literals > target.length - output)
      throw new Lz4Error('lz4 literals pass the end')
    target.set(source.subarray(input, input + literals), output)
    input += literals
    output += literals
    // the last sequence is literals only
    if (input >= source.length) return output
    const distance = next() + next() * 256
    const count = length(token & 15) + SHORTEST_COPY
    if (distance === 0 || distance > output || count > target.length - output)
      throw new Lz4Error('lz4 copy passes the block')
    // byte by byte: source and destination overlap where a pattern repeats
    for (let i = 0; i < count; i++, output++) target[output] = target[output - distance] as number
  }
}
