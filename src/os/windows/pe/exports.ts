/** The export table of an image in memory as symbols: names to addresses, with nobody's profile. */
import type { VirtualMemory } from '../../../core/virtual-memory.js'
import type { PackedSymbols } from '../../../symbols/packed-symbols.js'
import { SymbolPacker } from '../../../symbols/symbol-packer.js'
import { type PeImage, presentBytes } from './image.js'

/** What an image exports. */
export interface Exports {
  /** The image's own name, such as `ntoskrnl.exe`. */
  readonly imageName: string
  readonly symbols: PackedSymbols
  /** Names that lead to another image, or outside this one: left out. */
  readonly leftOut: number
}

/** No image comes near these. */
const MAX_NAMES = 1 << 16
const MAX_NAME_BYTES = 512
const MAX_DIRECTORY_BYTES = 8 << 20

/** The exports by name; undefined where the table is not in memory, or no table. Entries that can't be are left out. */
export function readExports(memory: VirtualMemory, pe: PeImage): Exports | undefined {
  const range = pe.exports
  if (range === undefined || range.bytes < 40 || range.bytes > MAX_DIRECTORY_BYTES) return undefined
  return new ExportReader(memory, pe, range.rva, range.bytes).read()
}

class ExportReader {
  readonly #memory: VirtualMemory
  readonly #pe: PeImage
  readonly #rva: number
  readonly #bytes: Buffer
  /** Offsets in `#bytes` of what is absent, as pairs. */
  readonly #holes: readonly (readonly [number, number])[]

  constructor(memory: VirtualMemory, pe: PeImage, rva: number, length: number) {
    this.#memory = memory
    this.#pe = pe
    this.#rva = rva
    const start = pe.base + BigInt(rva)
    const { bytes, absent } = memory.read(start, length)
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#holes = absent.map(hole => [Number(hole.va - start), Number(hole.va - start) + hole.length])
  }

  read(): Exports | undefined {
    const head = this.#at(this.#rva, 40)
    if (head === undefined) return undefined
    const imageName = this.#text(head.readUInt32LE(12))
    const functions = head.readUInt32LE(20)
    const names = Math.min(head.readUInt32LE(24), MAX_NAMES)
    const addresses = this.#at(head.readUInt32LE(28), Math.min(functions, MAX_NAMES) * 4)
    const nameTable = this.#at(head.readUInt32LE(32), names * 4)
    const ordinals = this.#at(head.readUInt32LE(36), names * 2)
    if (imageName === undefined || addresses === undefined) return undefined
    if (nameTable === undefined || ordinals === undefined) return undefined
    const packer = new SymbolPacker()
    let leftOut = 0
    for (let i = 0; i < names; i++) {
      const name = this.#text(nameTable.readUInt32LE(i * 4))
      const ordinal = ordinals.readUInt16LE(i * 2)
      const rva = ordinal * 4 + 4 <= addresses.length ? addresses.readUInt32LE(ordinal * 4) : 0
      if (name === undefined || name === '' || !this.#isPlace(rva)) leftOut++
      else packer.add({ name, address: this.#pe.base + BigInt(rva) })
    }
    return { imageName, symbols: packer.finish('exports'), leftOut }
  }

  /** Inside the image, and no forwarder, whose address is a text in the directory. */
  #isPlace(rva: number): boolean {
    if (rva === 0 || rva >= this.#pe.sizeBytes) return false
    return rva < this.#rva || rva >= this.#rva + this.#bytes.length
  }

  #at(rva: number, length: number): Buffer | undefined {
    if (length <= 0 || rva <= 0 || rva + length > this.#pe.sizeBytes) return undefined
    const from = rva - this.#rva
    if (from < 0 || from + length > this.#bytes.length)
      return presentBytes(this.#memory, this.#pe.base + BigInt(rva), length)
    const absent = this.#holes.some(([start, end]) => start < from + length && end > from)
    return absent ? undefined : this.#bytes.subarray(from, from + length)
  }

  #text(rva: number): string | undefined {
    const from = rva - this.#rva
    if (from < 0 || from >= this.#bytes.length) return undefined
    const end = this.#bytes.indexOf(0, from)
    if (end < 0 || end - from > MAX_NAME_BYTES) return undefined
    return this.#at(rva, end - from + 1)?.toString('latin1', 0, end - from)
  }
}
