/** ELF headers, 32 and 64 bits, little-endian (System V gABI chapters 4 and 5, "Extended numbering" for PN_XNUM). */
import { type ByteSource, readExact, u64le } from '../core/bytes.js'
import { VmsiftError } from '../core/errors.js'
import { corrupt, tooFragmented } from './corrupt.js'
import { MAX_SEGMENTS } from './limits.js'
import { NumberList } from './shared.js'

const ET_CORE = 4
const PN_XNUM = 0xffff
const PT_LOAD = 1
const PT_NOTE = 4
const ELF_TYPES = ['ET_NONE', 'ET_REL', 'ET_EXEC', 'ET_DYN']
/** Section headers looked at for a Xen core's names. */
const MAX_SECTIONS = 64

/** Field offsets of one class. e_ehsize is not looked at: QEMU 7.2 writes 8 there. */
interface Layout {
  readonly headerBytes: number
  readonly segmentBytes: number
  readonly sectionBytes: number
}
const ELF32: Layout = { headerBytes: 52, segmentBytes: 32, sectionBytes: 40 }
const ELF64: Layout = { headerBytes: 64, segmentBytes: 56, sectionBytes: 64 }

/** The header of a core file. */
export interface ElfHeader {
  readonly wide: boolean
  readonly machine: number
  readonly segmentsAt: number
  readonly segments: number
  readonly sectionsAt: number
  readonly sections: number
  readonly namesSection: number
}

/** The PT_LOAD segments as parallel lists, and where the notes are. */
export interface ElfSegments {
  readonly paddr: NumberList
  readonly offset: NumberList
  readonly fileBytes: NumberList
  readonly memoryBytes: NumberList
  readonly notes: { readonly offset: number; readonly length: number }[]
}

/**
 * Reads the ELF header.
 * @throws VmsiftError `target-unsupported` when it is not a little-endian core; `image-corrupt` when it is cut short.
 */
export function readElfHeader(source: ByteSource): ElfHeader {
  const ident = readExact(source, 0, 20, 'ELF header')
  const wide = ident.readUInt8(4) === 2
  const type = ident.readUInt16LE(16)
  if (!wide && ident.readUInt8(4) !== 1)
    throw corrupt(`ELF class is neither 32 nor 64 bits: ${ident.readUInt8(4)}`)
  if (ident.readUInt8(5) === 2)
    throw new VmsiftError('target-unsupported', 'big-endian ELF: guests of that kind are not supported')
  if (type !== ET_CORE)
    throw new VmsiftError(
      'target-unsupported',
      `ELF file of type ${ELF_TYPES[type] ?? type} is not a memory dump (ET_CORE); give --input-format raw to read its bytes as they are`,
      { detail: { type } },
    )
  const layout = wide ? ELF64 : ELF32
  const bytes = readExact(source, 0, layout.headerBytes, 'ELF header')
  const segmentsAt = wide ? u64le(bytes, 32) : bytes.readUInt32LE(28)
  const sectionsAt = wide ? u64le(bytes, 40) : bytes.readUInt32LE(32)
  const counts = wide ? 54 : 42
  const segmentBytes = bytes.readUInt16LE(counts)
  let segments = bytes.readUInt16LE(counts + 2)
  if (segments === PN_XNUM) {
    // sh_info of section 0 holds the real number.
    const section = readExact(source, sectionsAt, layout.sectionBytes, 'ELF section header 0')
    segments = section.readUInt32LE(wide ? 44 : 28)
  }
  if (segments > 0 && segmentBytes !== layout.segmentBytes)
    throw corrupt(`ELF program headers of ${segmentBytes} bytes, not ${layout.segmentBytes}`, {
      segmentBytes,
    })
  if (segments > MAX_SEGMENTS) throw tooFragmented('ELF program headers', MAX_SEGMENTS)
  if (segmentsAt + segments * segmentBytes > source.size)
    throw corrupt(
      `ELF program headers are cut short: ${segments} at offset ${segmentsAt}, the file has ${source.size} bytes`,
      { segmentsAt, segments, size: source.size },
    )
  return {
    wide,
    machine: bytes.readUInt16LE(18),
    segmentsAt,
    segments,
    sectionsAt,
    sections: bytes.readUInt16LE(counts + 6),
    namesSection: bytes.readUInt16LE(counts + 8),
  }
}

/** Reads the program headers, some thousands at a time. */
export function readSegments(source: ByteSource, header: ElfHeader): ElfSegments {
  const { wide, segmentsAt, segments } = header
  const size = (wide ? ELF64 : ELF32).segmentBytes
  const lists = [new NumberList(), new NumberList(), new NumberList(), new NumberList()] as const
  const [paddr, offset, fileBytes, memoryBytes] = lists
  const notes: { offset: number; length: number }[] = []
  const batch = 4096
  for (let first = 0; first < segments; first += batch) {
    const count = Math.min(batch, segments - first)
    const bytes = readExact(source, segmentsAt + first * size, count * size, 'ELF program headers')
    for (let at = 0; at < bytes.length; at += size) {
      const type = bytes.readUInt32LE(at)
      if (type !== PT_LOAD && type !== PT_NOTE) continue
      const fileOffset = wide ? u64le(bytes, at + 8) : bytes.readUInt32LE(at + 4)
      const fileLength = wide ? u64le(bytes, at + 32) : bytes.readUInt32LE(at + 16)
      if (type === PT_NOTE) {
        notes.push({ offset: fileOffset, length: fileLength })
        continue
      }
      offset.push(fileOffset)
      fileBytes.push(fileLength)
      paddr.push(wide ? u64le(bytes, at + 24) : bytes.readUInt32LE(at + 12))
      memoryBytes.push(wide ? u64le(bytes, at + 40) : bytes.readUInt32LE(at + 20))
    }
  }
  return { paddr, offset, fileBytes, memoryBytes, notes }
}

/** Whether a section's name starts with `.xen_`: a core of `xl dump-core`, which has no segments but a p2m table. */
export function hasXenSections(source: ByteSource, header: ElfHeader): boolean {
  const { wide, sectionsAt, sections, namesSection } = header
  const size = (wide ? ELF64 : ELF32).sectionBytes
  const count = Math.min(sections, MAX_SECTIONS)
  const table = Buffer.alloc(count * size)
  if (namesSection >= count || sectionsAt >= source.size || source.read(sectionsAt, table) < table.length)
    return false
  const at = namesSection * size
  const offset = wide ? u64le(table, at + 24) : table.readUInt32LE(at + 16)
  const names = Buffer.alloc(4096)
  const got = offset < source.size ? source.read(offset, names) : 0
  return names.subarray(0, got).includes('\0.xen_')
}
