/**
 * Headers of kdump-compressed files: struct disk_dump_header and struct kdump_sub_header, versions 0 to 6, as 32- and
 * 64-bit machines lay them out (makedumpfile diskdump_mod.h; crash diskdump.h; QEMU include/sysemu/dump.h).
 */
import { type ByteSource, readExact, u64le } from '../core/bytes.js'
import { VmsiftError } from '../core/errors.js'
import { corrupt } from './corrupt.js'

/** `status` flag: the writer ran out of room (makedumpfile DUMP_DH_COMPRESSED_INCOMPLETE). */
const INCOMPLETE = 8
const NEWEST_VERSION = 6
const MIN_BLOCK = 4096
const MAX_BLOCK = 65536
const HEADER_BYTES = 464

/** The fields used here, from both headers. */
export interface KdumpHeader {
  readonly version: number
  readonly machine: string
  readonly blockBytes: number
  readonly subHeaderBlocks: number
  readonly bitmapBlocks: number
  /** Page frames in all. */
  readonly pages: number
  readonly incomplete: boolean
  readonly vmcoreinfo: { readonly offset: number; readonly length: number }
  readonly notes: { readonly offset: number; readonly length: number }
}

/** Where the two layouts differ: `timestamp` is 8 or 16 bytes, and aligned accordingly. */
interface Layout {
  readonly wide: boolean
  readonly status: number
}
const LAYOUTS: readonly Layout[] = [
  { wide: true, status: 424 },
  { wide: false, status: 412 },
]

/**
 * Reads both headers.
 * @throws VmsiftError `image-corrupt`: cut short, or fields that can't be; `target-unsupported`: big-endian, or one part
 * of a split dump.
 */
export function readKdumpHeader(source: ByteSource, warnings: string[]): KdumpHeader {
  const bytes = readExact(source, 0, HEADER_BYTES, 'kdump header')
  const version = bytes.readInt32LE(8)
  if (version > 0xffff && bytes.readInt32BE(8) <= NEWEST_VERSION)
    throw new VmsiftError('target-unsupported', 'big-endian kdump: guests of that kind are not supported')
  if (version > NEWEST_VERSION)
    warnings.push(`kdump header version ${version} is newer than ${NEWEST_VERSION}`)
  const machine = bytes.toString('latin1', 272, 337).split('\0', 1)[0] ?? ''
  const layout = LAYOUTS.find(each => plausible(bytes, each, source.size))
  if (layout === undefined)
    throw corrupt('kdump header is broken: no sane block size and bitmap size in either layout', {
      wide: fields(bytes, LAYOUTS[0] as Layout),
      narrow: fields(bytes, LAYOUTS[1] as Layout),
      size: source.size,
    })
  const { status, blockBytes, subHeaderBlocks, bitmapBlocks, maxMapnr } = fields(bytes, layout)
  const sub = readSubHeader(source, blockBytes, layout.wide, version)
  if (sub.split)
    throw new VmsiftError(
      'target-unsupported',
      'one part of a split kdump: put the parts together first: makedumpfile --reassemble PART1 PART2 ... FILE',
    )
  return {
    version,
    machine,
    blockBytes,
    subHeaderBlocks,
    bitmapBlocks,
    pages: version >= 6 ? sub.pages : maxMapnr,
    incomplete: (status & INCOMPLETE) !== 0,
    vmcoreinfo: sub.vmcoreinfo,
    notes: sub.notes,
  }
}

interface Fields {
  readonly status: number
  readonly blockBytes: number
  readonly subHeaderBlocks: number
  readonly bitmapBlocks: number
  readonly maxMapnr: number
}

function fields(bytes: Buffer, { status }: Layout): Fields {
  return {
    status: bytes.readUInt32LE(status),
    blockBytes: bytes.readUInt32LE(status + 4),
    subHeaderBlocks: bytes.readUInt32LE(status + 8),
    bitmapBlocks: bytes.readUInt32LE(status + 12),
    maxMapnr: bytes.readUInt32LE(status + 16),
  }
}

/** A layout fits when its block size is a power of two that pages have, and its headers and bitmaps lie in the file. */
function plausible(bytes: Buffer, layout: Layout, size: number): boolean {
  const { blockBytes, subHeaderBlocks, bitmapBlocks } = fields(bytes, layout)
  if (blockBytes < MIN_BLOCK || blockBytes > MAX_BLOCK || (blockBytes & (blockBytes - 1)) !== 0) return false
  if (subHeaderBlocks === 0 || bitmapBlocks === 0) return false
  return (1 + subHeaderBlocks + bitmapBlocks) * blockBytes <= size
}

type SubHeader = Pick<KdumpHeader, 'pages' | 'vmcoreinfo' | 'notes'> & { readonly split: boolean }

/** Fields that a version doesn't have yet are read as absent, whatever stands there. */
function readSubHeader(source: ByteSource, offset: number, wide: boolean, version: number): SubHeader {
  const bytes = readExact(source, offset, 104, 'kdump sub header')
  const word = (at: number): number => (wide ? u64le(bytes, at) : bytes.readUInt32LE(at))
  const none = { offset: 0, length: 0 }
  return {
    split: version >= 2 && bytes.readInt32LE(wide ? 12 : 8) !== 0,
    vmcoreinfo: version >= 3 ? { offset: u64le(bytes, wide ? 32 : 20), length: word(wide ? 40 : 28) } : none,
    notes: version >= 4 ? { offset: u64le(bytes, wide ? 48 : 32), length: word(wide ? 56 : 40) } : none,
    pages: u64le(bytes, wide ? 96 : 72),
  }
}
