/** A look at a zstd frame's headers before it is decompressed (RFC 8878 section 3.1.1). */

const MAGIC = 0xfd2fb528
/** RFC 8878 3.1.1.2.4: no block decompresses to more. */
const MAX_BLOCK = 131072

/**
 * Whether `bytes` are exactly one frame that states `length` as its content size, and whose blocks add up inside it.
 * With this known, a decompressor has nothing to allocate by what the bytes claim.
 */
export function zstdFrameFits(bytes: Uint8Array, length: number): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 9 || view.getUint32(0, true) !== MAGIC) return false
  const descriptor = view.getUint8(4)
  const singleSegment = (descriptor & 0x20) !== 0
  const checksumBytes = descriptor & 4 ? 4 : 0
  // Reserved bit, or a dictionary: neither in a dump.
  if ((descriptor & 0x0b) !== 0) return false
  const sizeFlag = descriptor >> 6
  const sizeBytes = sizeFlag === 0 ? (singleSegment ? 1 : 0) : 1 << sizeFlag
  let at = singleSegment ? 5 : 6
  if (at + sizeBytes > bytes.length || contentSize(view, at, sizeBytes) !== length) return false
  at += sizeBytes
  let known = 0
  for (;;) {
    if (at + 3 > bytes.length) return false
    const header = view.getUint8(at) | (view.getUint8(at + 1) << 8) | (view.getUint8(at + 2) << 16)
    const type = (header >> 1) & 3
    const size = header >> 3
    if (type === 3 || size > MAX_BLOCK) return false
    if (type !== 2) known += size
    if (known > length) return false
    at += 3 + (type === 1 ? 1 : size)
    if (at > bytes.length) return false
    if (header & 1) return at + checksumBytes === bytes.length
  }
}

function contentSize(view: DataView, at: number, sizeBytes: number): number {
  switch (sizeBytes) {
    case 1:
      return view.getUint8(at)
    case 2:
      return view.getUint16(at, true) + 256
    case 4:
      return view.getUint32(at, true)
    case 8:
      return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32
    default:
      return -1
  }
}
