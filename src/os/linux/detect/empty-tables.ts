/** Tables of a kernel that has none: every question is answered with absence. */
import type { Provenance, SymbolTable, TypeTable } from '../../../symbols/contract.js'

/** No symbols. */
export function emptySymbols(source: Provenance): SymbolTable {
  return {
    source,
    size: 0,
    addressOf: () => undefined,
    all: () => [],
    nearest: () => undefined,
    entries: () => [],
  }
}

/** No types. */
export function emptyTypes(source: Provenance): TypeTable {
  return {
    source,
    sizeOf: () => undefined,
    member: () => undefined,
    enumerator: () => undefined,
    members: () => undefined,
  }
}
