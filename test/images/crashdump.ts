/** Writes Windows crash dumps: full, with a bitmap of either layout, with ranges, 32 and 64 bits, and triage dumps. */
import type { ImageRun } from './runs.js'

const PAGE = 4096

export interface CrashOptions {
  /** Default 64. */
  readonly bits?: 32 | 64
  /** IMAGE_FILE_MACHINE_*; default that of the bits on x86. */
  readonly machine?: number
  /** 32 bits: PaeEnabled. */
  readonly pae?: boolean
  /** How memory is told; default `full`. */
  readonly memory?: 'full' | 'bitmap' | 'old bitmap' | 'ranges'
  /** Pages that the header's runs speak of and the file doesn't hold (not with `full`). */
  readonly excluded?: (gpa: number) => boolean
  /** Leaves PhysicalMemoryBlock as filler (not with `full`). */
  readonly withoutRuns?: boolean
  readonly header?: Partial<CrashHeaderFields>
}

export interface CrashHeaderFields {
  readonly build: number
  readonly directoryTableBase: bigint
  readonly loadedModuleList: bigint
  readonly activeProcessHead: bigint
  readonly debuggerDataBlock: bigint
  readonly processors: number
  readonly bugCheckCode: number
  readonly bugCheckParameters: readonly bigint[]
  readonly systemTime: bigint
  readonly upTime: bigint
  readonly comment: string
  /** A CONTEXT record as it stands in memory. */
  readonly context: Uint8Array
}

const DEFAULTS: CrashHeaderFields = {
  build: 19041,
  directoryTableBase: 0x1ad000n,
  loadedModuleList: 0xf000_2000n,
  activeProcessHead: 0xf000_1000n,
  debuggerDataBlock: 0xf000_0000n,
  processors: 1,
  bugCheckCode: 0xd1,
  bugCheckParameters: [1n, 2n, 3n, 4n],
  systemTime: 132_583_451_029_877_657n,
  upTime: 37_470_697n,
  comment: '',
  context: new Uint8Array(0),
}

/** Offsets of the fields in either header, written down once more than in the parser: from WDK headers' order and sizes. */
const NARROW = {
  pointer: 4,
  dtb: 16,
  machine: 32,
  params: 44,
  user: 60,
  kdbg: 96,
  runs: 100,
  context: 800,
  exception: 2000,
  comment: 2080,
  type: 3976,
  time: 4032,
  up: 4024,
  bytes: 4096,
}
const WIDE = {
  pointer: 8,
  dtb: 16,
  machine: 48,
  params: 64,
  user: 96,
  kdbg: 128,
  runs: 136,
  context: 840,
  exception: 3840,
  comment: 4016,
  type: 3992,
  time: 4008,
  up: 4144,
  bytes: 8192,
}

/** A crash dump; runs must be whole pages. */
export function writeCrashDump(runs: readonly ImageRun[], options: CrashOptions = {}): Buffer {
  const { memory = 'full', excluded } = options
  const sorted = [...runs].sort((a, b) => a.gpa - b.gpa)
  const types = { full: 1, bitmap: 5, 'old bitmap': 2, ranges: 9 }
  const header = writeHeader(options, types[memory])
  if (options.withoutRuns !== true) writeRuns(header, options.bits ?? 64, sorted)
  if (memory === 'full') return Buffer.concat([header, ...sorted.map(({ bytes }) => bytes)])
  const held: { page: number; bytes: Uint8Array }[] = []
  for (const { gpa, bytes } of sorted)
    for (let at = 0; at < bytes.length; at += PAGE)
      if (excluded?.(gpa + at) !== true)
        held.push({ page: (gpa + at) / PAGE, bytes: bytes.subarray(at, at + PAGE) })
  const pages = held.map(({ page }) => page)
  const table =
    memory === 'ranges'
      ? writeRanges(header.length, pages)
      : writeBitmap(header.length, pages, memory, options.bits ?? 64)
  return Buffer.concat([header, table, ...held.map(({ bytes }) => bytes)])
}

