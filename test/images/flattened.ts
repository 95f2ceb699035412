/** Writes flattened dumps (makedumpfile -F) around a kdump or ELF file. */

export interface FlattenOptions {
  /** Bytes a record; default 16384, as QEMU writes. */
  readonly recordBytes?: number
  /** Writes records last first, and the first one twice, garbled the first time. */
  readonly shuffled?: boolean
  /** Leaves out the end mark. */
  readonly noEnd?: boolean
}

/** The flattened form of `bytes`. Stretches of zeros as long as a record are left out, as holes of a sparse file. */
export function writeFlattened(bytes: Uint8Array, options: FlattenOptions = {}): Buffer {
  const { recordBytes = 16384, shuffled = false, noEnd = false } = options
  const header = Buffer.alloc(4096)
  header.write('makedumpfile', 0, 'latin1')
  header.writeBigInt64BE(1n, 16)
  header.writeBigInt64BE(1n, 24)
  const records: Buffer[] = []
  for (let at = 0; at < bytes.length; at += recordBytes) {
    const part = bytes.subarray(at, at + recordBytes)
    const last = at + recordBytes >= bytes.length
    if (last || at === 0 || part.some(byte => byte !== 0)) records.push(record(at, part))
  }
  if (shuffled) {
    records.reverse()
    records.unshift(record(0, new Uint8Array(Math.min(bytes.length, recordBytes)).fill(0xee)))
  }
  return Buffer.concat([header, ...records, ...(noEnd ? [] : [Buffer.alloc(16, 0xff)])])
}

function record(offset: number, bytes: Uint8Array): Buffer {
  const header = Buffer.alloc(16)
  header.writeBigInt64BE(BigInt(offset), 0)
  header.writeBigInt64BE(BigInt(bytes.length), 8)
  return Buffer.concat([header, bytes])
}
