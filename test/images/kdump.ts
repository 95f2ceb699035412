/** Writes kdump-compressed files as makedumpfile and QEMU do. */
import { deflateSync } from 'node:zlib'
import { compressSync } from 'snappy'
import { lzoCompress, zstdCompress } from './compress.js'
import type { ImageRun } from './runs.js'

export type KdumpCodec = 'stored' | 'zlib' | 'lzo' | 'snappy' | 'zstd'

export interface KdumpOptions {
  /** Default zlib. A page that doesn't shrink is stored, as the writers do. */
  readonly codec?: KdumpCodec
  /** Pages that are memory but not in the file. */
  readonly excluded?: (gpa: number) => boolean
  /** 0 to 6; default 6. */
  readonly version?: number
  /** Header layout; default 64. */
  readonly bits?: 32 | 64
  readonly blockBytes?: number
  readonly notes?: Uint8Array
  readonly vmcoreinfo?: string
  /** utsname.machine */
  readonly machine?: string
  /** Sets the "incomplete" flag and leaves out descriptors from this page (counted among those held) on. */
  readonly incompleteFrom?: number
  readonly split?: boolean
  /** One bitmap instead of two: everything is held. */
  readonly oneBitmap?: boolean
  /** All zero pages share one descriptor's data, as QEMU writes them. */
  readonly shareZeros?: boolean
}

const CODECS: Record<KdumpCodec, { flag: number; pack: (bytes: Uint8Array) => Uint8Array }> = {
  stored: { flag: 0, pack: bytes => bytes },
  zlib: { flag: 1, pack: bytes => deflateSync(bytes, { level: 1 }) },
  lzo: { flag: 2, pack: lzoCompress },
  snappy: { flag: 4, pack: bytes => compressSync(Buffer.from(bytes)) },
  zstd: { flag: 0x20, pack: zstdCompress },
}

/** A kdump-compressed file; runs must be multiples of the block size. */
export function writeKdump(runs: readonly ImageRun[], options: KdumpOptions = {}): Buffer {
  const { version = 6, blockBytes = 4096, oneBitmap = false } = options
  const wide = (options.bits ?? 64) === 64
  const pages = Math.max(...runs.map(({ gpa, bytes }) => (gpa + bytes.length) / blockBytes))
  const bitmapBlocks = Math.ceil(pages / 8 / blockBytes)
  const valid = Buffer.alloc(bitmapBlocks * blockBytes)
  const held = Buffer.alloc(bitmapBlocks * blockBytes)
  const data: Uint8Array[] = []
  for (const { gpa, bytes } of [...runs].sort((a, b) => a.gpa - b.gpa))
    for (let at = 0; at < bytes.length; at += blockBytes) {
      const page = (gpa + at) / blockBytes
      setBit(valid, page)
      if (options.excluded?.(gpa + at)) continue
      setBit(held, page)
      data.push(bytes.subarray(at, at + blockBytes))
    }

  const notes = Buffer.from(options.notes ?? '')
  const info = Buffer.from(options.vmcoreinfo ?? '')
  const extrasAt = blockBytes + 104
  const subBlocks = Math.ceil((104 + notes.length + info.length) / blockBytes)
  const bitmaps = oneBitmap ? [valid] : [valid, held]
  const descriptorsAt = (1 + subBlocks + bitmaps.length * bitmapBlocks) * blockBytes
  const head = Buffer.alloc((1 + subBlocks) * blockBytes)
  writeHeader(head, wide, options, {
    blockBytes,
    subBlocks,
    bitmapBlocks: bitmaps.length * bitmapBlocks,
    pages,
    version,
  })
  writeSubHeader(head, blockBytes, wide, options, {
    version,
    pages,
    extrasAt,
    notes: notes.length,
    info: info.length,
  })
  head.set(notes, extrasAt)
  head.set(info, extrasAt + notes.length)
  return Buffer.concat([head, ...bitmaps, ...pack(data, descriptorsAt, blockBytes, options)])
}

function pack(data: readonly Uint8Array[], at: number, blockBytes: number, options: KdumpOptions): Buffer[] {
  const { flag, pack: compress } = CODECS[options.codec ?? 'zlib']
  const descriptors = Buffer.alloc(data.length * 24)
  const parts: Buffer[] = [descriptors]
  const zeros = Buffer.alloc(blockBytes)
  let zeroAt = -1
  let offset = at + descriptors.length
  data.forEach((page, i) => {
    if (options.incompleteFrom !== undefined && i >= options.incompleteFrom) return
    const packed = Buffer.from(compress(page))
    const stored = packed.length >= page.length
    const bytes = stored ? Buffer.from(page) : packed
    const shared = options.shareZeros === true && zeros.equals(page)
    descriptors.writeBigUInt64LE(BigInt(shared && zeroAt >= 0 ? zeroAt : offset), i * 24)
    descriptors.writeUInt32LE(bytes.length, i * 24 + 8)
    descriptors.writeUInt32LE(stored ? 0 : flag, i * 24 + 12)
    if (shared && zeroAt >= 0) return
    if (shared) zeroAt = offset
    parts.push(bytes)
    offset += bytes.length
  })
  return parts
}

interface Sizes {
  readonly blockBytes: number
  readonly subBlocks: number
  readonly bitmapBlocks: number
  readonly pages: number
  readonly version: number
}

function writeHeader(head: Buffer, wide: boolean, options: KdumpOptions, sizes: Sizes): void {
  head.write('KDUMP   ', 0, 'latin1')
  head.writeInt32LE(sizes.version, 8)
  head.write(options.machine ?? '', 272, 'latin1')
  const at = wide ? 424 : 412
  head.writeUInt32LE(options.incompleteFrom === undefined ? 1 : 9, at)
  head.writeUInt32LE(sizes.blockBytes, at + 4)
  head.writeUInt32LE(sizes.subBlocks, at + 8)
  head.writeUInt32LE(sizes.bitmapBlocks, at + 12)
  head.writeUInt32LE(sizes.pages, at + 16)
  head.writeUInt32LE(1, at + 36)
}

interface Extras {
  readonly version: number
  readonly pages: number
  readonly extrasAt: number
  readonly notes: number
  readonly info: number
}

function writeSubHeader(
  head: Buffer,
  at: number,
  wide: boolean,
  options: KdumpOptions,
  extras: Extras,
): void {
  const { version, pages, extrasAt, notes, info } = extras
  const word = (wideAt: number, narrowAt: number, value: number): void => {
    if (wide) head.writeBigUInt64LE(BigInt(value), at + wideAt)
    else head.writeUInt32LE(value, at + narrowAt)
  }
  head.writeInt32LE(options.split === true ? 1 : 0, at + (wide ? 12 : 8))
  if (version >= 3 && info > 0) {
    head.writeBigUInt64LE(BigInt(extrasAt + notes), at + (wide ? 32 : 20))
    word(40, 28, info)
  }
  if (version >= 4 && notes > 0) {
    head.writeBigUInt64LE(BigInt(extrasAt), at + (wide ? 48 : 32))
    word(56, 40, notes)
  }
  if (version >= 6) head.writeBigUInt64LE(BigInt(pages), at + (wide ? 96 : 72))
}

function setBit(bitmap: Buffer, index: number): void {
  const byte = Math.floor(index / 8)
  bitmap[byte] = (bitmap[byte] as number) | (1 << (index % 8))
}
