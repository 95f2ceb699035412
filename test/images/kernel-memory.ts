/** Writers of kernel structures: sparse virtual memory, layouts and symbols, for guests that no real kernel would make. */
import type { Absent, VirtualMemory, VirtualRead } from '../../src/core/virtual-memory.js'
import type { Member, SymbolTable, TypeTable } from '../../src/symbols/contract.js'
import { packSymbols } from '../../src/symbols/symbol-packer.js'

const PAGE = 4096n

/** Virtual memory of which only the written pages are there. */
export class KernelMemory implements VirtualMemory {
  readonly pointerBytes: 4 | 8
  readonly #pages = new Map<bigint, Uint8Array>()
  /** Reads so far: what a walk costs. */
  reads = 0

  constructor(pointerBytes: 4 | 8 = 8) {
    this.pointerBytes = pointerBytes
  }

  write(va: bigint, bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) {
      const at = va + BigInt(i)
      const page = this.#pages.get(at / PAGE) ?? new Uint8Array(Number(PAGE))
      this.#pages.set(at / PAGE, page)
      page[Number(at % PAGE)] = bytes[i] as number
    }
  }

  number(va: bigint, value: number | bigint, bytes: number): void {
    const out = new Uint8Array(bytes)
    let rest = BigInt.asUintN(64, BigInt(value))
    for (let i = 0; i < bytes; i++, rest >>= 8n) out[i] = Number(rest & 0xffn)
    this.write(va, out)
  }

  pointer(va: bigint, value: bigint): void {
    this.number(va, value, this.pointerBytes)
  }

  text(va: bigint, text: string): void {
    this.write(va, Buffer.from(`${text}\0`, 'utf8'))
  }

  /** A ring of `list_head`s: the head, then the nodes. */
  ring(head: bigint, nodes: readonly bigint[]): void {
    const all = [head, ...nodes]
    all.forEach((node, i) => {
      this.pointer(node, all[(i + 1) % all.length] as bigint)
      this.pointer(node + BigInt(this.pointerBytes), all[(i + all.length - 1) % all.length] as bigint)
    })
  }

  read(va: bigint, length: number): VirtualRead {
    this.reads++
    const bytes = new Uint8Array(length)
    const absent: Absent[] = []
    for (let done = 0; done < length; ) {
      const at = va + BigInt(done)
      const inPage = Number(at % PAGE)
      const part = Math.min(length - done, Number(PAGE) - inPage)
      const page = this.#pages.get(at / PAGE)
      if (page !== undefined) bytes.set(page.subarray(inPage, inPage + part), done)
      else absent.push({ va: at, length: part, reason: 'not-present' })
      done += part
    }
    return { bytes, absent }
  }
}

/** A structure: its size, and where its members stand as `[offset, bytes]`; paths like `f_path.dentry` are names of their own. */
export interface StructLayout {
  readonly bytes: number
  readonly members: Readonly<Record<string, readonly [offset: number, bytes: number]>>
}

/** A type table with just these structures. */
export function typesOf(structs: Readonly<Record<string, StructLayout>>): TypeTable {
  const member = (type: string, path: string): Member | undefined => {
    const place = structs[type]?.members[path]
    return place === undefined ? undefined : { offset: place[0], bytes: place[1] }
  }
  return {
    source: 'made up',
    sizeOf: type => structs[type]?.bytes,
    member,
    enumerator: () => undefined,
    members: type => (structs[type] === undefined ? undefined : Object.keys(structs[type].members)),
  }
}

/** A symbol table with just these names. */
export function symbolsOf(symbols: Readonly<Record<string, bigint>>): SymbolTable {
  const entries = Object.entries(symbols).map(([name, address]) => ({ name, address, type: 'D' }))
  return packSymbols('made up', entries)
}
