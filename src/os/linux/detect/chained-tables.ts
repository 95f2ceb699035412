/** Several tables as one: what the first doesn't know, the next is asked. */
import type { KernelSymbol, SymbolTable, TypeTable } from '../../../symbols/contract.js'

/**
 * Names out of several tables. Lists (`entries`, `nearest`, `size`) are the first table's that has any symbols; the others only add names
 * that can be asked for.
 */
export function chainSymbols(tables: readonly SymbolTable[]): SymbolTable {
  const main = tables.find(table => table.size > 0)
  return {
    source: main?.source ?? 'none',
    size: main?.size ?? 0,
    addressOf: name => firstOf(tables, table => table.addressOf(name)),
    all: name => tables.map(table => table.all(name)).find(found => found.length > 0) ?? [],
    nearest: address => main?.nearest(address),
    entries: () => main?.entries() ?? [],
  }
}

/** Layouts out of several tables; a structure may be pieced together from more than one. */
export function chainTypes(tables: readonly TypeTable[]): TypeTable {
  return {
    source: tables.map(table => table.source).join('+') || 'none',
    sizeOf: type => firstOf(tables, table => table.sizeOf(type)),
    member: (type, path) => firstOf(tables, table => table.member(type, path)),
    enumerator: name => firstOf(tables, table => table.enumerator(name)),
    members: type => firstOf(tables, table => table.members(type)),
  }
}

/** A few symbols that were found one by one. */
export function listedSymbols(source: string, symbols: readonly KernelSymbol[]): SymbolTable {
  const byName = new Map<string, KernelSymbol[]>()
  for (const symbol of symbols) byName.set(symbol.name, [...(byName.get(symbol.name) ?? []), symbol])
  return {
    source,
    // they are asked for by name only: what lies between them is not known
    size: 0,
    addressOf: name => byName.get(name)?.[0]?.address,
    all: name => byName.get(name) ?? [],
    nearest: () => undefined,
    entries: () => symbols,
  }
}

/** The same symbols `by` further on, modulo 2^64; those below `from` are no addresses of the image. */
export function movedSymbols(table: SymbolTable, by: bigint, from: bigint): SymbolTable {
  if (by === 0n) return table
  const move = (address: bigint) => (address < from ? address : BigInt.asUintN(64, address + by))
  const moved = (symbol: KernelSymbol): KernelSymbol => ({ ...symbol, address: move(symbol.address) })
  return {
    source: table.source,
    size: table.size,
    addressOf: name => {
      const address = table.addressOf(name)
      return address === undefined ? undefined : move(address)
    },
    all: name => table.all(name).map(moved),
    nearest: address => {
      const found = table.nearest(BigInt.asUintN(64, address - by))
      return found === undefined ? undefined : { symbol: moved(found.symbol), offset: found.offset }
    },
    *entries() {
      for (const symbol of table.entries()) yield moved(symbol)
    },
  }
}

function firstOf<T, R>(tables: readonly T[], ask: (table: T) => R | undefined): R | undefined {
  for (const table of tables) {
    const answer = ask(table)
    if (answer !== undefined) return answer
  }
  return undefined
}
