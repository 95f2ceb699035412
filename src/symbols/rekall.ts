/** Rekall's profiles (JSON with `$STRUCTS`, `$CONSTANTS`, `$FUNCTIONS`, `$METADATA`): symbols relative to the image, and layouts. */
import { VmsiftError } from '../core/errors.js'
import type { Member, TypeTable } from './contract.js'
import { isRecord, own, ownCount, ownString } from './json-record.js'
import type { SymbolFile } from './load.js'
import { SymbolPacker } from './symbol-packer.js'

type Json = Readonly<Record<string, unknown>>

const MAX_SYMBOLS = 4_000_000
const MAX_NESTING = 24
const MAX_BYTES = 2 ** 40

/** Names that Rekall gives to what PDBs call T_ULONG and so on. */
const SCALARS: Readonly<Record<string, readonly [bytes: number, signed: boolean]>> = {
  char: [1, true],
  'unsigned char': [1, false],
  Void: [1, false],
  short: [2, true],
  'short int': [2, true],
  'unsigned short': [2, false],
  wchar: [2, false],
  UnicodeChar: [2, false],
  int: [4, true],
  long: [4, true],
  'unsigned int': [4, false],
  'unsigned long': [4, false],
  'long long': [8, true],
  'unsigned long long': [8, false],
}

/** Whether the parsed JSON is such a profile. */
export function isRekallProfile(root: unknown): root is Json {
  return isRecord(root) && isRecord(own(root, '$STRUCTS'))
}

/**
 * What a profile holds.
 * @throws VmsiftError `image-corrupt` when it names a symbol without an address.
 */
export function parseRekall(root: Json, name: string): SymbolFile {
  const metadata = record(own(root, '$METADATA'))
  const packer = new SymbolPacker()
  for (const section of ['$CONSTANTS', '$FUNCTIONS'])
    for (const [symbol, address] of Object.entries(record(own(root, section)))) {
      if (packer.count >= MAX_SYMBOLS) break
      if (typeof address !== 'number' || !Number.isSafeInteger(address) || address < 0)
        throw new VmsiftError(
          'image-corrupt',
          `${name}: symbol ${JSON.stringify(symbol.slice(0, 80))} has no address`,
        )
      packer.add({ name: symbol, address: BigInt(address) })
    }
  // the GUID's digits, then the age's
  const [, guid, age] = /^([0-9a-f]{32})([0-9a-f]{1,8})$/i.exec(ownString(metadata, 'GUID_AGE') ?? '') ?? []
  const types = new RekallTypes(
    record(own(root, '$STRUCTS')),
    ownString(metadata, 'arch') === 'AMD64' ? 8 : 4,
  )
  return {
    source: 'rekall',
    symbols: packer.finish('rekall'),
    types,
    ...(guid !== undefined && {
      pdb: {
        name: ownString(metadata, 'PDBFile')?.slice(0, 260) ?? '',
        guid: guid.toUpperCase(),
        age: Number.parseInt(age ?? '0', 16),
      },
    }),
  }
}

/** A field: its offset, its type's name, and what is told about it. */
interface Field {
  readonly offset: number
  readonly kind: string
  readonly options: Json
}

/** Layouts out of `$STRUCTS`: `name: [bytes, {field: [offset, [type, options]]}]`. */
class RekallTypes implements TypeTable {
  readonly source = 'rekall'
  readonly #structures: Json
  readonly #pointerBytes: number

  constructor(structures: Json, pointerBytes: number) {
    this.#structures = structures
    this.#pointerBytes = pointerBytes
  }

  sizeOf(type: string): number | undefined {
    const found = own(this.#structures, type)
    const bytes = Array.isArray(found) ? found[0] : SCALARS[type]?.[0]
    return typeof bytes === 'number' && Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : undefined
  }

  member(type: string, path: string): Member | undefined {
    let structure: string | undefined = type
    let offset = 0
    let field: Field | undefined
    for (const name of path.split('.')) {
      if (field !== undefined) structure = field.kind
      field = structure === undefined ? undefined : this.#field(structure, name)
      if (field === undefined) return undefined
      offset += field.offset
    }
    return field === undefined ? undefined : this.#describe(field, offset)
  }

  enumerator(): number | undefined {
    return undefined
  }

  members(type: string): readonly string[] | undefined {
    const fields = this.#fields(type)
    return fields === undefined ? undefined : Object.keys(fields)
  }

  #fields(type: string): Json | undefined {
    const found = own(this.#structures, type)
    return Array.isArray(found) && isRecord(found[1]) ? found[1] : undefined
  }

  #field(type: string, name: string): Field | undefined {
    const fields = this.#fields(type)
    const found = fields === undefined ? undefined : own(fields, name)
    if (!Array.isArray(found) || !Number.isSafeInteger(found[0]) || found[0] < 0) return undefined
    const [offset, descriptor] = found as [number, unknown]
    if (!Array.isArray(descriptor) || typeof descriptor[0] !== 'string') return undefined
    return { offset, kind: descriptor[0], options: record(descriptor[1]) }
  }

  #describe({ kind, options }: Field, offset: number): Member | undefined {
    const target = ownString(options, 'target')
    if (kind === 'BitField') {
      const start = ownCount(options, 'start_bit') ?? 0
      const end = ownCount(options, 'end_bit') ?? 0
      if (end <= start || end > 64) return undefined
      const first = start % 8
      return {
        offset: offset + Math.floor(start / 8),
        bytes: Math.ceil((first + end - start) / 8),
        bits: { first, count: end - start },
      }
    }
    if (kind === 'Pointer' || kind === 'Pointer32') {
      const named = target !== undefined && own(this.#structures, target) !== undefined
      const bytes = kind === 'Pointer32' ? 4 : this.#pointerBytes
      return { offset, bytes, pointer: true, ...(named && { typeName: target }) }
    }
    if (kind === 'Enumeration') return { offset, bytes: this.sizeOf(target ?? '') ?? 4 }
    if (kind === 'Array') {
      const bytes = this.#bytes(options, 0)
      const count = ownCount(options, 'count')
      return bytes === undefined || count === undefined ? undefined : { offset, bytes, count }
    }
    const bytes = this.sizeOf(kind)
    if (bytes === undefined) return undefined
    const structure = own(this.#structures, kind) !== undefined
    return {
      offset,
      bytes,
      ...(structure && { typeName: kind }),
      ...(SCALARS[kind]?.[1] === true && { signed: true as const }),
    }
  }

  /** Bytes of an array of what `options` tells. */
  #bytes(options: Json, depth: number): number | undefined {
    const count = ownCount(options, 'count')
    const target = ownString(options, 'target')
    if (count === undefined || target === undefined || depth > MAX_NESTING) return undefined
    const inner = record(own(options, 'target_args'))
    const element =
      target === 'Pointer'
        ? this.#pointerBytes
        : target === 'Array'
          ? this.#bytes(inner, depth + 1)
          : this.sizeOf(target)
    const bytes = element === undefined ? undefined : element * count
    return bytes === undefined || bytes > MAX_BYTES ? undefined : bytes
  }
}

function record(value: unknown): Json {
  return isRecord(value) ? value : {}
}
