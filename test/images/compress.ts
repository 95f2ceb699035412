/**
 * Compressors for test images where no library writes the format: enough of LZO1X and zstd to make valid, smaller blocks
 * out of repeated bytes. Real encoders' output is in the tests as captured blocks.
 */

interface Stretch {
  readonly literals: Uint8Array
  /** How often the last literal is repeated behind them. */
  readonly repeats: number
}

/** Cuts bytes where one repeats for at least `least` times. */
function stretches(bytes: Uint8Array, least: number): Stretch[] {
  const list: Stretch[] = []
  let start = 0
  let at = 0
  while (at < bytes.length) {
    let end = at + 1
    while (end < bytes.length && bytes[end] === bytes[at]) end++
    if (end - at > least) {
      list.push({ literals: bytes.subarray(start, at + 1), repeats: end - at - 1 })
      start = end
    }
    at = end
  }
  if (start < bytes.length) list.push({ literals: bytes.subarray(start), repeats: 0 })
  return list
}

/** LZO1X: literals, and matches at distance 1. */
export function lzoCompress(bytes: Uint8Array): Buffer {
  const out: number[] = []
  stretches(bytes, 8).forEach(({ literals, repeats }, i) => {
    const count = literals.length
    if (i === 0 && count <= 238) out.push(17 + count)
    else if (count < 4) out[out.length - 2] = (out.at(-2) as number) | count
    else if (count <= 18) out.push(count - 3)
    else pushLength(out, 0, count - 18)
    out.push(...literals)
    if (repeats > 0) {
      if (repeats - 2 <= 31) out.push(32 | (repeats - 2))
      else pushLength(out, 32, repeats - 33)
      out.push(0, 0)
    }
  })
  return Buffer.from([...out, 17, 0, 0])
}

function pushLength(out: number[], opcode: number, length: number): void {
  out.push(opcode)
  let left = length
  for (; left > 255; left -= 255) out.push(0)
  out.push(left)
}

/** One zstd frame with a content size, of raw and run-length blocks. */
export function zstdCompress(bytes: Uint8Array): Buffer {
  const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0])
  header.writeUInt32LE(bytes.length, 5)
  const blocks: [type: number, size: number, content: Uint8Array][] = []
  for (const { literals, repeats } of stretches(bytes, 8)) {
    blocks.push([0, literals.length, literals])
    if (repeats > 0) blocks.push([1, repeats, literals.subarray(-1)])
  }
  const parts = blocks.flatMap(([type, size, content], i) => {
    const block = Buffer.alloc(3)
    block.writeUIntLE(size * 8 + type * 2 + (i === blocks.length - 1 ? 1 : 0), 0, 3)
    return [block, content]
  })
  return Buffer.concat([header, ...parts])
}
