/** Writes ELF cores as QEMU, VirtualBox and makedumpfile do. */
import type { ImageRun } from './runs.js'

/** A PT_LOAD beside those of the runs: an alias, memory left out, or a lie. */
export interface ExtraSegment {
  readonly paddr: bigint
  readonly vaddr?: bigint
  readonly offset: bigint
  readonly fileBytes: bigint
  readonly memoryBytes: bigint
}

export interface ElfOptions {
  /** 64 (default) or 32. */
  readonly bits?: 32 | 64
  /** e_machine; default 62, EM_X86_64. */
  readonly machine?: number
  readonly type?: number
  /** e_ehsize; QEMU 7.2 writes 8. */
  readonly headerSize?: number
  readonly notes?: Uint8Array
  /** Bytes that p_memsz claims beyond p_filesz, for each run. */
  readonly leftOut?: (run: ImageRun) => number
  /** Splits runs into segments of this many bytes. */
  readonly segmentBytes?: number
  /** Segments put before those of the runs; `offsetOf` is the file offset of an address in the runs. */
  readonly extra?: (offsetOf: (gpa: number) => bigint) => readonly ExtraSegment[]
  /** Writes the number of segments into sh_info even where e_phnum would do. */
  readonly extendedNumbering?: boolean
  /** Bytes between headers and memory, so that file offsets aren't aligned. */
  readonly skew?: number
}

/** An ELF core with one PT_NOTE and a PT_LOAD for each run (or part of it). */
export function writeElf(runs: readonly ImageRun[], options: ElfOptions = {}): Buffer {
  const wide = (options.bits ?? 64) === 64
  const notes = Buffer.from(options.notes ?? new Uint8Array(0))
  const [headerBytes, segmentBytes, sectionBytes] = wide ? [64, 56, 64] : [52, 32, 40]
  const parts = split(runs, options.segmentBytes ?? Number.POSITIVE_INFINITY)
  const extraCount = options.extra?.(() => 0n).length ?? 0
  const count = 1 + parts.length + extraCount
  const extended = options.extendedNumbering === true || count >= 0xffff
  const segmentsAt = headerBytes + (extended ? sectionBytes : 0)
  const notesAt = segmentsAt + count * segmentBytes
  const memoryAt = notesAt + notes.length + (options.skew ?? 0)

  const header = Buffer.alloc(headerBytes)
  header.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, 1, 1])
  header.writeUInt16LE(options.type ?? 4, 16)
  header.writeUInt16LE(options.machine ?? 62, 18)
  header.writeUInt32LE(1, 20)
  if (wide) {
    header.writeBigUInt64LE(BigInt(segmentsAt), 32)
    header.writeBigUInt64LE(extended ? 64n : 0n, 40)
  } else {
    header.writeUInt32LE(segmentsAt, 28)
    header.writeUInt32LE(extended ? 52 : 0, 32)
  }
  const counts = wide ? 52 : 40
  header.writeUInt16LE(options.headerSize ?? headerBytes, counts)
  header.writeUInt16LE(segmentBytes, counts + 2)
  header.writeUInt16LE(extended ? 0xffff : count, counts + 4)
  header.writeUInt16LE(extended ? sectionBytes : 0, counts + 6)
  header.writeUInt16LE(extended ? 1 : 0, counts + 8)

  const offsets: number[] = []
  let at = memoryAt
  for (const part of parts) {
    offsets.push(at)
    at += part.bytes.length
  }
  const offsetOf = (gpa: number): bigint => {
    const i = parts.findIndex(part => gpa >= part.gpa && gpa < part.gpa + part.bytes.length)
    return BigInt((offsets[i] ?? 0) + gpa - (parts[i]?.gpa ?? 0))
  }
  const table: Buffer[] = [
    segment(wide, 4, {
      paddr: 0n,
      offset: BigInt(notesAt),
      fileBytes: BigInt(notes.length),
      memoryBytes: 0n,
    }),
    ...(options.extra?.(offsetOf) ?? []).map(extra => segment(wide, 1, extra)),
    ...parts.map((part, i) =>
      segment(wide, 1, {
        paddr: BigInt(part.gpa),
        offset: BigInt(offsets[i] as number),
        fileBytes: BigInt(part.bytes.length),
        memoryBytes: BigInt(part.bytes.length + (options.leftOut?.(part) ?? 0)),
      }),
    ),
  ]
  const section = Buffer.alloc(extended ? sectionBytes : 0)
  if (extended) section.writeUInt32LE(count, wide ? 44 : 28)
  return Buffer.concat([
    header,
    section,
    ...table,
    notes,
    Buffer.alloc(options.skew ?? 0),
    ...parts.map(p => p.bytes),
  ])
}

function segment(wide: boolean, type: number, fields: ExtraSegment): Buffer {
  const { paddr, vaddr = 0n, offset, fileBytes, memoryBytes } = fields
  if (wide) {
    const bytes = Buffer.alloc(56)
    bytes.writeUInt32LE(type, 0)
    for (const [i, value] of [offset, vaddr, paddr, fileBytes, memoryBytes].entries())
      bytes.writeBigUInt64LE(value, 8 + i * 8)
    return bytes
  }
  const bytes = Buffer.alloc(32)
  bytes.writeUInt32LE(type, 0)
  for (const [i, value] of [offset, vaddr, paddr, fileBytes, memoryBytes].entries())
    bytes.writeUInt32LE(Number(value), 4 + i * 4)
  return bytes
}

function split(runs: readonly ImageRun[], size: number): ImageRun[] {
  return runs.flatMap(({ gpa, bytes }) => {
    const parts: ImageRun[] = []
    for (let at = 0; at < bytes.length; at += size)
      parts.push({ gpa: gpa + at, bytes: bytes.subarray(at, Math.min(bytes.length, at + size)) })
    return parts
  })
}
