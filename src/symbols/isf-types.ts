/** Layouts of structures out of an ISF's `user_types`, `base_types` and `enums`. */
import type { Member, TypeTable } from './contract.js'
import { isRecord, own, ownCount, ownString } from './json-record.js'

type Json = Readonly<Record<string, unknown>>

const MAX_NESTING = 24
/** Members one question may look at: a hostile file nests structures so that they multiply. */
const MAX_VISITED = 200_000
/** As for BTF: arrays of arrays multiply their counts. */
const MAX_BYTES = 2 ** 40
const NOTHING: Json = {}

/** A field's place: its type descriptor, and where it starts. */
interface Place {
  readonly type: Json
  readonly offset: number
}

/** A descriptor with arrays and bit fields taken off. */
interface Resolved {
  readonly type: Json
  readonly bytes: number
  readonly count: number | undefined
  readonly bits: { readonly position: number; readonly count: number } | undefined
}

/** A type table over an ISF. */
export class IsfTypes implements TypeTable {
  readonly source = 'isf'
  readonly #structures: Json
  readonly #bases: Json
  readonly #enums: Json
  #visits = 0

  /** `root`: the parsed file. */
  constructor(root: Json, structures: Json) {
    this.#structures = structures
    this.#bases = record(own(root, 'base_types'))
    this.#enums = record(own(root, 'enums'))
  }

  sizeOf(type: string): number | undefined {
    for (const table of [this.#structures, this.#bases, this.#enums]) {
      const found = own(table, type)
      if (isRecord(found)) return ownCount(found, 'size')
    }
    return undefined
  }

  member(type: string, path: string): Member | undefined {
    let structure: string | undefined = type
    let offset = 0
    let place: Place | undefined
    this.#visits = 0
    for (const name of path.split('.')) {
      if (place !== undefined) structure = structureName(place.type)
      if (structure === undefined) return undefined
      place = this.#place(structure, name, 0)
      if (place === undefined) return undefined
      offset += place.offset
    }
    return place === undefined ? undefined : this.#describe(place.type, offset)
  }

  members(type: string): readonly string[] | undefined {
    if (this.#fields(type) === undefined) return undefined
    const names: string[] = []
    this.#visits = 0
    this.#list(type, names, 0)
    return names
  }

  enumerator(name: string): number | undefined {
    for (const one of Object.values(this.#enums)) {
      const value = isRecord(one) ? own(record(own(one, 'constants')), name) : undefined
      if (typeof value === 'number') return value
    }
    return undefined
  }

  #describe(type: Json, offset: number): Member | undefined {
    const resolved = this.#resolve(type, 0)
    if (resolved === undefined) return undefined
    const pointer = ownString(resolved.type, 'kind') === 'pointer'
    const typeName = structureName(pointer ? pointee(resolved.type) : resolved.type)
    const base =
      ownString(resolved.type, 'kind') === 'base'
        ? own(this.#bases, ownString(resolved.type, 'name') ?? '')
        : undefined
    const { bits, count } = resolved
    const first = (bits?.position ?? 0) % 8
    return {
      offset: offset + Math.floor((bits?.position ?? 0) / 8),
      bytes: bits === undefined ? resolved.bytes : Math.ceil((first + bits.count) / 8),
      ...(bits === undefined ? {} : { bits: { first, count: bits.count } }),
      ...(typeName === undefined ? {} : { typeName }),
      ...(pointer ? { pointer: true } : {}),
      ...(isRecord(base) && own(base, 'signed') === true && ownString(base, 'kind') !== 'float'
        ? { signed: true }
        : {}),
      ...(count === undefined ? {} : { count }),
    }
  }

  #resolve(type: Json, depth: number): Resolved | undefined {
    if (depth > MAX_NESTING) return undefined
    const inner = (key: string) => this.#resolve(record(own(type, key)), depth + 1)
    switch (ownString(type, 'kind')) {
      case 'array': {
        const element = inner('subtype')
        const count = ownCount(type, 'count')
        if (element === undefined || count === undefined) return undefined
        const bytes = element.bytes * count
        return bytes > MAX_BYTES ? undefined : { ...element, bytes, count: (element.count ?? 1) * count }
      }
      case 'bitfield': {
        const unit = inner('type')
        const position = ownCount(type, 'bit_position')
        const count = ownCount(type, 'bit_length')
        if (unit === undefined || position === undefined || count === undefined) return undefined
        return { ...unit, bits: { position, count } }
      }
      case 'pointer':
        return { type, bytes: this.sizeOf('pointer') ?? 8, count: undefined, bits: undefined }
      case 'function':
        return undefined
      default: {
        const bytes = this.sizeOf(ownString(type, 'name') ?? '')
        return bytes === undefined ? undefined : { type, bytes, count: undefined, bits: undefined }
      }
    }
  }

  #place(structure: string, name: string, depth: number): Place | undefined {
    const fields = this.#fields(structure)
    const direct = fields === undefined ? undefined : placeOf(own(fields, name))
    if (fields === undefined || direct !== undefined) return direct
    for (const field of Object.values(fields)) {
      if (++this.#visits > MAX_VISITED) return undefined
      const place = isAnonymous(field) && depth < MAX_NESTING ? placeOf(field) : undefined
      const inner = place === undefined ? undefined : structureName(place.type)
      const found = inner === undefined ? undefined : this.#place(inner, name, depth + 1)
      if (place !== undefined && found !== undefined) return { ...found, offset: place.offset + found.offset }
    }
    return undefined
  }

  #list(structure: string, names: string[], depth: number): void {
    for (const [name, field] of Object.entries(this.#fields(structure) ?? NOTHING)) {
      if (++this.#visits > MAX_VISITED) return
      if (!isAnonymous(field)) names.push(name)
      else if (depth < MAX_NESTING) this.#list(structureName(placeOf(field)?.type) ?? '', names, depth + 1)
    }
  }

  #fields(structure: string): Json | undefined {
    const found = own(this.#structures, structure)
    const fields = isRecord(found) ? own(found, 'fields') : undefined
    return isRecord(fields) ? fields : undefined
  }
}

function placeOf(field: unknown): Place | undefined {
  if (!isRecord(field)) return undefined
  const offset = ownCount(field, 'offset')
  return offset === undefined ? undefined : { type: record(own(field, 'type')), offset }
}

function isAnonymous(field: unknown): boolean {
  return isRecord(field) && own(field, 'anonymous') === true
}

/** Name of the structure, union or class a descriptor means. */
function structureName(type: Json | undefined): string | undefined {
  const kind = type === undefined ? undefined : ownString(type, 'kind')
  if (type === undefined || (kind !== 'struct' && kind !== 'union' && kind !== 'class')) return undefined
  return ownString(type, 'name')
}

function pointee(type: Json): Json {
  return record(own(type, 'subtype'))
}

function record(value: unknown): Json {
  return isRecord(value) ? value : NOTHING
}
