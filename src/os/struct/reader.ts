/** Typed reads of a kernel's structures. */
import type { VirtualMemory, VirtualRead } from '../../core/virtual-memory.js'
import type { TypeTable } from '../../symbols/contract.js'
import { Layout, type StructSpec } from './layout.js'
import { cString, StructRecord } from './record.js'

/** What a reader needs of a kernel. */
export interface ReadableKernel {
  readonly memory: VirtualMemory
  readonly types: TypeTable
}

const TEXT_CHUNK_BYTES = 256

/** What was resolved of each type table, for every reader of it. */
const LAYOUTS = new WeakMap<TypeTable, Map<StructSpec<string>, Layout<string>>>()

function layoutsOf(types: TypeTable): Map<StructSpec<string>, Layout<string>> {
  const known = LAYOUTS.get(types)
  if (known !== undefined) return known
  const layouts = new Map<StructSpec<string>, Layout<string>>()
  LAYOUTS.set(types, layouts)
  return layouts
}

/** Reads structures, pointers and strings; a structure is read once, and its members picked from the bytes. Nothing throws for what a guest holds. */
export class StructReader {
  readonly memory: VirtualMemory
  readonly types: TypeTable
  readonly pointerBytes: 4 | 8
  /** Lowest address that is the kernel's: below it is user space, on every architecture handled here. */
  readonly kernelStart: bigint
  /** Highest address. */
  readonly lastAddress: bigint
  readonly #layouts: Map<StructSpec<string>, Layout<string>>

  constructor(kernel: ReadableKernel) {
    this.memory = kernel.memory
    this.types = kernel.types
    this.#layouts = layoutsOf(kernel.types)
    this.pointerBytes = kernel.memory.pointerBytes
    // 32-bit kernels may be split at 1, 2 or 3 GiB; 64-bit ones always have the top bit set
    this.kernelStart = this.pointerBytes === 8 ? 1n << 63n : 1n << 30n
    this.lastAddress = this.pointerBytes === 8 ? (1n << 64n) - 1n : (1n << 32n) - 1n
  }

  /** The spec resolved against this kernel's types; kept. */
  layout<K extends string>(spec: StructSpec<K>): Layout<K> {
    const known = this.#layouts.get(spec as StructSpec<string>)
    if (known !== undefined) return known as Layout<K>
    const layout = new Layout(spec, this.types)
    this.#layouts.set(spec as StructSpec<string>, layout as Layout<string>)
    return layout
  }

  /**
   * Reads a structure: only the bytes from its first to its last wanted member. Undefined when the address is none of the
   * kernel's, no byte is there, or this kernel has none of the members.
   */
  record<K extends string>(spec: StructSpec<K>, address: bigint): StructRecord<K> | undefined {
    const layout = this.layout(spec)
    if (layout.spanBytes === 0 || !this.isKernelAddress(address)) return undefined
    const start = address + BigInt(layout.spanOffset)
    const read = this.memory.read(start, layout.spanBytes)
    const absent: number[] = []
    let missing = 0
    for (const hole of read.absent) {
      const at = Number(hole.va - start)
      absent.push(at, at + hole.length)
      missing += hole.length
    }
    if (missing >= layout.spanBytes) return undefined
    return new StructRecord(layout, address, read.bytes, absent, this.pointerBytes)
  }

  /** `container_of`: the structure that holds the member at `address`. Undefined when this kernel lacks the member. */
  container<K extends string>(spec: StructSpec<K>, name: K, address: bigint): bigint | undefined {
    const offset = this.layout(spec).offset(name)
    return offset === undefined ? undefined : address - BigInt(offset)
  }

  /** Whether a pointer can be the kernel's: not NULL, not user space, not beyond the last address. */
  isKernelAddress(address: bigint): boolean {
    return address >= this.kernelStart && address <= this.lastAddress
  }

  /** Bytes, all of them there; undefined otherwise. `length` ≤ 64 MiB. */
  bytes(address: bigint, length: number): Uint8Array | undefined {
    if (address < 0n || address > this.lastAddress) return undefined
    const read = this.memory.read(address, length)
    return read.absent.length === 0 ? read.bytes : undefined
  }

  pointer(address: bigint): bigint | undefined {
    const bytes = this.bytes(address, this.pointerBytes)
    if (bytes === undefined) return undefined
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return this.pointerBytes === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true))
  }

  /** `count` pointers one behind the other, at most 1 Mi of them; absent ones are undefined. */
  pointers(address: bigint, count: number): readonly (bigint | undefined)[] {
    const width = this.pointerBytes
    // a hostile type table tells arrays that are no whole number of pointers long
    const bounded = Math.floor(Math.min(count, 2 ** 20))
    if (bounded <= 0 || address < 0n || address > this.lastAddress) return []
    const read = this.memory.read(address, bounded * width)
    const view = new DataView(read.bytes.buffer, read.bytes.byteOffset, read.bytes.byteLength)
    const values: (bigint | undefined)[] = []
    for (let i = 0; i < bounded; i++)
      values.push(width === 8 ? view.getBigUint64(i * 8, true) : BigInt(view.getUint32(i * 4, true)))
    for (const hole of read.absent) {
      const from = Number(hole.va - address)
      values.fill(undefined, Math.floor(from / width), Math.ceil((from + hole.length) / width))
    }
    return values
  }

  u32(address: bigint): number | undefined {
    const bytes = this.bytes(address, 4)
    return bytes === undefined
      ? undefined
      : new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true)
  }

  u64(address: bigint): bigint | undefined {
    const bytes = this.bytes(address, 8)
    return bytes === undefined
      ? undefined
      : new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true)
  }

  /** A C string of the kernel's, cut at `maxBytes`. Undefined when its first byte is absent. */
  text(address: bigint, maxBytes = 4096): string | undefined {
    if (!this.isKernelAddress(address)) return undefined
    const parts: Uint8Array[] = []
    for (let done = 0; done < maxBytes; ) {
      const length = Math.min(TEXT_CHUNK_BYTES, maxBytes - done)
      const va = address + BigInt(done)
      const part = presentHead(this.memory.read(va, length), va)
      const end = part.indexOf(0)
      parts.push(end < 0 ? part : part.subarray(0, end))
      if (end >= 0 || part.length < length) break
      done += length
    }
    const bytes = Buffer.concat(parts)
    return bytes.length === 0 && this.bytes(address, 1) === undefined ? undefined : cString(bytes)
  }
}

/** The bytes before the first absent one, of a read at `va`. */
export function presentHead(read: VirtualRead, va: bigint): Uint8Array {
  const first = read.absent[0]
  return first === undefined ? read.bytes : read.bytes.subarray(0, Number(first.va - va))
}
