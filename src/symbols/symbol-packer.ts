/** Gathers symbols one by one into columns. */
import type { KernelSymbol, Provenance } from './contract.js'
import { PackedSymbols, type SymbolColumns } from './packed-symbols.js'

/** Modules a table can name. */
const MAX_MODULES = 0xffff
/** Bytes of names in all: a file of nothing but symbols isn't larger. */
const MAX_NAME_BYTES = 2 ** 31

/** Builds a `PackedSymbols`; rows keep the order in which they are added. */
export class SymbolPacker {
  #count = 0
  #used = 0
  #names = new Uint8Array(1 << 16)
  #starts = new Uint32Array(1 << 12)
  #types = new Uint8Array(1 << 12)
  #addresses = new BigUint64Array(1 << 12)
  #modules: Uint16Array | undefined
  readonly #moduleNames: string[] = []
  readonly #moduleRows = new Map<string, number>()

  get count(): number {
    return this.#count
  }

  /** Adds a symbol. Characters beyond latin1 are cut: no kernel has them. */
  add(symbol: KernelSymbol): void {
    const { name } = symbol
    this.#grow(name.length)
    for (let i = 0; i < name.length; i++) this.#names[this.#used + i] = name.charCodeAt(i)
    this.#close(name.length, symbol.address, symbol.type?.charCodeAt(0) ?? 0, symbol.module)
  }

  /** Adds a symbol whose name is `bytes[start, end)`. */
  addBytes(
    bytes: Uint8Array,
    start: number,
    end: number,
    address: bigint,
    type: number,
    module?: string,
  ): void {
    this.#grow(end - start)
    for (let i = start; i < end; i++) this.#names[this.#used + i - start] = bytes[i] as number
    this.#close(end - start, address, type, module)
  }

  /** The table of what was added. */
  finish(source: Provenance): PackedSymbols {
    const count = this.#count
    const columns: SymbolColumns = {
      count,
      names: this.#names.slice(0, this.#used),
      starts: this.#starts.slice(0, count + 1),
      types: this.#types.slice(0, count),
      addresses: this.#addresses.slice(0, count),
      ...(this.#modules === undefined
        ? {}
        : { modules: this.#modules.slice(0, count), moduleNames: [...this.#moduleNames] }),
    }
    return new PackedSymbols(source, columns)
  }

  #close(length: number, address: bigint, type: number, module: string | undefined): void {
    const row = this.#count++
    this.#used += length
    this.#starts[row + 1] = this.#used
    this.#addresses[row] = address
    this.#types[row] = type
    if (module === undefined) return
    this.#modules ??= new Uint16Array(this.#types.length)
    let index = this.#moduleRows.get(module)
    if (index === undefined && this.#moduleNames.length < MAX_MODULES) {
      index = this.#moduleNames.push(module)
      this.#moduleRows.set(module, index)
    }
    this.#modules[row] = index ?? 0
  }

  #grow(nameBytes: number): void {
    if (this.#used + nameBytes > this.#names.length && this.#used + nameBytes < MAX_NAME_BYTES) {
      const names = new Uint8Array(Math.max(this.#names.length * 2, this.#used + nameBytes))
      names.set(this.#names)
      this.#names = names
    }
    const rows = this.#types.length
    if (this.#count + 1 < rows) return
    const starts = new Uint32Array(rows * 2)
    starts.set(this.#starts)
    this.#starts = starts
    const types = new Uint8Array(rows * 2)
    types.set(this.#types)
    this.#types = types
    const addresses = new BigUint64Array(rows * 2)
    addresses.set(this.#addresses)
    this.#addresses = addresses
    if (this.#modules === undefined) return
    const modules = new Uint16Array(rows * 2)
    modules.set(this.#modules)
    this.#modules = modules
  }
}

/** A table of these symbols, in their order. */
export function packSymbols(source: Provenance, symbols: Iterable<KernelSymbol>): PackedSymbols {
  const packer = new SymbolPacker()
  for (const symbol of symbols) packer.add(symbol)
  return packer.finish(source)
}

/** The kernel's own symbols with its modules' behind them, as /proc/kallsyms prints them. */
export function joinSymbols(kernel: PackedSymbols, others: readonly KernelSymbol[]): PackedSymbols {
  if (others.length === 0) return kernel
  const packer = new SymbolPacker()
  const { names, starts, types, addresses, count } = kernel.columns
  for (let row = 0; row < count; row++) {
    const module = kernel.moduleAt(row)
    packer.addBytes(
      names,
      starts[row] ?? 0,
      starts[row + 1] ?? 0,
      addresses[row] ?? 0n,
      types[row] ?? 0,
      module,
    )
  }
  for (const symbol of others) packer.add(symbol)
  return packer.finish(kernel.source)
}