function writeHeader(options: CrashOptions, type: number): Buffer {
  const wide = (options.bits ?? 64) === 64
  const at = wide ? WIDE : NARROW
  const fields = { ...DEFAULTS, ...options.header }
  const header = Buffer.alloc(at.bytes, 'PAGE')
  header.write(wide ? 'PAGEDU64' : 'PAGEDUMP', 0, 'latin1')
  header.writeUInt32LE(15, 8)
  header.writeUInt32LE(fields.build, 12)
  const pointer = (offset: number, value: bigint): void => {
    if (wide) header.writeBigUInt64LE(value, offset)
    else header.writeUInt32LE(Number(BigInt.asUintN(32, value)), offset)
  }
  const { directoryTableBase, loadedModuleList, activeProcessHead } = fields
  for (const [i, value] of [directoryTableBase, 0n, loadedModuleList, activeProcessHead].entries())
    pointer(at.dtb + i * at.pointer, value)
  header.writeUInt32LE(options.machine ?? (wide ? 0x8664 : 0x14c), at.machine)
  header.writeUInt32LE(fields.processors, at.machine + 4)
  header.writeUInt32LE(fields.bugCheckCode, at.machine + 8)
  for (const [i, value] of fields.bugCheckParameters.entries()) pointer(at.params + i * at.pointer, value)
  if (!wide) header[0x5c] = options.pae === true ? 1 : 0
  pointer(at.kdbg, fields.debuggerDataBlock)
  header.set(fields.context, at.context)
  header.writeUInt32LE(type, at.type)
  header.writeBigUInt64LE(fields.systemTime, at.time)
  header.writeBigUInt64LE(fields.upTime, at.up)
  if (fields.comment !== '') header.write(`${fields.comment}\0`, at.comment, 'latin1')
  return header
}

function writeRuns(header: Buffer, bits: 32 | 64, runs: readonly ImageRun[]): void {
  const pages = runs.reduce((sum, { bytes }) => sum + bytes.length / PAGE, 0)
  if (bits === 64) {
    header.writeUInt32LE(runs.length, WIDE.runs)
    header.writeBigUInt64LE(BigInt(pages), WIDE.runs + 8)
    runs.forEach(({ gpa, bytes }, i) => {
      header.writeBigUInt64LE(BigInt(gpa / PAGE), WIDE.runs + 16 + i * 16)
      header.writeBigUInt64LE(BigInt(bytes.length / PAGE), WIDE.runs + 24 + i * 16)
    })
    return
  }
  header.writeUInt32LE(runs.length, NARROW.runs)
  header.writeUInt32LE(pages, NARROW.runs + 4)
  runs.forEach(({ gpa, bytes }, i) => {
    header.writeUInt32LE(gpa / PAGE, NARROW.runs + 8 + i * 8)
    header.writeUInt32LE(bytes.length / PAGE, NARROW.runs + 12 + i * 8)
  })
}

function writeBitmap(
  start: number,
  pages: readonly number[],
  layout: 'bitmap' | 'old bitmap',
  bits: 32 | 64,
): Buffer {
  const count = Math.ceil(((pages.at(-1) ?? 0) + 1) / 8) * 8
  const bitmapAt = layout === 'bitmap' ? 56 : bits === 64 ? 40 : 32
  const size = Math.ceil((start + bitmapAt + count / 8) / PAGE) * PAGE - start
  const table = Buffer.alloc(size)
  table.fill('PAGE', 0, bitmapAt)
  table.write(layout === 'bitmap' ? 'FDMPDUMP' : 'SDMPDUMP', 0, 'latin1')
  if (layout === 'bitmap') {
    table.writeBigUInt64LE(BigInt(start + size), 32)
    table.writeBigUInt64LE(BigInt(pages.length), 40)
    table.writeBigUInt64LE(BigInt(count), 48)
  } else
    for (const [i, value] of [start + size, count, pages.length, count].entries())
      table.writeUInt32LE(value, 12 + i * 4)
  for (const page of pages) {
    const at = bitmapAt + Math.floor(page / 8)
    table[at] = (table[at] as number) | (1 << (page % 8))
  }
  return table
}

function writeRanges(start: number, pages: readonly number[]): Buffer {
  const ranges: { first: number; count: number }[] = []
  for (const page of pages) {
    const last = ranges.at(-1)
    if (last !== undefined && page === last.first + last.count) last.count++
    else ranges.push({ first: page, count: 1 })
  }
  const table = Buffer.alloc(48 + (ranges.length + 1) * 16)
  table.writeUInt32LE(0x40, 0)
  table.write('RDMPDUMP', 4, 'latin1')
  table.writeBigUInt64LE(BigInt(table.length), 16)
  table.writeBigUInt64LE(BigInt(start + table.length), 24)
  ranges.forEach(({ first, count }, i) => {
    table.writeBigUInt64LE(BigInt(first), 48 + i * 16)
    table.writeBigUInt64LE(BigInt(count), 56 + i * 16)
  })
  return table
}

