/**
 * Where physical memory lies in a Windows crash dump: runs of the header (full dumps), a bitmap (SUMMARY_DUMP of Windows 2000 to 7, and
 * its successor), or ranges (`RDMP`, as the debugger's `.dump /f` and `/ka` write them). Layouts: Volatility 3 (layers/crash.py,
 * crash_common.json), kdmp-parser (BuildPhysmemFullDump, BuildPhysmemBMPDump, BuildPhysicalMemoryFromDump).
 */
import { hex, MAX_PHYSICAL_BYTES, PAGE_BYTES } from '../core/address.js'
import { type ByteSource, readExact, u64le } from '../core/bytes.js'
import { findBit } from './bitmap.js'
import { corrupt, tooFragmented } from './corrupt.js'
import type { CrashHeader, PageRun } from './crashdump-header.js'
import { ExtentBuilder } from './extents.js'
import { EXCLUDED_EXTENT, type ExtentTable } from './image.js'
import { MAX_KDUMP_PAGES, MAX_RUNS } from './limits.js'
import { resolveOverlaps } from './overlaps.js'
import { NumberList } from './shared.js'

const MAX_PAGES = MAX_PHYSICAL_BYTES / PAGE_BYTES
const BITMAP_CHUNK = 1 << 20

/** Pages that the file holds, as they come: stretch i starts at page `first[i]` and at file offset `offset[i]`. */
class Held {
  readonly first = new NumberList()
  readonly pages = new NumberList()
  readonly offset = new NumberList()

  add(first: number, pages: number, offset: number): void {
    if (this.first.length >= MAX_RUNS) throw tooFragmented('stretches of pages', MAX_RUNS)
    this.first.push(first)
    this.pages.push(pages)
    this.offset.push(offset)
  }

  get total(): number {
    return this.pages.view().reduce((sum, pages) => sum + pages, 0)
  }
}

/**
 * Extents of a full dump: the pages of all runs follow the header, one run behind the other.
 * @throws VmsiftError `image-corrupt` when the header tells no runs, or runs that no machine has.
 */
export function fullExtents(header: CrashHeader, warnings: string[]): ExtentTable {
  const { runs, claimedRuns, headerBytes, pages } = header
  if (runs === undefined)
    throw corrupt('full crash dump tells no memory runs: its header was not filled in', { headerBytes })
  if (claimedRuns > runs.length)
    throw corrupt(`crash dump claims ${claimedRuns} memory runs; its header has room for ${runs.length}`, {
      claimedRuns,
    })
  const held = new Held()
  let offset = headerBytes
  for (const run of runs) {
    checkRun(run, offset)
    held.add(run.first, run.pages, offset)
    offset += run.pages * PAGE_BYTES
  }
  if (held.total !== pages)
    warnings.push(`the crash dump's header counts ${pages} pages, its runs have ${held.total}`)
  return extentsOf(held, undefined, warnings)
}

/** Where the header of a bitmap dump has what. */
interface Summary {
  readonly dataAt: number
  readonly pages: number
  readonly bits: number
  readonly bitmapAt: number
}

/**
 * Extents of a dump with a bitmap. Memory that the header's runs speak of and the bitmap doesn't was left out on purpose.
 * @throws VmsiftError `image-corrupt` when the bitmap can't be.
 */
export function bitmapExtents(source: ByteSource, header: CrashHeader, warnings: string[]): ExtentTable {
  const summary = readSummary(source, header)
  const { bits, bitmapAt, dataAt, pages } = summary
  const held = new Held()
  let offset = dataAt
  let start = -1
  const end = (page: number): void => {
    if (start < 0) return
    held.add(start, page - start, offset)
    offset += (page - start) * PAGE_BYTES
    start = -1
  }
  for (let at = 0; at < bits; at += BITMAP_CHUNK * 8) {
    const count = Math.min(BITMAP_CHUNK * 8, bits - at)
    const chunk = readExact(source, bitmapAt + at / 8, Math.ceil(count / 8), "crash dump's bitmap")
    for (let index = 0; index < count; ) {
      index = findBit(chunk, start < 0, index, count)
      if (index >= count) break
      if (start < 0) start = at + index
      else end(at + index)
    }
  }
  end(bits)
  if (held.total !== pages)
    warnings.push(`the crash dump's header counts ${pages} pages, its bitmap has ${held.total}`)
  return extentsOf(held, header, warnings)
}

