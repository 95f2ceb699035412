/**
 * ISF, the symbol files of Volatility 3 (schema 6.2 and its neighbours; dwarf2json writes them for Linux): `symbols` with the addresses
 * as they were linked, `user_types`, `base_types` and `enums`.
 */
import { VmsiftError } from '../core/errors.js'
import type { TypeTable } from './contract.js'
import { IsfTypes } from './isf-types.js'
import { checkJsonBounds } from './json-bounds.js'
import { isRecord, own, ownCount, ownString } from './json-record.js'
import type { PdbIdentity } from './load.js'
import type { PackedSymbols } from './packed-symbols.js'
import { SymbolPacker } from './symbol-packer.js'
import type { SymbolFileOptions } from './system-map.js'

/** What an ISF holds. */
export interface Isf {
  readonly symbols: PackedSymbols
  readonly types: TypeTable
  /** `Linux version ...` of the kernel it was made for, where the file carries it. */
  readonly banner: string | undefined
  /** The PDB it was made from, of a Windows kernel. */
  readonly pdb: PdbIdentity | undefined
}

/** Five times the largest files there are. */
const MAX_JSON_BYTES = 256 << 20
const MAX_SYMBOLS = 4_000_000
/** As in System.map: what lies below is never moved. */
const LOWEST_IMAGE = 0x40000000n
/** Addresses don't fit a JSON number's 53 bits, so they are made strings before the file is parsed. */
const LONG_ADDRESS = /("address"\s*:\s*)(\d{15,20})(?=\s*[,}])/g

/**
 * Parses the JSON text's bytes.
 * @throws VmsiftError `image-corrupt` when it is no JSON, or not an ISF.
 */
export function parseIsf(bytes: Uint8Array, options: SymbolFileOptions = {}): Isf {
  return isfOf(parseJson(bytes, options.name ?? 'ISF'), options)
}

/** As `parseIsf`, of what the JSON holds. */
export function isfOf(root: unknown, options: SymbolFileOptions = {}): Isf {
  const name = options.name ?? 'ISF'
  const symbols = isRecord(root) ? own(root, 'symbols') : undefined
  const userTypes = isRecord(root) ? own(root, 'user_types') : undefined
  if (!isRecord(root) || !isRecord(symbols) || !isRecord(userTypes))
    throw new VmsiftError('image-corrupt', `${name} is no ISF: it needs "symbols" and "user_types"`)
  const packer = new SymbolPacker()
  for (const [key, value] of Object.entries(symbols)) {
    if (packer.count >= MAX_SYMBOLS) break
    const address = isRecord(value) ? addressOf(own(value, 'address')) : undefined
    if (address === undefined)
      throw new VmsiftError(
        'image-corrupt',
        `${name}: symbol ${JSON.stringify(key.slice(0, 80))} has no address`,
      )
    packer.add({ name: key, address })
  }
  return {
    symbols: packer.finish('isf').shifted(options.kaslrOffset ?? 0n, LOWEST_IMAGE),
    types: new IsfTypes(root, userTypes),
    banner: bannerOf(own(symbols, 'linux_banner')),
    pdb: pdbOf(root),
  }
}

/** `metadata.windows.pdb`. */
function pdbOf(root: Readonly<Record<string, unknown>>): PdbIdentity | undefined {
  const metadata = own(root, 'metadata')
  const windows = isRecord(metadata) ? own(metadata, 'windows') : undefined
  const pdb = isRecord(windows) ? own(windows, 'pdb') : undefined
  if (!isRecord(pdb)) return undefined
  const guid = ownString(pdb, 'GUID')
  if (guid === undefined || !/^[0-9a-f]{32}$/i.test(guid)) return undefined
  return {
    name: ownString(pdb, 'database')?.slice(0, 260) ?? '',
    guid: guid.toUpperCase(),
    age: ownCount(pdb, 'age') ?? 0,
  }
}

/**
 * The JSON of a symbol file.
 * @throws VmsiftError `image-corrupt` when it is none, or too large.
 */
export function parseJson(bytes: Uint8Array, name: string): unknown {
  if (bytes.length > MAX_JSON_BYTES)
    throw new VmsiftError(
      'image-corrupt',
      `${name} is too large: ${bytes.length} bytes, at most ${MAX_JSON_BYTES}`,
    )
  checkJsonBounds(bytes, name)
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
  try {
    return JSON.parse(text.replace(LONG_ADDRESS, '$1"$2"'))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new VmsiftError('image-corrupt', `${name} is no JSON: ${why}`, { cause: error })
  }
}

function addressOf(value: unknown): bigint | undefined {
  if (typeof value === 'string' && /^\d{15,20}$/.test(value)) return BigInt.asUintN(64, BigInt(value))
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt.asUintN(64, BigInt(value))
  return undefined
}

/** dwarf2json keeps the bytes of linux_banner, in base64. */
function bannerOf(symbol: unknown): string | undefined {
  const data = isRecord(symbol) ? own(symbol, 'constant_data') : undefined
  if (typeof data !== 'string' || data.length > 4096) return undefined
  const text = Buffer.from(data, 'base64')
    .toString('latin1')
    .replace(/[\0\n].*$/s, '')
  return text === '' ? undefined : text
}
