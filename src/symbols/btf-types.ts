/** Layouts of structures out of a BTF blob. Nothing is read before it is asked for; answers are kept. */
import { BTF_KIND, type BtfBlob, kindOf, lengthOf, openBtf } from './btf-blob.js'
import { BtfIndex } from './btf-index.js'
import type { Member, Provenance, TypeTable } from './contract.js'

/** Steps through typedef, const and the like before a chain counts as endless. */
const MAX_CHAIN = 64
/** Anonymous structures inside each other. */
const MAX_NESTING = 24
/** Members one question may look at: a hostile blob nests structures so that they multiply. */
const MAX_VISITED = 200_000
/** No type is larger: arrays of arrays multiply their counts. */
const MAX_BYTES = 2 ** 40
/** Members of one structure that are listed. */
const MAX_MEMBERS = 65_536

/** A member's type with everything around it taken off. */
interface Resolved {
  /** Type id of the innermost element. */
  readonly id: number
  readonly kind: number
  readonly bytes: number
  readonly count: number | undefined
  /** Name of the last typedef on the way: its place among the strings. */
  readonly alias: number
}

/** A found member before it becomes a `Member`: type id and place in bits. */
interface Place {
  readonly type: number
  readonly bitOffset: number
  /** For bit fields, else 0. */
  readonly bitCount: number
}

/**
 * The types of a blob (`bytes` may be longer, and must not change afterwards). Undefined when it is no blob of a kernel's own types.
 */
export function parseBtf(bytes: Uint8Array, source: Provenance = 'btf'): BtfTypes | undefined {
  const blob = openBtf(bytes)
  return blob === undefined ? undefined : new BtfTypes(blob, source)
}

/** A type table over a BTF blob. */
export class BtfTypes implements TypeTable {
  readonly source: Provenance
  readonly pointerBytes: 4 | 8
  readonly #blob: BtfBlob
  readonly #ids = new Map<string, number>()
  readonly #members = new Map<string, Member | undefined>()
  #index: BtfIndex | undefined
  #visits = 0

  constructor(blob: BtfBlob, source: Provenance) {
    this.#blob = blob
    this.source = source
    this.pointerBytes = blob.pointerBytes
  }

  sizeOf(type: string): number | undefined {
    const id = this.#find(type)
    return id === undefined ? undefined : this.#resolve(id)?.bytes
  }

  member(type: string, path: string): Member | undefined {
    const key = `${type} ${path}`
    if (this.#members.has(key)) return this.#members.get(key)
    const found = this.#search(type, path)
    this.#members.set(key, found)
    return found
  }

  members(type: string): readonly string[] | undefined {
    const id = this.#structure(this.#find(type))
    if (id === undefined) return undefined
    const names: string[] = []
    this.#visits = 0
    this.#list(id, names, 0)
    return names
  }

  enumerator(name: string): number | undefined {
    const { view, offsets, count } = this.#blob
    const wanted = this.#stringOffsets(name)
    if (wanted.length === 0) return undefined
    for (let id = 1; id < count; id++) {
      const at = offsets[id] as number
      const info = view.getUint32(at + 4, true)
      const kind = kindOf(info)
      if (kind !== BTF_KIND.enum && kind !== BTF_KIND.enum64) continue
      const step = kind === BTF_KIND.enum ? 8 : 12
      for (let i = 0, entry = at + 12; i < lengthOf(info); i++, entry += step) {
        if (!wanted.includes(view.getUint32(entry, true))) continue
        const low = view.getUint32(entry + 4, true)
        const signed = info >>> 31 === 1
        if (kind === BTF_KIND.enum) return signed ? low | 0 : low
        const high = signed ? view.getInt32(entry + 8, true) : view.getUint32(entry + 8, true)
        return high * 2 ** 32 + low
      }
    }
    return undefined
  }

  #search(type: string, path: string): Member | undefined {
    let id = this.#structure(this.#find(type))
    let bits = 0
    let place: Place | undefined
    this.#visits = 0
    for (const name of path.split('.')) {
      if (place !== undefined) id = this.#structure(place.type)
      if (id === undefined) return undefined
      place = this.#place(id, Buffer.from(name, 'latin1'), 0)
      if (place === undefined) return undefined
      bits += place.bitOffset
    }
    return place === undefined ? undefined : this.#describe({ ...place, bitOffset: bits })
  }

