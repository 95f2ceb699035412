/**
 * VMCOREINFO: facts the kernel writes down for crash dumps (kernel/vmcore_info.c, Documentation/admin-guide/kdump/vmcoreinfo.rst), one
 * `KEY=VALUE` a line. Symbols are in hex without `0x`, numbers, sizes, offsets and lengths decimal, KERNELOFFSET hex.
 */
import type { KallsymsTables } from './kallsyms-layout.js'

/** What VMCOREINFO says; what it doesn't say is absent. */
export interface VmcoreInfo {
  /** As `uname -r` prints it. */
  readonly release: string | undefined
  readonly pageBytes: number | undefined
  /** How far KASLR moved the image: KERNELOFFSET (x86, aarch64). */
  readonly kernelOffset: bigint | undefined
  /** Hex digits of the build id's bytes. */
  readonly buildId: string | undefined
  /** Unix time of the crash; absent as long as the kernel runs. */
  readonly crashTime: number | undefined
  /** SYMBOL(name): gva, KASLR applied. */
  symbol(name: string): bigint | undefined
  /** NUMBER(name): signed. */
  number(name: string): bigint | undefined
  /** SIZE(type), bytes. */
  size(type: string): number | undefined
  /** OFFSET(type.member), bytes. */
  offset(member: string): number | undefined
  /** LENGTH(name): elements of an array. */
  length(name: string): number | undefined
  /** Every line's value by its key, `SYMBOL(init_uts_ns)` and the like; the first of each. */
  readonly values: ReadonlyMap<string, string>
}

/** The note is one page; 64 KiB pages are the largest. */
export const MAX_VMCOREINFO_BYTES = 0x10000
/** The first line of every VMCOREINFO. */
const FIRST_KEY = 'OSRELEASE='
const MAX_HITS = 1024

/** Parses the text; lines that are no `KEY=VALUE` are passed over. */
export function parseVmcoreinfo(text: string): VmcoreInfo {
  const values = new Map<string, string>()
  for (const line of text.slice(0, MAX_VMCOREINFO_BYTES).split('\n')) {
    const equals = line.indexOf('=')
    const key = line.slice(0, equals)
    if (equals > 0 && !values.has(key)) values.set(key, line.slice(equals + 1).trim())
  }
  const decimal = (key: string) => small(integer(values.get(key)))
  return {
    release: values.get('OSRELEASE'),
    pageBytes: decimal('PAGESIZE'),
    kernelOffset: hex(values.get('KERNELOFFSET')),
    buildId: values.get('BUILD-ID'),
    crashTime: decimal('CRASHTIME'),
    symbol: name => hex(values.get(`SYMBOL(${name})`)),
    number: name => integer(values.get(`NUMBER(${name})`)),
    size: type => decimal(`SIZE(${type})`),
    offset: member => decimal(`OFFSET(${member})`),
    length: name => decimal(`LENGTH(${name})`),
    values,
  }
}

/** The kallsyms tables it names (6.0 and later); undefined where it names none. */
export function kallsymsTables(info: VmcoreInfo, pointerBytes: 4 | 8): KallsymsTables<bigint> | undefined {
  const names = info.symbol('kallsyms_names')
  const tokenTable = info.symbol('kallsyms_token_table')
  const tokenIndex = info.symbol('kallsyms_token_index')
  if (names === undefined || tokenTable === undefined || tokenIndex === undefined) return undefined
  const offsets = info.symbol('kallsyms_offsets')
  const addresses = info.symbol('kallsyms_addresses')
  const relativeBase = info.symbol('kallsyms_relative_base')
  return {
    // Where it isn't named, it still stands right before the names.
    numSyms: info.symbol('kallsyms_num_syms') ?? names - BigInt(pointerBytes),
    names,
    tokenTable,
    tokenIndex,
    ...(offsets === undefined ? {} : { offsets }),
    ...(addresses === undefined ? {} : { addresses }),
    ...(relativeBase === undefined ? {} : { relativeBase }),
  }
}

/** A text that may be a VMCOREINFO, and where it starts in the bytes. */
export interface VmcoreinfoHit {
  readonly offset: number
  readonly text: string
}

/**
 * Texts in `bytes` that look like a whole VMCOREINFO: from OSRELEASE= on, printable lines with the kernel's page size and a symbol among
 * them. The kernel keeps the text twice (vmcoreinfo_data and the note), so two equal ones are usual.
 */
export function findVmcoreinfo(bytes: Uint8Array): VmcoreinfoHit[] {
  const haystack = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const hits: VmcoreinfoHit[] = []
  let at = haystack.indexOf(FIRST_KEY)
  while (at >= 0 && hits.length < MAX_HITS) {
    const end = textEnd(bytes, at)
    const text = haystack.toString('latin1', at, end)
    if (text.includes('\nPAGESIZE=') && text.includes('\nSYMBOL(')) hits.push({ offset: at, text })
    at = haystack.indexOf(FIRST_KEY, Math.max(end, at + 1))
  }
  return hits
}

function textEnd(bytes: Uint8Array, start: number): number {
  const last = Math.min(bytes.length, start + MAX_VMCOREINFO_BYTES)
  let at = start
  while (at < last && (((bytes[at] as number) >= 0x20 && (bytes[at] as number) < 0x7f) || bytes[at] === 10))
    at++
  return at
}

function hex(digits: string | undefined): bigint | undefined {
  const match = digits === undefined ? null : /^(?:0x)?([0-9a-f]{1,16})$/i.exec(digits)
  return match === null ? undefined : BigInt(`0x${match[1]}`)
}

/** Decimal, or hex with `0x`; some architectures print numbers so. */
function integer(digits: string | undefined): bigint | undefined {
  if (digits === undefined || !/^(?:-?[0-9]{1,20}|0x[0-9a-f]{1,16})$/i.test(digits)) return undefined
  return BigInt(digits)
}

function small(value: bigint | undefined): number | undefined {
  const number = Number(value ?? -1n)
  return number >= 0 && Number.isSafeInteger(number) ? number : undefined
}