export interface TriageOptions {
  readonly bits?: 32 | 64
  readonly blocks: readonly { readonly va: bigint; readonly bytes: Uint8Array }[]
  readonly prcb?: Uint8Array
  readonly process?: Uint8Array
  readonly thread?: Uint8Array
  readonly debuggerData?: Uint8Array
  readonly stack?: { readonly va: bigint; readonly bytes: Uint8Array }
  readonly drivers?: readonly { readonly name: string; readonly base: bigint; readonly size: number }[]
  readonly unloaded?: readonly { readonly name: string; readonly start: bigint; readonly end: bigint }[]
  readonly header?: Partial<CrashHeaderFields>
}

/** A triage dump; each part follows the one before. */
export function writeTriageDump(options: TriageOptions): Buffer {
  const bits = options.bits ?? 64
  const wide = bits === 64
  const header = writeHeader(options, 4)
  const triage = Buffer.alloc(wide ? 0xc0 : 0x80)
  const parts: Buffer[] = [header, triage]
  let size = header.length + triage.length
  const put = (bytes: Uint8Array | undefined): number => {
    if (bytes === undefined || bytes.length === 0) return 0
    const at = size
    const part = Buffer.alloc(Math.ceil(bytes.length / 8) * 8)
    part.set(bytes)
    parts.push(part)
    size += part.length
    return at
  }
  const address = (target: Buffer, value: bigint, at: number): void => {
    if (wide) target.writeBigUInt64LE(value, at)
    else target.writeUInt32LE(Number(value), at)
  }
  const word = (at: number, value: number): void => void triage.writeUInt32LE(value, at)
  word(0x18, put(unloadedTable(options.unloaded ?? [], wide, address)))
  word(0x1c, put(options.prcb))
  word(0x20, put(options.process))
  word(0x24, put(options.thread))
  if (options.stack !== undefined) {
    word(0x28, put(options.stack.bytes))
    word(0x2c, options.stack.bytes.length)
    address(triage, options.stack.va, 0x48)
  }
  word(wide ? 0x70 : 0x58, put(options.debuggerData))
  word(wide ? 0x74 : 0x5c, options.debuggerData?.length ?? 0)
  const drivers = options.drivers ?? []
  const names = drivers.map(({ name }) => {
    const text = Buffer.alloc(6 + name.length * 2)
    text.writeUInt32LE(name.length, 0)
    text.write(name, 4, 'utf16le')
    return put(text)
  })
  const entry = wide ? 0x90 : 0x4c
  const list = Buffer.alloc(drivers.length * entry)
  drivers.forEach(({ base, size: bytes }, i) => {
    list.writeUInt32LE(names[i] as number, i * entry)
    address(list, base, i * entry + (wide ? 8 + 0x30 : 4 + 0x18))
    list.writeUInt32LE(bytes, i * entry + (wide ? 8 + 0x40 : 4 + 0x20))
  })
  word(0x30, put(list))
  word(0x34, drivers.length)
  const stride = wide ? 16 : 12
  const blocks = Buffer.alloc(options.blocks.length * stride)
  options.blocks.forEach(({ va, bytes }, i) => {
    address(blocks, va, i * stride)
    blocks.writeUInt32LE(put(bytes), i * stride + stride - 8)
    blocks.writeUInt32LE(bytes.length, i * stride + stride - 4)
  })
  word(wide ? 0x78 : 0x60, put(blocks))
  word(wide ? 0x7c : 0x64, options.blocks.length)
  word(8, size)
  word(4, size + 4)
  parts.push(Buffer.from('TRGD'))
  return Buffer.concat(parts)
}

function unloadedTable(
  drivers: NonNullable<TriageOptions['unloaded']>,
  wide: boolean,
  address: (target: Buffer, value: bigint, at: number) => void,
): Buffer {
  const [first, entry, name, start] = wide ? [8, 56, 16, 40] : [4, 40, 8, 32]
  const table = Buffer.alloc(first + drivers.length * entry)
  table.writeUInt32LE(drivers.length, 0)
  drivers.forEach((driver, i) => {
    const at = first + i * entry
    table.writeUInt16LE(driver.name.length * 2, at)
    table.write(driver.name.slice(0, 12), at + name, 'utf16le')
    address(table, driver.start, at + start)
    address(table, driver.end, at + start + (wide ? 8 : 4))
  })
  return table
}
