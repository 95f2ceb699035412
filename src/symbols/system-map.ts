/** Symbols as text: System.map (nm's output, one `address type name` a line), and what /proc/kallsyms prints (`[module]` behind it). */
import { VmsiftError } from '../core/errors.js'
import type { Provenance } from './contract.js'
import type { PackedSymbols } from './packed-symbols.js'
import { SymbolPacker } from './symbol-packer.js'

const MAX_SYMBOLS = 4_000_000
/** Up to here an address is no place of the image: per-CPU offsets and constants are never moved by KASLR. */
const LOWEST_IMAGE = 0x40000000n
const NEWLINE = 10
const SPACE = 32
const TAB = 9
const RETURN = 13

/** How symbols that were linked are to be taken. */
export interface SymbolFileOptions {
  /** Name of the file, for messages. */
  readonly name?: string
  /** How far KASLR moved the kernel: added to every address of the image, not to per-CPU offsets and constants. */
  readonly kaslrOffset?: bigint
}

/**
 * Parses the text.
 * @throws VmsiftError `image-corrupt` naming the line that is no symbol, or `bad-argument` when all addresses are zero, as
 * /proc/kallsyms prints them to whoever may not know them.
 */
export function parseSystemMap(bytes: Uint8Array, options: SymbolFileOptions = {}): PackedSymbols {
  const packer = new SymbolPacker()
  const name = options.name ?? 'System.map'
  let modules = false
  let nonzero = false
  let number = 0
  for (let at = 0; at < bytes.length; ) {
    number++
    let end = bytes.indexOf(NEWLINE, at)
    if (end < 0) end = bytes.length
    const next = end + 1
    if (end > at && bytes[end - 1] === RETURN) end--
    if (end > at) {
      const line = parseLine(bytes, at, end)
      if (line === undefined || packer.count >= MAX_SYMBOLS) throw badLine(bytes, at, end, name, number)
      nonzero ||= line.address !== 0n
      modules ||= line.module !== undefined
      packer.addBytes(bytes, line.nameStart, line.nameEnd, line.address, line.type, line.module)
    }
    at = next
  }
  if (packer.count === 0) throw new VmsiftError('image-corrupt', `no symbols in ${name}: the file is empty`)
  if (!nonzero)
    throw new VmsiftError(
      'bad-argument',
      `all addresses in ${name} are zero: /proc/kallsyms shows them to root only`,
    )
  const source: Provenance = modules ? 'kallsyms text' : 'System.map'
  // A kallsyms text comes from a running kernel: its addresses are moved already.
  return packer.finish(source).shifted(modules ? 0n : (options.kaslrOffset ?? 0n), LOWEST_IMAGE)
}

/** Whether the bytes start as such a text does. */
export function looksLikeSystemMap(bytes: Uint8Array): boolean {
  const end = bytes.indexOf(NEWLINE)
  return parseLine(bytes, 0, end < 0 ? Math.min(bytes.length, 1024) : end) !== undefined
}

interface Line {
  readonly address: bigint
  readonly type: number
  readonly nameStart: number
  readonly nameEnd: number
  readonly module: string | undefined
}

function parseLine(bytes: Uint8Array, start: number, end: number): Line | undefined {
  let at = start
  let high = 0
  let low = 0
  for (; at < end; at++) {
    const digit = hexDigit(bytes[at] as number)
    if (digit < 0) break
    high = ((high << 4) | (low >>> 28)) >>> 0
    low = ((low << 4) | digit) >>> 0
  }
  const digits = at - start
  // nm prints a symbol that is not defined without an address.
  if (digits < 1 || digits > 16 || bytes[at] !== SPACE || bytes[at + 2] !== SPACE) return undefined
  const type = bytes[at + 1] as number
  const nameStart = at + 3
  if (!isType(type)) return undefined
  let nameEnd = nameStart
  // Local labels of modules have control characters in them (`.L14472\x021`).
  while (nameEnd < end && bytes[nameEnd] !== SPACE && bytes[nameEnd] !== TAB) nameEnd++
  if (nameEnd === nameStart) return undefined
  let rest = nameEnd
  while (rest < end && (bytes[rest] === TAB || bytes[rest] === SPACE)) rest++
  if (rest < end && (bytes[rest] !== 0x5b || bytes[end - 1] !== 0x5d)) return undefined
  const module = rest === end ? undefined : Buffer.from(bytes.subarray(rest + 1, end - 1)).toString('latin1')
  return { address: (BigInt(high) << 32n) | BigInt(low), type, nameStart, nameEnd, module }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

function isType(byte: number): boolean {
  const lower = byte | 0x20
  return (lower >= 0x61 && lower <= 0x7a) || byte === 0x3f || byte === 0x2d
}

function badLine(bytes: Uint8Array, start: number, end: number, name: string, number: number): VmsiftError {
  const line = Buffer.from(bytes.subarray(start, Math.min(end, start + 60))).toString('latin1')
  return new VmsiftError(
    'image-corrupt',
    `line ${number} of ${name} is no symbol: ${JSON.stringify(line)}; a line is ADDRESS TYPE NAME`,
    { detail: { line: number } },
  )
}
