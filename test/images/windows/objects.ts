/** Objects of the kernel's object manager: their headers, and the types that these lead to. */
import type { Builder } from './builder.js'
import type { KernelImage } from './kernel-image.js'

/** Types by their usual indices; only the relation between object and type matters. */
const TYPES: readonly (readonly [name: string, index: number, tag: string])[] = [
  ['Type', 2, 'ObjT'],
  ['Directory', 3, 'Dire'],
  ['Token', 5, 'Toke'],
  ['Process', 7, 'Proc'],
  ['Thread', 8, 'Thre'],
  ['Event', 12, 'Even'],
  ['Driver', 26, 'Driv'],
  ['File', 28, 'File'],
  ['Key', 35, 'Key '],
]

/** Offset of the object's own bits in OBJECT_HEADER.InfoMask (7 and later). */
const NAME_INFO = 2
const QUOTA_INFO = 8

export class Objects {
  readonly #builder: Builder
  readonly #types = new Map<string, { address: bigint; index: number; tag: string }>()
  /** From Windows 10 on the index is mixed with this and the header's address. */
  readonly #cookie: number | undefined

  constructor(builder: Builder, image: KernelImage) {
    this.#builder = builder
    const { kernel, build, pointerBytes } = builder
    this.#cookie = build >= 10240 ? 0x5e : undefined
    const cookie = image.symbols.get('ObHeaderCookie')
    if (this.#cookie !== undefined && cookie !== undefined) kernel.integer(cookie, this.#cookie, 1)
    const table = image.symbols.get('ObTypeIndexTable')
    if (table !== undefined && this.#indexed) {
      kernel.pointer(table, 0)
      kernel.pointer(table + BigInt(pointerBytes), 0xbad0_b0b0)
    }
    const size = builder.facts.size('_OBJECT_TYPE')
    for (const [name, index, tag] of TYPES) {
      // the first type is its own, so its object comes before it can be looked up
      const address = this.#allocate(size, 'ObjT', 0)
      this.#types.set(name, { address, index, tag })
      this.#header(address, name === 'Type' ? 'Type' : 'Type', 0)
      builder.putString(builder.at(address, '_OBJECT_TYPE.Name'), name)
      builder.put(address, '_OBJECT_TYPE.Index', index, this.#indexed ? 1 : 4)
      if (table !== undefined && this.#indexed) kernel.pointer(table + BigInt(index * pointerBytes), address)
    }
    for (const name of ['Process', 'Thread']) {
      const pointer = image.symbols.get(`Ps${name}Type`)
      if (pointer !== undefined) kernel.pointer(pointer, this.typeOf(name))
    }
  }

  get #indexed(): boolean {
    return this.#builder.facts.has('_OBJECT_HEADER.TypeIndex')
  }

  typeOf(name: string): bigint {
    return (this.#types.get(name) as { address: bigint }).address
  }

  /** Makes an object; returns the address of its body. `freed`: its block is marked so. */
  create(
    type: string,
    bytes: number,
    options: { readonly name?: string; readonly freed?: boolean } = {},
  ): bigint {
    const { tag } = this.#types.get(type) as { tag: string }
    const mask =
      options.name !== undefined ? NAME_INFO : ['Process', 'Thread', 'Token'].includes(type) ? QUOTA_INFO : 0
    const address = this.#allocate(bytes, tag, mask, options.freed !== true)
    this.#header(address, type, mask)
    if (options.name !== undefined) this.#name(address, options.name)
    return address
  }

  /** OBJECT_HEADER of a body. */
  headerOf(body: bigint): bigint {
    return body - BigInt(this.#builder.facts.offset('_OBJECT_HEADER.Body'))
  }

  #allocate(bytes: number, tag: string, mask: number, inUse = true): bigint {
    const { nonPaged, facts, build } = this.#builder
    const before = this.#before(mask) + facts.offset('_OBJECT_HEADER.Body')
    // the highest bit of a tag protected the block, up to 6.1
    const last = tag.charCodeAt(3) | (build < 9200 ? 0x80 : 0)
    const marked = `${tag.slice(0, 3)}${String.fromCharCode(last)}`
    return nonPaged.alloc(marked, before + bytes, inUse) + BigInt(before)
  }

  /** Bytes in front of the header. */
  #before(mask: number): number {
    const { facts, pointerBytes } = this.#builder
    if (mask === NAME_INFO) return align(facts.size('_OBJECT_HEADER_NAME_INFO'), pointerBytes * 2)
    return mask === QUOTA_INFO ? pointerBytes * 4 : 0
  }

  #header(body: bigint, type: string, mask: number): void {
    const builder = this.#builder
    const header = this.headerOf(body)
    const found = this.#types.get(type) as { address: bigint; index: number }
    builder.put(header, '_OBJECT_HEADER.PointerCount', 3)
    builder.put(header, '_OBJECT_HEADER.HandleCount', 1)
    if (!this.#indexed) {
      builder.put(header, '_OBJECT_HEADER.Type', found.address)
      if (mask === NAME_INFO) builder.put(header, '_OBJECT_HEADER.NameInfoOffset', this.#before(mask), 1)
      return
    }
    const mixed =
      this.#cookie === undefined ? found.index : found.index ^ this.#cookie ^ Number((header >> 8n) & 0xffn)
    builder.put(header, '_OBJECT_HEADER.TypeIndex', mixed, 1)
    builder.put(header, '_OBJECT_HEADER.InfoMask', mask, 1)
  }

  #name(body: bigint, name: string): void {
    const builder = this.#builder
    const info = this.headerOf(body) - BigInt(this.#before(NAME_INFO))
    builder.putString(builder.at(info, '_OBJECT_HEADER_NAME_INFO.Name'), name)
  }
}

function align(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}
