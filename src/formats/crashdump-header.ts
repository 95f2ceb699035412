/**
 * Headers of Windows crash dumps: DUMP_HEADER (`PAGEDUMP`, one page) and DUMP_HEADER64 (`PAGEDU64`, two pages). Layouts from Volatility 3
 * (symbols/windows/crash.json, crash64.json), kdmp-parser (kdmp-parser-structs.h) and rizin (format/dmp/dmp_specs.h), which agree.
 * What the writer didn't fill in holds `PAGE` again and again, and is absent here.
 */
import type { Architecture } from '../core/architecture.js'
import { type ByteSource, readExact } from '../core/bytes.js'
import { corrupt } from './corrupt.js'
import { readContext } from './crashdump-context.js'
import type { CrashException, WindowsDumpFacts } from './crashdump-facts.js'

/** `PAGE`: what stands in fields that were never written. */
const FILLER = 0x45474150
/** IMAGE_FILE_MACHINE_* (PE/COFF specification, "Machine Types"). */
const MACHINES = { i386: 0x14c, amd64: 0x8664, arm64: 0xaa64 } as const
/** PhysicalMemoryBlockBuffer of both headers. */
const MEMORY_BLOCK_BYTES = 700

/** Where the two headers have their fields. */
interface Layout {
  readonly bits: 32 | 64
  readonly headerBytes: number
  readonly dtb: number
  readonly pfnDatabase: number
  readonly modules: number
  readonly processes: number
  readonly machine: number
  readonly processors: number
  readonly bugCheck: number
  readonly parameters: number
  readonly debuggerData: number
  readonly memory: number
  readonly context: number
  readonly contextBytes: number
  readonly exception: number
  readonly dumpType: number
  readonly systemTime: number
  readonly upTime: number
  readonly comment: number
  readonly productType: number
  readonly suiteMask: number
}

const NARROW: Layout = {
  bits: 32,
  headerBytes: 0x1000,
  dtb: 0x10,
  pfnDatabase: 0x14,
  modules: 0x18,
  processes: 0x1c,
  machine: 0x20,
  processors: 0x24,
  bugCheck: 0x28,
  parameters: 0x2c,
  debuggerData: 0x60,
  memory: 0x64,
  context: 0x320,
  contextBytes: 1200,
  exception: 0x7d0,
  dumpType: 0xf88,
  systemTime: 0xfc0,
  upTime: 0xfb8,
  comment: 0x820,
  productType: 0xf94,
  suiteMask: 0xf98,
}
/** PaeEnabled of the 32-bit header, one byte. */
const PAE_ENABLED = 0x5c

const WIDE: Layout = {
  bits: 64,
  headerBytes: 0x2000,
  dtb: 0x10,
  pfnDatabase: 0x18,
  modules: 0x20,
  processes: 0x28,
  machine: 0x30,
  processors: 0x34,
  bugCheck: 0x38,
  parameters: 0x40,
  debuggerData: 0x80,
  memory: 0x88,
  context: 0x348,
  contextBytes: 3000,
  exception: 0xf00,
  dumpType: 0xf98,
  systemTime: 0xfa8,
  upTime: 0x1030,
  comment: 0xfb0,
  productType: 0x1040,
  suiteMask: 0x1044,
}

/** Pages of a run as the header claims them; either number may be any 64-bit value, inexact beyond 2^53. */
export interface PageRun {
  readonly first: number
  readonly pages: number
}

export interface CrashHeader {
  readonly bits: 32 | 64
  /** Bytes of the header; what belongs to the dump's type follows. */
  readonly headerBytes: number
  /** As the header says it; see `DUMP_TYPES` in crashdump.ts. */
  readonly dumpType: number
  readonly architecture: Architecture | undefined
  readonly facts: Omit<WindowsDumpFacts, 'kind' | 'triage'>
  /** PHYSICAL_MEMORY_DESCRIPTOR; undefined where the writer left it out. More runs than there is room for are cut. */
  readonly runs: readonly PageRun[] | undefined
  /** The descriptor's own sum of pages. */
  readonly pages: number
  /** Runs that the descriptor claims, also where there is no room for them. */
  readonly claimedRuns: number
}

/** Whether a file starts as a crash dump does. */
export function isCrashDump(head: Buffer): boolean {
  const magic = head.toString('latin1', 0, 8)
  return magic === 'PAGEDUMP' || magic === 'PAGEDU64'
}

/**
 * Reads the header.
 * @throws VmsiftError `image-corrupt` when there is none, or it is cut short.
 */
export function readCrashHeader(source: ByteSource): CrashHeader {
  const magic = readExact(source, 0, 8, 'crash dump header')
  if (!isCrashDump(magic)) throw corrupt(`not a crash dump: the file starts with 0x${magic.toString('hex')}`)
  const layout = magic.toString('latin1') === 'PAGEDU64' ? WIDE : NARROW
  const bytes = readExact(source, 0, layout.headerBytes, 'crash dump header')
  const machine = bytes.readUInt32LE(layout.machine)
  return {
    bits: layout.bits,
    headerBytes: layout.headerBytes,
    dumpType: bytes.readUInt32LE(layout.dumpType),
    architecture: architectureOf(machine, bytes.readUInt8(PAE_ENABLED)),
    facts: factsOf(bytes, layout, machine),
    ...memoryOf(bytes, layout),
  }
}

