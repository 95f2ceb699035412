/** Random access to the pages of a kdump-compressed file: descriptor by rank, then one decompression. */
import { hex } from '../core/address.js'
import type { ByteSource } from '../core/bytes.js'
import { u64le } from '../core/bytes.js'
import { VmsiftError } from '../core/errors.js'
import type { Span } from '../core/memory.js'
import { findBit, rank, testBit } from './bitmap.js'
import { type Codec, lzoInto, snappyInto, storedInto, zlibInto, zstdInto } from './codecs.js'
import { corrupt, truncatedBlock } from './corrupt.js'
import type { BlockReader, KdumpIndex } from './image.js'
import { ReadAhead } from './read-ahead.js'

const DESCRIPTOR_BYTES = 24
/** 2730 descriptors, 11 MiB of memory, a read. */
const DESCRIPTOR_WINDOW = 1 << 16
const DATA_WINDOW = 1 << 18

/** Bits of page_desc.flags that name a codec (makedumpfile diskdump_mod.h). */
const CODEC_BITS = 0x27
const CODECS: ReadonlyMap<number, Codec> = new Map([
  [0, storedInto],
  [0x01, zlibInto],
  [0x02, lzoInto],
  [0x04, snappyInto],
  [0x20, zstdInto],
])

interface PageDescriptor {
  readonly offset: number
  readonly size: number
  readonly flags: number
}

/** Opens a kdump file's pages; `source` is the rearranged dump when it was flattened. */
export function openKdump(index: KdumpIndex, source: ByteSource): BlockReader {
  const { blockBytes, dumped, ranks, pages, descriptors } = index
  const descriptorWindow = new ReadAhead(source, DESCRIPTOR_WINDOW)
  const dataWindow = new ReadAhead(source, DATA_WINDOW)
  /** The descriptor that all zero pages share (QEMU dump.c, makedumpfile `pd_zero`), once one was met. */
  let zero: PageDescriptor | undefined

  const pageAt = (address: number): number => {
    const page = Math.floor(address / blockBytes)
    if (!(page >= 0 && page < pages))
      throw new VmsiftError('out-of-range', `no memory at ${hex(address)}`, { detail: { gpa: address } })
    return page
  }
  const describe = (position: number): PageDescriptor | undefined => {
    const bytes = descriptorWindow.read(descriptors + position * DESCRIPTOR_BYTES, DESCRIPTOR_BYTES)
    if (bytes === undefined) return undefined
    return { offset: u64le(bytes, 0), size: bytes.readUInt32LE(8), flags: bytes.readUInt32LE(12) }
  }
  const isZero = (position: number): boolean => {
    const found = describe(position)
    return found?.offset === zero?.offset && found?.size === zero?.size && found?.flags === zero?.flags
  }

  return {
    maxBlockBytes: blockBytes,

    locate(address, limit) {
      const page = pageAt(address)
      const start = page * blockBytes
      const last = Math.min(pages, Math.ceil((address + limit) / blockBytes))
      const upTo = (end: number): number => Math.max(1, Math.min(end * blockBytes, address + limit) - start)
      if (!testBit(dumped, page)) {
        const span: Span = {
          kind: 'gap',
          length: upTo(findBit(dumped, true, page, last)),
          reason: 'excluded',
        }
        return { start, span }
      }
      if (zero === undefined) return { start, span: { kind: 'data', length: blockBytes } }
      let end = page
      let position = rank(dumped, ranks, page)
      while (end < last && testBit(dumped, end) && isZero(position)) {
        end++
        position++
      }
      if (end === page) return { start, span: { kind: 'data', length: blockBytes } }
      return { start, span: { kind: 'zero', length: upTo(end) } }
    },

    decode(start, target) {
      const page = pageAt(start)
      const name = `page ${hex(start)}`
      if (!testBit(dumped, page)) throw corrupt(`${name} is not in the kdump`, { start })
      const position = rank(dumped, ranks, page)
      const descriptor = describe(position)
      if (descriptor === undefined)
        throw truncatedBlock(
          `descriptor of ${name}`,
          descriptors + position * DESCRIPTOR_BYTES,
          DESCRIPTOR_BYTES,
          source.size,
        )
      const { offset, size, flags } = descriptor
      // An unfinished dump leaves descriptors unwritten (crash diskdump.c: PAGE_INCOMPLETE).
      if (offset === 0 && index.incomplete) throw truncatedBlock(name, offset, blockBytes, source.size)
      const codec = CODECS.get(flags & CODEC_BITS)
      if (codec === undefined || size === 0 || size > blockBytes || offset < descriptors)
        throw corrupt(
          `descriptor of ${name} is broken: offset=${hex(offset)} size=${size} flags=${hex(flags)}`,
          {
            start,
            offset,
            size,
            flags,
          },
        )
      const bytes = dataWindow.read(offset, size)
      if (bytes === undefined) throw truncatedBlock(name, offset, size, source.size)
      const data = target.subarray(0, blockBytes)
      codec(bytes, data)
      if (zero === undefined && isAllZero(data)) zero = descriptor
      return blockBytes
    },
  }
}

function isAllZero(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false
  return true
}
