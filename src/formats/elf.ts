/**
 * ELF cores of whole machines: QEMU dump-guest-memory (paging off and on), VirtualBox, Linux vmcore, makedumpfile -E.
 * Physical addresses come from p_paddr. What p_memsz claims beyond p_filesz the writer left out (makedumpfile(8), -E).
 * Segments may overlap: QEMU's paging=on writes one for each virtual mapping (QEMU dump/dump.c `write_elf_loads`),
 * the kernel's vmcore writes its text twice. The first segment that has the bytes speaks for them.
 */
import { hex, MAX_PHYSICAL_BYTES } from '../core/address.js'
import type { ByteSource } from '../core/bytes.js'
import { VmsiftError } from '../core/errors.js'
import { corrupt } from './corrupt.js'
import { type ElfSegments, hasXenSections, readElfHeader, readSegments } from './elf-headers.js'
import { ExtentBuilder, runsOf } from './extents.js'
import { EXCLUDED_EXTENT, type ExtentTable, type Image } from './image.js'
import { MAX_NOTE_BYTES } from './limits.js'
import { architectureOf, parseNotes } from './notes.js'
import { resolveOverlaps } from './overlaps.js'
import { sharedFloat64 } from './shared.js'

/**
 * Parses an ELF core. Bytes past the end of the file stay in the runs: the reader tells that they are missing.
 * @throws VmsiftError `target-unsupported`: not a core, a Xen core, a process core; `image-corrupt`: headers that lie.
 */
export function parseElf(source: ByteSource): Image {
  const header = readElfHeader(source)
  const segments = readSegments(source, header)
  if (segments.paddr.length === 0 && hasXenSections(source, header))
    throw new VmsiftError(
      'target-unsupported',
      'Xen core (xl dump-core) is not supported; dump the guest with another tool, or scan it live',
    )
  const warnings: string[] = []
  const notes = parseNotes(readNotes(source, segments, warnings), header.machine)
  const table = extentsOf(segments, notes.fromQemu, warnings)
  if (table.gpa.length === 0) throw corrupt(`ELF core holds no memory: ${header.segments} program headers`)
  const architecture = architectureOf(notes.machine, notes)
  if (architecture === undefined) warnings.push(`architecture unknown: ELF machine ${header.machine}`)
  const { cpus, vmcoreinfo } = notes
  return {
    format: 'elf',
    runs: runsOf(table),
    ...(architecture === undefined ? {} : { architecture }),
    notes: vmcoreinfo === undefined ? { cpus } : { cpus, vmcoreinfo },
    storage: { kind: 'direct', extents: table },
    warnings,
  }
}

/** All PT_NOTE segments in one buffer; those that are too large or not in the file are left out with a warning. */
function readNotes(source: ByteSource, segments: ElfSegments, warnings: string[]): Buffer {
  const parts: Buffer[] = []
  let total = 0
  for (const { offset, length } of segments.notes) {
    total += length
    const there = offset + length <= source.size
    if (total > MAX_NOTE_BYTES || !there) {
      warnings.push(`notes not read: ${length} bytes at offset ${offset}`)
      break
    }
    const bytes = Buffer.alloc(length)
    parts.push(bytes.subarray(0, source.read(offset, bytes)))
  }
  return Buffer.concat(parts)
}

/**
 * Twice as many ranges as segments: the part each has in the file, then what it left out, which yields to any bytes.
 * In a dump of QEMU's with aliases (paging=on) that part is a mapping that reaches past RAM, and no memory at all.
 */
function extentsOf(segments: ElfSegments, fromQemu: boolean, warnings: string[]): ExtentTable {
  const { paddr, offset, fileBytes, memoryBytes } = segments
  const count = paddr.length
  const starts = new Float64Array(count * 2)
  const lengths = new Float64Array(count * 2)
  let dropped = 0
  let backed = 0
  let atZero = 0
  for (let i = 0; i < count; i++) {
    const start = paddr.at(i)
    const inFile = fileBytes.at(i)
    const length = Math.max(inFile, memoryBytes.at(i))
    if (start >= MAX_PHYSICAL_BYTES) {
      dropped++
      continue
    }
    if (start + length > MAX_PHYSICAL_BYTES || (inFile > 0 && offset.at(i) + inFile > MAX_PHYSICAL_BYTES))
      throw corrupt(
        `ELF segment ${i} is out of bounds: paddr=${hex(start)} length=${hex(length)} offset=${hex(offset.at(i))}`,
        { segment: i, paddr: start, length, offset: offset.at(i) },
      )
    starts[i] = start
    lengths[i] = inFile
    starts[count + i] = start + inFile
    lengths[count + i] = length - inFile
    backed += inFile
    if (inFile > 0 && start === 0) atZero++
  }
  if (dropped > 0) warnings.push(`${dropped} ELF segments have no physical address and are left out`)
  if (
    atZero > 1 &&
    atZero === lengths.subarray(0, count).filter(length => length > 0).length &&
    isScattered(segments)
  )
    throw new VmsiftError(
      'target-unsupported',
      'ELF core without physical addresses: the core of a process, not of a machine',
    )
  return build(starts, lengths, offset.view(), fromQemu, backed)
}

function build(
  starts: Float64Array,
  lengths: Float64Array,
  offsets: Float64Array,
  fromQemu: boolean,
  backed: number,
): ExtentTable {
  const count = offsets.length
  const extents = new ExtentBuilder()
  let covered = 0
  resolveOverlaps(starts, lengths, 'first', (index, start, length) => {
    if (index >= count) return extents.add(start, length, EXCLUDED_EXTENT)
    covered += length
    extents.add(start, length, (offsets[index] as number) + start - (starts[index] as number))
  })
  const table = extents.table()
  return fromQemu && covered < backed ? withoutExcluded(table) : table
}

function withoutExcluded(table: ExtentTable): ExtentTable {
  const kept = [...table.offset.keys()].filter(i => table.offset[i] !== EXCLUDED_EXTENT)
  const pick = (from: Float64Array): Float64Array => {
    const to = sharedFloat64(kept.length)
    kept.forEach((i, at) => {
      to[at] = from[i] as number
    })
    return to
  }
  return { gpa: pick(table.gpa), length: pick(table.length), offset: pick(table.offset) }
}

/** Whether segments with bytes lie at different places of the file: not aliases of one range. */
function isScattered({ offset, fileBytes }: ElfSegments): boolean {
  let first: number | undefined
  for (let i = 0; i < offset.length; i++) {
    if (fileBytes.at(i) === 0) continue
    first ??= offset.at(i)
    if (offset.at(i) !== first) return true
  }
  return false
}
