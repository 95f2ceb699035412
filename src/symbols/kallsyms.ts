/** Parsing the kernel's own symbol tables where their addresses are known: from VMCOREINFO (6.1 and later), or from a search. */
import { type ReadAt, viewOf } from './byte-reader.js'
import {
  addressesFromOffsets,
  addressesFromPointers,
  addressingOf,
  isKernelAddress,
} from './kallsyms-addresses.js'
import {
  type KallsymsAddressing,
  type KallsymsTables,
  MAX_SYMBOLS,
  MAX_TOKEN_BYTES,
  TOKEN_INDEX_BYTES,
} from './kallsyms-layout.js'
import { expandNames } from './kallsyms-names.js'
import { parseTokens } from './kallsyms-tokens.js'
import { PackedSymbols } from './packed-symbols.js'

/** names is no longer than that: 2 million names of 24 bytes. */
const MAX_COMPRESSED_BYTES = 48 << 20

/** What was parsed. */
export interface Kallsyms {
  /** In the tables' order, which is by address; without the modules' symbols. */
  readonly symbols: PackedSymbols
  readonly addressing: KallsymsAddressing
  /**
   * What the symbols' addresses are. `physical`: the tables are self-relative and were read by gpa; add the distance between the
   * image's gva and its gpa (`symbols.shifted(distance)`).
   */
  readonly space: 'virtual' | 'physical'
  /** As it stands in memory: KASLR applied. Absent for tables without one. */
  readonly relativeBase?: bigint
}

/**
 * Parses the tables. Undefined when they are not all in memory, or are no such tables: names must expand with a type letter each, and
 * addresses must ascend as one of the known kinds.
 */
export function parseKallsyms<A extends number | bigint>(
  read: ReadAt<A>,
  tables: KallsymsTables<A>,
  pointerBytes: 4 | 8,
): Kallsyms | undefined {
  const count = readCount(read, tables.numSyms)
  if (count === undefined) return undefined
  const addresses = readAddresses(read, tables, count, pointerBytes)
  if (addresses === undefined) return undefined
  const names = readNames(read, tables, count)
  if (names === undefined) return undefined
  const { columns, ...told } = addresses
  return { symbols: new PackedSymbols('kallsyms', { count, ...names, addresses: columns }), ...told }
}

/** kallsyms_num_syms; its low four bytes are enough where it is a pointer's size. */
function readCount<A extends number | bigint>(read: ReadAt<A>, at: A): number | undefined {
  const bytes = read(at, 4)
  const count = bytes === undefined ? 0 : viewOf(bytes).getUint32(0, true)
  return count > 0 && count <= MAX_SYMBOLS ? count : undefined
}

function readNames<A extends number | bigint>(read: ReadAt<A>, tables: KallsymsTables<A>, count: number) {
  const index = read(tables.tokenIndex, TOKEN_INDEX_BYTES)?.slice()
  const tokenBytes = distance(tables.tokenTable, tables.tokenIndex)
  if (index === undefined || !(tokenBytes > 0 && tokenBytes <= MAX_TOKEN_BYTES + 8)) return undefined
  const table = read(tables.tokenTable, tokenBytes)?.slice()
  const tokens = table === undefined ? undefined : parseTokens(table, index)
  if (tokens === undefined) return undefined
  // Nothing tells how long names is, but token_table always stands somewhere behind it.
  const room = distance(tables.names, tables.tokenTable)
  if (room <= 0) return undefined
  const compressed = read(tables.names, Math.min(room, MAX_COMPRESSED_BYTES))
  const names = compressed === undefined ? undefined : expandNames(compressed, count, tokens)
  return names === undefined ? undefined : { names: names.names, starts: names.starts, types: names.types }
}

function readAddresses<A extends number | bigint>(
  read: ReadAt<A>,
  tables: KallsymsTables<A>,
  count: number,
  pointerBytes: 4 | 8,
) {
  if (tables.addresses !== undefined) {
    const table = read(tables.addresses, count * pointerBytes)
    const columns = table === undefined ? undefined : addressesFromPointers(table, count, pointerBytes)
    return columns === undefined ? undefined : told(columns, 'absolute', 'virtual')
  }
  if (tables.offsets === undefined) return undefined
  const offsets = read(tables.offsets, count * 4)?.slice()
  if (offsets === undefined) return undefined
  const kind = addressingOf(offsets, count)
  if (kind === 'self-relative' && tables.relativeBase === undefined) {
    const space = typeof tables.offsets === 'bigint' ? 'virtual' : 'physical'
    return told(addressesFromOffsets(offsets, count, kind, BigInt(tables.offsets)), kind, space)
  }
  if (kind === undefined || kind === 'self-relative') return undefined
  if (tables.relativeBase === undefined) {
    // 32-bit kernels of 7.x: addresses as they are.
    const columns = pointerBytes === 4 ? addressesFromPointers(offsets, count, 4) : undefined
    return columns === undefined ? undefined : told(columns, 'absolute', 'virtual')
  }
  const bytes = read(tables.relativeBase, pointerBytes)
  if (bytes === undefined) return undefined
  const view = viewOf(bytes)
  const base = pointerBytes === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true))
  if (!isKernelAddress(base, pointerBytes)) return undefined
  // On 32 bits, a table of addresses whose last one is taken for the base ascends as well.
  const last = BigInt(viewOf(offsets).getUint32((count - 1) * 4, true))
  if (kind === 'base-relative' && base + last >= 1n << BigInt(pointerBytes * 8)) return undefined
  return { ...told(addressesFromOffsets(offsets, count, kind, base), kind, 'virtual'), relativeBase: base }
}

function told(columns: BigUint64Array, addressing: KallsymsAddressing, space: Kallsyms['space']) {
  return { columns, addressing, space }
}

function distance<A extends number | bigint>(from: A, to: A): number {
  return Number(BigInt(to) - BigInt(from))
}
