/**
 * Symbols in typed arrays: 200 000 of them as objects cost 30 MB and 100 ms, as columns 6 MB and almost nothing.
 * Objects are made when they are asked for.
 */
import type { KernelSymbol, Provenance, SymbolTable } from './contract.js'
import { NameIndex } from './name-index.js'

/** Columns of a symbol table; row i is the source's i-th symbol. Plain data that crosses threads. */
export interface SymbolColumns {
  readonly count: number
  /** All names one after the other, latin1, without ends. */
  readonly names: Uint8Array
  /** Where each name starts; one more than there are symbols. */
  readonly starts: Uint32Array
  readonly addresses: BigUint64Array
  /** Type letters, 0 for none. */
  readonly types: Uint8Array
  /** 0 for the kernel, else 1 + index into `moduleNames`; absent when all are the kernel's. */
  readonly modules?: Uint16Array
  readonly moduleNames?: readonly string[]
}

/** A symbol table over columns. */
export class PackedSymbols implements SymbolTable {
  readonly source: Provenance
  readonly columns: SymbolColumns
  #index: NameIndex | undefined
  #order: Uint32Array | undefined

  constructor(source: Provenance, columns: SymbolColumns) {
    this.source = source
    this.columns = columns
  }

  get size(): number {
    return this.columns.count
  }

  addressOf(name: string): bigint | undefined {
    const row = this.#names().first(name)
    return row === undefined ? undefined : this.columns.addresses[row]
  }

  all(name: string): readonly KernelSymbol[] {
    return this.#names()
      .rows(name)
      .map(row => this.symbolAt(row))
  }

  nearest(address: bigint): { readonly symbol: KernelSymbol; readonly offset: number } | undefined {
    const { addresses, count } = this.columns
    const order = this.#ascending()
    let low = 0
    let high = count
    while (low < high) {
      const middle = (low + high) >>> 1
      const value = addresses[order?.[middle] ?? middle] ?? 0n
      if (value <= address) low = middle + 1
      else high = middle
    }
    if (low === 0) return undefined
    const symbol = this.symbolAt(order?.[low - 1] ?? low - 1)
    return { symbol, offset: Number(address - symbol.address) }
  }

  *entries(): Iterable<KernelSymbol> {
    for (let row = 0; row < this.columns.count; row++) yield this.symbolAt(row)
  }

  /** The symbol of a row below `size`. */
  symbolAt(row: number): KernelSymbol {
    const { addresses, types } = this.columns
    const type = types[row] ?? 0
    const module = this.moduleAt(row)
    return {
      name: this.#nameAt(row),
      address: addresses[row] ?? 0n,
      ...(type === 0 ? {} : { type: String.fromCharCode(type) }),
      ...(module === undefined ? {} : { module }),
    }
  }

  /** Module of a row below `size`; undefined for the kernel's own. */
  moduleAt(row: number): string | undefined {
    return this.columns.moduleNames?.[(this.columns.modules?.[row] ?? 0) - 1]
  }

  /** The same symbols, moved: what lies at or above `from` (default: all) has `by` added, modulo 2^64. */
  shifted(by: bigint, from = 0n): PackedSymbols {
    if (by === 0n) return this
    const addresses = this.columns.addresses.map(address => (address >= from ? address + by : address))
    return new PackedSymbols(this.source, { ...this.columns, addresses })
  }

  #nameAt(row: number): string {
    const { names, starts } = this.columns
    const start = starts[row] ?? 0
    const end = starts[row + 1] ?? start
    return Buffer.from(names.buffer, names.byteOffset + start, end - start).toString('latin1')
  }

  #names(): NameIndex {
    this.#index ??= new NameIndex(this.columns.names, this.columns.starts, this.columns.count)
    return this.#index
  }

  /** Rows by address; undefined when they are in that order already. */
  #ascending(): Uint32Array | undefined {
    if (this.#order !== undefined) return this.#order.length === 0 ? undefined : this.#order
    const { addresses, count } = this.columns
    let sorted = true
    for (let i = 1; i < count && sorted; i++) sorted = (addresses[i - 1] ?? 0n) <= (addresses[i] ?? 0n)
    this.#order = sorted ? new Uint32Array(0) : sortedRows(addresses, count)
    return sorted ? undefined : this.#order
  }
}

function sortedRows(addresses: BigUint64Array, count: number): Uint32Array {
  const rows = new Uint32Array(count)
  for (let i = 0; i < count; i++) rows[i] = i
  return rows.sort((a, b) => {
    const x = addresses[a] ?? 0n
    const y = addresses[b] ?? 0n
    return x < y ? -1 : x > y ? 1 : a - b
  })
}
