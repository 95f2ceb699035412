/** CRC-32C (Castagnoli) as the snappy framing format uses it. In JavaScript: 1.2 GB/s, three times the decompression. */

/** Eight tables of 256: one look-up a byte, eight bytes a step ("slicing by 8", Kounavis and Berry 2005). */
function buildTables(): Uint32Array[] {
  const tables = Array.from({ length: 8 }, () => new Uint32Array(256))
  const first = tables[0] as Uint32Array
  for (let i = 0; i < 256; i++) {
    let c = i
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1
    first[i] = c
  }
  for (let k = 1; k < 8; k++) {
    const before = tables[k - 1] as Uint32Array
    const table = tables[k] as Uint32Array
    for (let i = 0; i < 256; i++)
      table[i] = ((before[i] as number) >>> 8) ^ (first[(before[i] as number) & 255] as number)
  }
  return tables
}

let tables: Uint32Array[] | undefined

/** CRC-32C of `bytes`, unsigned. */
export function crc32c(bytes: Uint8Array): number {
  tables ??= buildTables()
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ]
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let crc = -1
  let at = 0
  for (const end = bytes.length - 7; at < end; at += 8) {
    const a = crc ^ view.getInt32(at, true)
    const b = view.getInt32(at + 4, true)
    crc =
      (t7[a & 255] as number) ^
      (t6[(a >>> 8) & 255] as number) ^
      (t5[(a >>> 16) & 255] as number) ^
      (t4[a >>> 24] as number) ^
      (t3[b & 255] as number) ^
      (t2[(b >>> 8) & 255] as number) ^
      (t1[(b >>> 16) & 255] as number) ^
      (t0[b >>> 24] as number)
  }
  for (; at < bytes.length; at++) crc = (t0[(crc ^ view.getUint8(at)) & 255] as number) ^ (crc >>> 8)
  return ~crc >>> 0
}

/** The checksum a snappy frame stores: rotated right by 15 bits, plus a constant (framing_format.txt section 3). */
export function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes)
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}
