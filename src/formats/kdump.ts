/**
 * kdump-compressed files of makedumpfile and QEMU. Blocks of `block_size`: header, sub header, two bitmaps (which pages
 * are memory, which of those the file holds), then a 24-byte descriptor for each page held, then the pages
 * (makedumpfile IMPLEMENTATION "The kdump-compressed format"; crash diskdump.c `read_dump_header`).
 */
import { type ByteSource, readExact } from '../core/bytes.js'
import type { MemoryRun } from '../core/memory.js'
import { buildRanks, RANK_BYTES, RunCollector } from './bitmap.js'
import { corrupt, tooFragmented } from './corrupt.js'
import type { FlatIndex, Image, ImageNotes, KdumpIndex } from './image.js'
import { type KdumpHeader, readKdumpHeader } from './kdump-header.js'
import { MAX_KDUMP_PAGES, MAX_NOTE_BYTES } from './limits.js'
import { architectureOf, parseNotes, text } from './notes.js'
import { EM_386, EM_AARCH64, EM_X86_64 } from './registers.js'

const BITMAP_CHUNK = 1 << 20

/**
 * Parses a kdump-compressed file, already rearranged when it was flattened (`flat` says so and is kept in the index).
 * Reads headers, notes and bitmaps; page descriptors are read on demand.
 * @throws VmsiftError `image-corrupt`, or `target-unsupported` for one part of a split dump.
 */
export function parseKdump(source: ByteSource, flat?: FlatIndex): Image {
  const warnings: string[] = []
  const header = readKdumpHeader(source, warnings)
  const incomplete = header.incomplete || flat?.truncated === true
  if (header.incomplete)
    warnings.push('the writer marked this kdump incomplete: pages are missing at its end')
  const { runs, dumped, pages } = readBitmaps(source, header)
  if (runs.length === 0) throw corrupt('kdump holds no memory: its bitmaps are empty')
  const { notes, machine } = readNotes(source, header, warnings)
  const architecture = architectureOf(machine, notes)
  const index: KdumpIndex = {
    format: 'kdump',
    blockBytes: header.blockBytes,
    pages,
    dumped,
    ranks: buildRanks(dumped),
    descriptors: (1 + header.subHeaderBlocks + header.bitmapBlocks) * header.blockBytes,
    incomplete,
    ...(flat === undefined ? {} : { flat }),
  }
  return {
    format: 'kdump',
    runs,
    ...(architecture === undefined ? {} : { architecture }),
    notes,
    storage: { kind: 'blocks', index },
    warnings,
  }
}

/** Runs are pages in either bitmap: a page that is held is memory, whatever the first one says. */
function readBitmaps(
  source: ByteSource,
  header: KdumpHeader,
): { runs: MemoryRun[]; dumped: Uint8Array; pages: number } {
  const { pages, blockBytes, bitmapBlocks, subHeaderBlocks } = header
  if (pages > MAX_KDUMP_PAGES) throw tooFragmented('page frames', MAX_KDUMP_PAGES)
  const needed = Math.ceil(pages / 8)
  const there = bitmapBlocks * blockBytes
  // With one bitmap only, every page of memory is held (crash diskdump.c `dump_is_partial`).
  const partial = bitmapBlocks >= Math.ceil(needed / blockBytes) * 2
  const half = partial ? there / 2 : there
  if (needed > half)
    throw corrupt(`kdump bitmap is too small: ${half} bytes for ${pages} pages`, {
      pages,
      bitmapBlocks,
      blockBytes,
    })
  const padded = Math.ceil(needed / RANK_BYTES) * RANK_BYTES
  const dumped = new Uint8Array(new SharedArrayBuffer(padded))
  const collector = new RunCollector(blockBytes)
  const start = (1 + subHeaderBlocks) * blockBytes
  for (let at = 0; at < needed; at += BITMAP_CHUNK) {
    const length = Math.min(BITMAP_CHUNK, needed - at)
    const bits = Math.min(length * 8, pages - at * 8)
    const valid = readExact(source, start + at, length, 'kdump bitmap')
    const held = partial ? readExact(source, start + half + at, length, 'kdump bitmap') : Buffer.from(valid)
    // Bits behind the last page mean nothing; left in, they would count in the ranks.
    if (bits % 8 !== 0) held[length - 1] = (held[length - 1] as number) & ((1 << (bits % 8)) - 1)
    dumped.set(held, at)
    for (let i = 0; i < length; i++) valid[i] = (valid[i] as number) | (held[i] as number)
    collector.add(valid, at * 8, bits)
  }
  collector.end(pages)
  return { runs: collector.runs, dumped, pages }
}

function readNotes(
  source: ByteSource,
  header: KdumpHeader,
  warnings: string[],
): { notes: ImageNotes; machine: number | undefined } {
  const read = (what: string, { offset, length }: KdumpHeader['notes']): Buffer => {
    if (offset === 0 || length === 0) return Buffer.alloc(0)
    if (length > MAX_NOTE_BYTES || offset + length > source.size) {
      warnings.push(`${what} not read: ${length} bytes at offset ${offset}`)
      return Buffer.alloc(0)
    }
    return readExact(source, offset, length, what)
  }
  const named = machineOf(header.machine)
  const parsed = parseNotes(read('notes', header.notes), named)
  const vmcoreinfo = text(read('vmcoreinfo', header.vmcoreinfo)) || parsed.vmcoreinfo
  const notes = vmcoreinfo === undefined ? { cpus: parsed.cpus } : { cpus: parsed.cpus, vmcoreinfo }
  return { notes, machine: parsed.machine }
}

/** utsname.machine as an e_machine, where the writer filled it in. */
function machineOf(name: string): number | undefined {
  if (name === 'x86_64') return EM_X86_64
  if (name === 'aarch64') return EM_AARCH64
  return /^i[3-6]86$/.test(name) ? EM_386 : undefined
}