/** The layout of the dump's type, or the other one where only that can be. */
function readSummary(source: ByteSource, header: CrashHeader): Summary {
  const { headerBytes: at } = header
  const bytes = readExact(source, at, 0x38, 'crash dump summary header')
  const magic = bytes.toString('latin1', 0, 8)
  if (magic !== 'SDMPDUMP' && magic !== 'FDMPDUMP')
    throw corrupt(
      `crash dump of type ${header.dumpType} has no bitmap: ${JSON.stringify(magic)} behind its header`,
    )
  const old: Summary = {
    dataAt: bytes.readUInt32LE(0xc),
    bits: bytes.readUInt32LE(0x10),
    pages: bytes.readUInt32LE(0x14),
    bitmapAt: at + (header.bits === 64 ? 0x28 : 0x20),
  }
  const recent: Summary = {
    dataAt: u64le(bytes, 0x20),
    pages: u64le(bytes, 0x28),
    bits: u64le(bytes, 0x30),
    bitmapAt: at + 0x38,
  }
  const [usual, other] = header.dumpType === 2 ? [old, recent] : [recent, old]
  const found = [usual, other].find(each => canBe(each, source.size))
  if (found !== undefined) return found
  throw corrupt(
    `crash dump's bitmap can't be: ${usual.bits} bits at offset ${usual.bitmapAt}, pages from offset ${usual.dataAt}, the file has ${source.size} bytes`,
    { ...usual, size: source.size },
  )
}

/** The bitmap lies in the file, in front of the pages. */
function canBe({ bits, bitmapAt, dataAt }: Summary, size: number): boolean {
  const end = bitmapAt + Math.ceil(bits / 8)
  return bits > 0 && bits <= MAX_KDUMP_PAGES && end <= dataAt && end <= size && dataAt < MAX_PHYSICAL_BYTES
}

/** struct KERNEL_RDMP_HEADER64 and FULL_RDMP_HEADER64 (kdmp-parser): a table of ranges from here on. */
const RANGES_AT = 0x30

/**
 * Extents of a dump with ranges. The table ends at a range from page 0 behind others, or where the pages start.
 * @throws VmsiftError `image-corrupt`.
 */
export function rangeExtents(source: ByteSource, header: CrashHeader, warnings: string[]): ExtentTable {
  const { headerBytes: at } = header
  const bytes = readExact(source, at, RANGES_AT, 'crash dump range header')
  const dataAt = u64le(bytes, 0x18)
  const tableAt = at + RANGES_AT
  if (bytes.toString('latin1', 4, 12) !== 'RDMPDUMP')
    throw corrupt(`crash dump of type ${header.dumpType} has no table of ranges behind its header`)
  if (dataAt < tableAt || dataAt > source.size)
    throw corrupt(
      `crash dump's pages start at offset ${dataAt}, which can't be: the file has ${source.size} bytes`,
    )
  const total = header.dumpType === COMPLETE_RANGES ? u64le(bytes, 0x28) : Number.POSITIVE_INFINITY
  const held = new Held()
  let offset = dataAt
  let sum = 0
  for (let entry = tableAt; entry + 16 <= dataAt && sum < total; ) {
    const table = readExact(
      source,
      entry,
      Math.min(1 << 16, Math.floor((dataAt - entry) / 16) * 16),
      'crash dump ranges',
    )
    entry += table.length
    for (let i = 0; i < table.length && sum < total; i += 16) {
      const run = { first: u64le(table, i), pages: u64le(table, i + 8) }
      // an end mark, where it is not the first
      if (run.first === 0 && (run.pages === 0 || held.first.length > 0))
        return extentsOf(held, header, warnings)
      checkRun(run, offset)
      held.add(run.first, run.pages, offset)
      offset += run.pages * PAGE_BYTES
      sum += run.pages
    }
  }
  return extentsOf(held, header, warnings)
}

/** CompleteMemoryDump: its table is bounded by the number of pages. */
const COMPLETE_RANGES = 10

/** @throws VmsiftError `image-corrupt`. `offset`: where the run's pages are in the file. */
function checkRun({ first, pages }: PageRun, offset: number): void {
  if (first + pages > MAX_PAGES || offset + pages * PAGE_BYTES > MAX_PHYSICAL_BYTES)
    throw corrupt(`crash dump's memory run reaches past 2^52: page ${hex(first)}, ${pages} pages`, {
      first,
      pages,
    })
}

/** What is held, and what the header's runs speak of beside it; the first of overlapping runs speaks for both. */
function extentsOf(held: Held, header: CrashHeader | undefined, warnings: string[]): ExtentTable {
  const others = (header?.runs ?? []).filter(({ first, pages }) => first + pages <= MAX_PAGES)
  const count = held.first.length
  const starts = new Float64Array(count + others.length)
  const lengths = new Float64Array(count + others.length)
  starts.set(held.first.view())
  lengths.set(held.pages.view())
  others.forEach(({ first, pages }, i) => {
    starts[count + i] = first
    lengths[count + i] = pages
  })
  const builder = new ExtentBuilder()
  let told = 0
  resolveOverlaps(starts, lengths, 'first', (index, start, pages) => {
    if (index < count) told += pages
    const into = start - (starts[index] as number)
    const offset = index < count ? held.offset.at(index) + into * PAGE_BYTES : EXCLUDED_EXTENT
    builder.add(start * PAGE_BYTES, pages * PAGE_BYTES, offset)
  })
  if (told < held.total)
    warnings.push(`memory runs of the crash dump overlap: ${held.total - told} pages stand in it twice`)
  const table = builder.table()
  if (table.gpa.length === 0) throw corrupt('crash dump holds no memory')
  return table
}
