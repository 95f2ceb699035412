/** Objects of the kernel's: their headers in front of them, their types and names. */

import { structSpec } from '../struct/layout.js'
import type { StructReader } from '../struct/reader.js'
import type { WindowsKernel } from './kernel.js'
import { isAtLeast } from './layout/version.js'
import { presentBytes } from './pe/image.js'
import { unicodeAt } from './strings.js'

const HEADER = structSpec('_OBJECT_HEADER', {
  type: 'Type',
  typeIndex: 'TypeIndex',
  infoMask: 'InfoMask',
  nameInfo: 'NameInfoOffset',
  body: 'Body',
})

const FILE = structSpec('_FILE_OBJECT', { name: 'FileName' })

/** Bytes of the optional headers in the order in which they stand in front: creator, name (_OBJECT_HEADER_CREATOR_INFO, ...). */
const CREATOR_INFO_BIT = 1
const NAME_INFO_BIT = 2
const MAX_NAME_BYTES = 2048

/** Tells what objects are. */
export class ObjectReader {
  readonly #kernel: WindowsKernel
  readonly #reader: StructReader
  readonly #typeNames = new Map<bigint, string>()
  #cookie: number | undefined
  #askedCookie = false

  constructor(kernel: WindowsKernel, reader: StructReader) {
    this.#kernel = kernel
    this.#reader = reader
  }

  /** From a header to the object behind it. */
  bodyOf(header: bigint): bigint {
    return header + this.#bodyOffset
  }

  headerOf(body: bigint): bigint {
    return body - this.#bodyOffset
  }

  get #bodyOffset(): bigint {
    return BigInt(
      this.#reader.layout(HEADER).offset('body') ?? (this.#reader.pointerBytes === 8 ? 0x30 : 0x18),
    )
  }

  /** Name of the object's type, such as `Process`; undefined where it can't be told. */
  typeName(header: bigint): string | undefined {
    const type = this.#typeOf(header)
    if (type === undefined) return undefined
    const known = this.#typeNames.get(type)
    if (known !== undefined) return known
    const offset = this.#reader.types.member('_OBJECT_TYPE', 'Name')?.offset
    const name = offset === undefined ? undefined : unicodeAt(this.#kernel.memory, type + BigInt(offset))
    if (name === undefined || name === '' || name.length > 64) return undefined
    this.#typeNames.set(type, name)
    return name
  }

  /** The object's own name; of a file, its path. */
  name(header: bigint, type: string | undefined): string | undefined {
    if (type === 'File') {
      const file = this.#reader.record(FILE, this.bodyOf(header))
      const address = file?.addressOf('name')
      return address === undefined ? undefined : this.#text(address)
    }
    const info = this.#nameInfo(header)
    const offset = BigInt(this.#reader.pointerBytes)
    return info === undefined ? undefined : this.#text(info + offset)
  }

  #text(address: bigint): string | undefined {
    return unicodeAt(this.#kernel.memory, address, this.#reader.pointerBytes, MAX_NAME_BYTES) || undefined
  }

  #nameInfo(header: bigint): bigint | undefined {
    const record = this.#reader.record(HEADER, header)
    const mask = record?.number('infoMask')
    if (mask === undefined) {
      const back = record?.number('nameInfo')
      return back === undefined || back === 0 ? undefined : header - BigInt(back)
    }
    if ((mask & NAME_INFO_BIT) === 0) return undefined
    const wide = this.#reader.pointerBytes === 8
    const creator = (mask & CREATOR_INFO_BIT) === 0 ? 0 : wide ? 0x20 : 0x10
    return header - BigInt(creator + (wide ? 0x20 : 0x10))
  }

  #typeOf(header: bigint): bigint | undefined {
    const record = this.#reader.record(HEADER, header)
    const pointer = record?.link('type')
    if (pointer !== undefined) return this.#reader.isKernelAddress(pointer) ? pointer : undefined
    const index = record?.number('typeIndex')
    const table = this.#kernel.places.typeTable?.address
    const plain = index === undefined ? undefined : this.#plainIndex(index, header)
    // the first entries of the table are none
    if (plain === undefined || table === undefined || plain < 2) return undefined
    const type = this.#reader.pointer(table + BigInt(plain * this.#reader.pointerBytes))
    return type !== undefined && this.#reader.isKernelAddress(type) ? type : undefined
  }

  /** Windows 10 mixes the index with the header's address and a cookie; System's own header, whose type is known, tells the cookie. */
  #plainIndex(index: number, header: bigint): number | undefined {
    if (!isAtLeast(this.#kernel.version, 10, 0)) return index
    if (!this.#askedCookie) {
      this.#askedCookie = true
      this.#cookie = this.#readCookie()
    }
    return this.#cookie === undefined ? undefined : index ^ secondByte(header) ^ this.#cookie
  }

  #readCookie(): number | undefined {
    const system = this.#kernel.places.systemProcess?.address
    const variable = this.#kernel.symbols.addressOf('PsProcessType')
    const type = variable === undefined ? undefined : this.#reader.pointer(variable)
    const offset = this.#reader.types.member('_OBJECT_TYPE', 'Index')?.offset
    if (system === undefined || type === undefined || offset === undefined) return undefined
    const index = presentBytes(this.#kernel.memory, type + BigInt(offset), 1)?.[0]
    const header = this.headerOf(system)
    const mixed = this.#reader.record(HEADER, header)?.number('typeIndex')
    return index === undefined || mixed === undefined ? undefined : mixed ^ secondByte(header) ^ index
  }
}

function secondByte(address: bigint): number {
  return Number((address >> 8n) & 0xffn)
}
