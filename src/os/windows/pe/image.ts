/** Headers of a PE image as it lies in memory (Microsoft PE/COFF specification). Nothing in them is believed beyond its bounds. */
import type { VirtualMemory } from '../../../core/virtual-memory.js'

/** A section, by address relative to the image. */
export interface PeSection {
  readonly name: string
  readonly rva: number
  readonly bytes: number
  readonly executable: boolean
  readonly writable: boolean
}

/** A data directory's range. */
export interface PeRange {
  readonly rva: number
  readonly bytes: number
}

/** What headers tell. */
export interface PeImage {
  readonly base: bigint
  /** IMAGE_FILE_MACHINE_*. */
  readonly machine: number
  readonly bits: 32 | 64
  /** Link time in seconds since 1970, or a hash of the build. */
  readonly timestamp: number
  readonly sizeBytes: number
  readonly checksum: number
  /** Where it starts running, from its base. */
  readonly entryRva: number
  readonly sections: readonly PeSection[]
  readonly exports: PeRange | undefined
  readonly debug: PeRange | undefined
}

export const MACHINE_I386 = 0x14c
export const MACHINE_AMD64 = 0x8664
export const MACHINE_ARM64 = 0xaa64

const HEADER_BYTES = 4096
const MAX_SECTIONS = 96
/** No kernel or driver comes near this. */
const MAX_IMAGE_BYTES = 256 << 20
const EXECUTE = 0x2000_0000
const WRITE = 0x8000_0000

/** `length` bytes at `va`, all of them there; undefined otherwise. */
export function presentBytes(memory: VirtualMemory, va: bigint, length: number): Buffer | undefined {
  if (length <= 0) return undefined
  const { bytes, absent } = memory.read(va, length)
  return absent.length === 0 ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) : undefined
}

/** The image at `base`; undefined where no headers of one stand. */
export function readPe(memory: VirtualMemory, base: bigint): PeImage | undefined {
  const page = presentBytes(memory, base, HEADER_BYTES)
  return page === undefined ? undefined : parsePe(page, base)
}

/** As `readPe`, of the image's first page. */
export function parsePe(page: Buffer, base: bigint): PeImage | undefined {
  if (page.length < 0x40 || page.readUInt16LE(0) !== 0x5a4d) return undefined
  const at = page.readUInt32LE(0x3c)
  if (at < 0x40 || at + 0x108 > page.length || page.readUInt32LE(at) !== 0x4550) return undefined
  const optional = at + 24
  const magic = page.readUInt16LE(optional)
  if (magic !== 0x10b && magic !== 0x20b) return undefined
  const bits = magic === 0x20b ? 64 : 32
  const sizeBytes = page.readUInt32LE(optional + 56)
  if (sizeBytes < 4096 || sizeBytes > MAX_IMAGE_BYTES) return undefined
  const directories = optional + (bits === 64 ? 112 : 96)
  const count = page.readUInt32LE(directories - 4)
  const range = (index: number): PeRange | undefined => {
    const place = directories + index * 8
    if (index >= count || place + 8 > page.length) return undefined
    const found = { rva: page.readUInt32LE(place), bytes: page.readUInt32LE(place + 4) }
    return found.rva > 0 && found.bytes > 0 && found.rva + found.bytes <= sizeBytes ? found : undefined
  }
  return {
    base,
    machine: page.readUInt16LE(at + 4),
    bits,
    timestamp: page.readUInt32LE(at + 8),
    sizeBytes,
    checksum: page.readUInt32LE(optional + 64),
    entryRva: page.readUInt32LE(optional + 16),
    sections: sectionsOf(page, optional + page.readUInt16LE(at + 20), page.readUInt16LE(at + 6), sizeBytes),
    exports: range(0),
    debug: range(6),
  }
}

function sectionsOf(page: Buffer, start: number, count: number, sizeBytes: number): PeSection[] {
  const sections: PeSection[] = []
  for (let i = 0; i < Math.min(count, MAX_SECTIONS); i++) {
    const at = start + i * 40
    if (at + 40 > page.length) break
    const rva = page.readUInt32LE(at + 12)
    const bytes = Math.max(page.readUInt32LE(at + 8), 1)
    if (rva >= sizeBytes) continue
    const flags = page.readUInt32LE(at + 36)
    sections.push({
      name: page.toString('latin1', at, at + 8).replace(/\0.*$/s, ''),
      rva,
      bytes: Math.min(bytes, sizeBytes - rva),
      executable: (flags & EXECUTE) !== 0,
      writable: (flags & WRITE) !== 0,
    })
  }
  return sections
}