/** `undefined` rather than a guess: an old 32-bit writer may leave PaeEnabled out. */
function architectureOf(machine: number, pae: number): Architecture | undefined {
  if (machine === MACHINES.amd64) return 'x86_64'
  if (machine === MACHINES.arm64) return 'aarch64'
  if (machine !== MACHINES.i386 || pae > 1) return undefined
  return pae === 1 ? 'i386-pae' : 'i386'
}

function factsOf(bytes: Buffer, layout: Layout, machine: number): CrashHeader['facts'] {
  const pointer = (at: number): bigint =>
    layout.bits === 64 ? bytes.readBigUInt64LE(at) : BigInt(bytes.readUInt32LE(at))
  /** An address; filler and zero are none. */
  const address = (at: number): bigint | undefined => {
    const value = pointer(at)
    return value === 0n || isFiller(bytes, at) ? undefined : value
  }
  const word = (at: number): number | undefined => (isFiller(bytes, at) ? undefined : bytes.readUInt32LE(at))
  const time = (at: number): bigint | undefined =>
    isFiller(bytes, at) ? undefined : bytes.readBigUInt64LE(at) || undefined
  const context = readContext(bytes.subarray(layout.context, layout.context + layout.contextBytes), machine)
  const stride = layout.bits / 8
  const code = word(layout.bugCheck)
  return {
    ...present({
      directoryTableBase: address(layout.dtb),
      pfnDatabase: address(layout.pfnDatabase),
      loadedModuleList: address(layout.modules),
      activeProcessHead: address(layout.processes),
      debuggerDataBlock: address(layout.debuggerData),
      systemTime: time(layout.systemTime),
      upTime: time(layout.upTime),
      comment: textAt(bytes, layout.comment),
      productType: word(layout.productType),
      suiteMask: word(layout.suiteMask),
      context,
      exception: exceptionAt(bytes, layout),
    }),
    bits: layout.bits,
    machine,
    major: bytes.readUInt32LE(8),
    build: bytes.readUInt32LE(12),
    processors: word(layout.processors) ?? 0,
    bugCheck: {
      code: code ?? 0,
      parameters: [0, 1, 2, 3].map(i => pointer(layout.parameters + i * stride)),
    },
  }
}

function memoryOf(
  bytes: Buffer,
  { bits, memory }: Layout,
): Pick<CrashHeader, 'runs' | 'pages' | 'claimedRuns'> {
  const wide = bits === 64
  const claimedRuns = bytes.readUInt32LE(memory)
  if (claimedRuns === FILLER || claimedRuns === 0) return { runs: undefined, pages: 0, claimedRuns: 0 }
  const number = (at: number): number =>
    wide ? bytes.readUInt32LE(at + 4) * 2 ** 32 + bytes.readUInt32LE(at) : bytes.readUInt32LE(at)
  const [table, stride] = wide ? [memory + 16, 16] : [memory + 8, 8]
  const room = Math.floor((MEMORY_BLOCK_BYTES - (table - memory)) / stride)
  const runs = Array.from({ length: Math.min(room, claimedRuns) }, (_, i) => ({
    first: number(table + i * stride),
    pages: number(table + i * stride + stride / 2),
  }))
  return { runs, pages: number(memory + (wide ? 8 : 4)), claimedRuns }
}

/** EXCEPTION_RECORD32 and EXCEPTION_RECORD64 (winnt.h). */
function exceptionAt(bytes: Buffer, { bits, exception }: Layout): CrashException | undefined {
  return isFiller(bytes, exception) ? undefined : readException(bytes.subarray(exception), bits)
}

/** Reads an exception record; undefined where there is none. */
export function readException(bytes: Buffer, bits: 32 | 64): CrashException | undefined {
  const [addressAt, countAt, parametersAt, stride, total] =
    bits === 64 ? [0x10, 0x18, 0x20, 8, 0x98] : [0xc, 0x10, 0x14, 4, 0x50]
  if (bytes.length < total || bytes.readUInt32LE(0) === 0) return undefined
  const pointer = (at: number): bigint =>
    bits === 64 ? bytes.readBigUInt64LE(at) : BigInt(bytes.readUInt32LE(at))
  // more than EXCEPTION_MAXIMUM_PARAMETERS is no count
  const count = bytes.readUInt32LE(countAt)
  return {
    code: bytes.readUInt32LE(0),
    flags: bytes.readUInt32LE(4),
    address: pointer(addressAt),
    parameters: count > 15 ? [] : Array.from({ length: count }, (_, i) => pointer(parametersAt + i * stride)),
  }
}

function isFiller(bytes: Buffer, at: number): boolean {
  return bytes.readUInt32LE(at) === FILLER
}

/** The comment, up to its end or to where filler starts. */
function textAt(bytes: Buffer, at: number): string | undefined {
  const [text = ''] = bytes.toString('latin1', at, at + 128).split(/\0|(?:PAGE){2}/, 1)
  return text === '' ? undefined : text
}

/** Without the fields that are undefined. */
function present<T extends Record<string, unknown>>(
  fields: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}
