/** The records of an ELF64 little-endian core file. System V ABI and its supplement on PN_XNUM (elf(5)). */
import type { Architecture } from '../formats/image.js'

export const HEADER_BYTES = 64
export const PROGRAM_BYTES = 56
export const SECTION_BYTES = 64

const CORE = 4
const PN_XNUM = 0xffff
const MACHINES: Readonly<Record<Architecture, number>> = {
  x86_64: 62,
  'x86_64-la57': 62,
  'i386-pae': 3,
  i386: 3,
  aarch64: 183,
}

export type SegmentKind = 'load' | 'note'
export const NOTE: SegmentKind = 'note'

/** EM_NONE where the architecture is not known. From 65535 program headers on, section 0 holds their number. */
export function elfHeader(architecture: Architecture | undefined, tableAt: number, segments: number): Buffer {
  const many = segments >= PN_XNUM
  const bytes = Buffer.alloc(HEADER_BYTES)
  bytes.write('\x7fELF\x02\x01\x01', 'latin1')
  bytes.writeUInt16LE(CORE, 16)
  bytes.writeUInt16LE(architecture === undefined ? 0 : MACHINES[architecture], 18)
  bytes.writeUInt32LE(1, 20)
  bytes.writeBigUInt64LE(BigInt(tableAt), 32)
  if (many) bytes.writeBigUInt64LE(BigInt(tableAt + segments * PROGRAM_BYTES), 40)
  bytes.writeUInt16LE(HEADER_BYTES, 52)
  bytes.writeUInt16LE(PROGRAM_BYTES, 54)
  bytes.writeUInt16LE(many ? PN_XNUM : segments, 56)
  bytes.writeUInt16LE(SECTION_BYTES, 58)
  bytes.writeUInt16LE(many ? 1 : 0, 60)
  return bytes
}

/** Virtual addresses repeat the physical ones for `load`: paging is not described. */
export function programHeader(kind: SegmentKind, gpa: number, length: number, offset: number): Buffer {
  const load = kind === 'load'
  const bytes = Buffer.alloc(PROGRAM_BYTES)
  bytes.writeUInt32LE(load ? 1 : 4, 0)
  bytes.writeUInt32LE(load ? 7 : 0, 4)
  bytes.writeBigUInt64LE(BigInt(offset), 8)
  bytes.writeBigUInt64LE(BigInt(gpa), 16)
  bytes.writeBigUInt64LE(BigInt(gpa), 24)
  bytes.writeBigUInt64LE(BigInt(length), 32)
  bytes.writeBigUInt64LE(load ? BigInt(length) : 0n, 40)
  return bytes
}

/** The null section, whose `sh_info` counts program headers beyond PN_XNUM. */
export function sectionZero(segments: number): Buffer {
  const bytes = Buffer.alloc(SECTION_BYTES)
  if (segments >= PN_XNUM) bytes.writeUInt32LE(segments, 44)
  return bytes
}

/** A note of type 0 with a text for its content. */
export function noteBytes(name: string, text: string): Buffer {
  const label = Buffer.from(`${name}\0`, 'latin1')
  const content = Buffer.from(text, 'utf8')
  const head = Buffer.alloc(12)
  head.writeUInt32LE(label.length, 0)
  head.writeUInt32LE(content.length, 4)
  return Buffer.concat([head, padded(label), padded(content)])
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)])
}