  #describe(place: Place): Member | undefined {
    const resolved = this.#resolve(place.type)
    if (resolved === undefined) return undefined
    const { view, offsets } = this.#blob
    const pointer = resolved.kind === BTF_KIND.pointer
    const named = pointer ? this.#pointee(resolved.id) : resolved
    const typeName = named === undefined ? '' : this.#typeName(named)
    const encoding =
      resolved.kind === BTF_KIND.int ? view.getUint32((offsets[resolved.id] as number) + 12, true) : 0
    const first = place.bitOffset % 8
    return {
      offset: Math.floor(place.bitOffset / 8),
      bytes: place.bitCount === 0 ? resolved.bytes : Math.ceil((first + place.bitCount) / 8),
      ...(place.bitCount === 0 ? {} : { bits: { first, count: place.bitCount } }),
      ...(typeName === '' ? {} : { typeName }),
      ...(pointer ? { pointer: true } : {}),
      ...((encoding >>> 24) & 1 ? { signed: true } : {}),
      ...(resolved.count === undefined ? {} : { count: resolved.count }),
    }
  }

  /** Name of a structure or union, or of the typedef that names an anonymous one; else empty. */
  #typeName({ id, kind, alias }: Resolved): string {
    if (kind !== BTF_KIND.struct && kind !== BTF_KIND.union && kind !== BTF_KIND.forward) return ''
    return this.#string(this.#blob.view.getUint32(this.#blob.offsets[id] as number, true) || alias)
  }

  #pointee(id: number): Resolved | undefined {
    const { view, offsets } = this.#blob
    return this.#resolve(view.getUint32((offsets[id] as number) + 8, true))
  }

  /** The named member of a structure, anonymous ones opened; place in bits from the structure's start. */
  #place(id: number, name: Buffer, depth: number): Place | undefined {
    const { view, offsets } = this.#blob
    const at = offsets[id] as number
    const info = view.getUint32(at + 4, true)
    const flagged = info >>> 31 === 1
    for (let i = 0, entry = at + 12; i < lengthOf(info); i++, entry += 12) {
      if (++this.#visits > MAX_VISITED) return undefined
      const nameOffset = view.getUint32(entry, true)
      const type = view.getUint32(entry + 4, true)
      const offset = view.getUint32(entry + 8, true)
      const bitOffset = flagged ? offset & 0xffffff : offset
      if (nameOffset !== 0) {
        if (!this.#isString(nameOffset, name)) continue
        return this.#field(type, bitOffset, flagged ? offset >>> 24 : 0)
      }
      const inner = depth < MAX_NESTING ? this.#structure(type) : undefined
      const found = inner === undefined ? undefined : this.#place(inner, name, depth + 1)
      if (found !== undefined) return { ...found, bitOffset: bitOffset + found.bitOffset }
    }
    return undefined
  }

  /** Blobs without the flag keep a bit field's width and shift in the integer's own record. */
  #field(type: number, bitOffset: number, bitCount: number): Place {
    if (bitCount !== 0) return { type, bitOffset, bitCount }
    const resolved = this.#resolve(type)
    if (resolved?.kind !== BTF_KIND.int || resolved.count !== undefined) return { type, bitOffset, bitCount }
    const encoding = this.#blob.view.getUint32((this.#blob.offsets[resolved.id] as number) + 12, true)
    const width = encoding & 0xff
    if (width === 0 || width === resolved.bytes * 8) return { type, bitOffset, bitCount }
    return { type, bitOffset: bitOffset + ((encoding >>> 16) & 0xff), bitCount: width }
  }

  #list(id: number, names: string[], depth: number): void {
    const { view, offsets } = this.#blob
    const at = offsets[id] as number
    const count = lengthOf(view.getUint32(at + 4, true))
    for (let i = 0, entry = at + 12; i < count && names.length < MAX_MEMBERS; i++, entry += 12) {
      if (++this.#visits > MAX_VISITED) return
      const name = this.#string(view.getUint32(entry, true))
      if (name !== '') names.push(name)
      const inner =
        name === '' && depth < MAX_NESTING ? this.#structure(view.getUint32(entry + 4, true)) : undefined
      if (inner !== undefined) this.#list(inner, names, depth + 1)
    }
  }

  /** The structure or union behind a type, typedefs and qualifiers taken off. */
  #structure(id: number | undefined): number | undefined {
    const resolved = id === undefined ? undefined : this.#resolve(id)
    if (resolved === undefined || resolved.count !== undefined) return undefined
    return resolved.kind === BTF_KIND.struct || resolved.kind === BTF_KIND.union ? resolved.id : undefined
  }

  /** Takes typedefs, qualifiers and arrays off; undefined for an endless chain or a type that isn't there. */
  #resolve(start: number): Resolved | undefined {
    const { view, offsets, count: types } = this.#blob
    let id = start
    let count: number | undefined
    let alias = 0
    for (let step = 0; step < MAX_CHAIN; step++) {
      if (id <= 0 || id >= types) return undefined
      const at = offsets[id] as number
      const kind = kindOf(view.getUint32(at + 4, true))
      switch (kind) {
        case BTF_KIND.typedef:
          alias = view.getUint32(at, true)
          id = view.getUint32(at + 8, true)
          break
        case BTF_KIND.volatile:
        case BTF_KIND.const:
        case BTF_KIND.restrict:
        case BTF_KIND.typeTag:
          id = view.getUint32(at + 8, true)
          break
        case BTF_KIND.array:
          count = (count ?? 1) * view.getUint32(at + 20, true)
          id = view.getUint32(at + 12, true)
          break
        default: {
          const element = this.#elementBytes(kind, view.getUint32(at + 8, true))
          const bytes = (element ?? Number.NaN) * (count ?? 1)
          return bytes <= MAX_BYTES ? { id, kind, bytes, count, alias } : undefined
        }
      }
    }
    return undefined
  }

  /** Bytes of one; 0 for a structure that is only announced. Undefined for what has no size: functions, sections. */
  #elementBytes(kind: number, size: number): number | undefined {
    if (kind === BTF_KIND.pointer) return this.#blob.pointerBytes
    if (kind === BTF_KIND.forward) return 0
    const sized: readonly number[] = [
      BTF_KIND.int,
      BTF_KIND.struct,
      BTF_KIND.union,
      BTF_KIND.enum,
      BTF_KIND.float,
      BTF_KIND.enum64,
    ]
    return sized.includes(kind) ? size : undefined
  }

  /** Type id by name: structures and unions go before other types of the same name. */
  #find(name: string): number | undefined {
    const known = this.#ids.get(name)
    if (known !== undefined) return known === 0 ? undefined : known
    const { view, offsets } = this.#blob
    const wanted = Buffer.from(name, 'latin1')
    let best = 0
    let rank = 3
    this.#index ??= new BtfIndex(this.#blob)
    for (
      let id = name === '' ? 0 : this.#index.first(wanted);
      rank > 0 && id !== 0;
      id = this.#index.next(id)
    ) {
      const at = offsets[id] as number
      if (!this.#isString(view.getUint32(at, true), wanted)) continue
      const own = RANKS.get(kindOf(view.getUint32(at + 4, true))) ?? 3
      if (own >= rank) continue
      rank = own
      best = id
    }
    this.#ids.set(name, best)
    return best === 0 ? undefined : best
  }

  /** Where the string stands; once in any sound blob, at most four times here. */
  #stringOffsets(name: string): number[] {
    if (name === '' || name.includes('\0')) return []
    const { strings } = this.#blob
    const wanted = Buffer.from(`\0${name}\0`, 'latin1')
    const found: number[] = []
    for (let at = strings.indexOf(wanted); at >= 0 && found.length < 4; at = strings.indexOf(wanted, at + 1))
      found.push(at + 1)
    return found
  }

  #isString(offset: number, wanted: Buffer): boolean {
    const { strings } = this.#blob
    if (offset + wanted.length >= strings.length || strings[offset + wanted.length] !== 0) return false
    for (let i = 0; i < wanted.length; i++) if (strings[offset + i] !== wanted[i]) return false
    return true
  }

  #string(offset: number): string {
    const { strings } = this.#blob
    if (offset >= strings.length) return ''
    return strings.toString('latin1', offset, Math.min(strings.indexOf(0, offset), offset + 1024))
  }
}

/** Which type a name means, best first. */
const RANKS: ReadonlyMap<number, number> = new Map([
  [BTF_KIND.struct, 0],
  [BTF_KIND.union, 0],
  [BTF_KIND.typedef, 1],
  [BTF_KIND.int, 2],
  [BTF_KIND.enum, 2],
  [BTF_KIND.enum64, 2],
  [BTF_KIND.float, 2],
])
