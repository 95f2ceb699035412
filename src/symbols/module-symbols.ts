/**
 * Symbols of a loaded module, from its own tables (kernel/module/kallsyms.c): an ELF symbol table, its strings, and a type letter each.
 * Exported ones have a capital letter, as /proc/kallsyms prints them.
 */
import type { VirtualMemory } from '../core/virtual-memory.js'
import { viewOf } from './byte-reader.js'
import type { KernelSymbol, TypeTable } from './contract.js'
import { exportedSymbols } from './module-exports.js'

/** The largest modules (amdgpu, i915) have about 30 000. */
const MAX_MODULE_SYMBOLS = 200_000
const MAX_STRING_BYTES = 16 << 20
/** KSYM_NAME_LEN with its NUL. */
const MAX_NAME_BYTES = 512
/** MODULE_NAME_LEN, less than a pointer below 64. */
const MAX_MODULE_NAME_BYTES = 64

/** Where the tables lie. */
interface SymbolTables {
  readonly symtab: bigint
  readonly count: number
  readonly strtab: bigint
  /** Absent before 5.2: the letter then stands in each symbol's st_info. */
  readonly typetab: bigint | undefined
}

/**
 * Symbols of the `struct module` at `module`, in the table's order, those without a name left out; empty when its members are not known,
 * or its tables are not in memory.
 */
export function moduleSymbols(memory: VirtualMemory, types: TypeTable, module: bigint): KernelSymbol[] {
  const tables = tablesOf(memory, types, module)
  if (tables === undefined) return []
  const wide = memory.pointerBytes === 8
  const bytes = wide ? 24 : 16
  const table = memory.read(tables.symtab, tables.count * bytes).bytes
  const view = viewOf(table)
  let last = 0
  for (let i = 0; i < tables.count; i++) last = Math.max(last, view.getUint32(i * bytes, true))
  const strings = memory.read(tables.strtab, Math.min(last + MAX_NAME_BYTES, MAX_STRING_BYTES)).bytes
  const letters = tables.typetab === undefined ? undefined : memory.read(tables.typetab, tables.count).bytes
  const name = moduleName(memory, types, module)
  const exported = exportedSymbols(memory, types, module)
  const symbols: KernelSymbol[] = []
  for (let i = 0; i < tables.count; i++) {
    const at = i * bytes
    const symbol = text(strings, view.getUint32(at, true), MAX_NAME_BYTES)
    if (symbol === '') continue
    const address = wide ? view.getBigUint64(at + 8, true) : BigInt(view.getUint32(at + 4, true))
    const letter = String.fromCharCode(letters?.[i] ?? view.getUint8(at + (wide ? 4 : 12)))
    const type = exported.get(symbol) === address ? letter.toUpperCase() : letter.toLowerCase()
    symbols.push({ name: symbol, address, type, module: name })
  }
  return symbols
}

/** Its members were the module's own up to 4.4, and stand in a structure that `kallsyms` points to since. */
function tablesOf(memory: VirtualMemory, types: TypeTable, module: bigint): SymbolTables | undefined {
  const nested = types.member('module', 'kallsyms')
  const start = nested === undefined ? module : pointerAt(memory, module + BigInt(nested.offset))
  const owner = nested === undefined ? 'module' : (nested.typeName ?? 'mod_kallsyms')
  const field = (name: string): bigint | undefined => {
    const member = types.member(owner, name)
    if (member === undefined || start === undefined) return undefined
    return member.bytes === 4
      ? numberAt(memory, start + BigInt(member.offset))
      : pointerAt(memory, start + BigInt(member.offset))
  }
  const symtab = field('symtab')
  const strtab = field('strtab')
  const count = Number(field('num_symtab') ?? 0n)
  if (symtab === undefined || strtab === undefined) return undefined
  return count > 0 && count <= MAX_MODULE_SYMBOLS
    ? { symtab, strtab, count, typetab: field('typetab') }
    : undefined
}

function moduleName(memory: VirtualMemory, types: TypeTable, module: bigint): string {
  const member = types.member('module', 'name')
  if (member === undefined) return ''
  const length = Math.min(member.bytes, MAX_MODULE_NAME_BYTES)
  return text(memory.read(module + BigInt(member.offset), length).bytes, 0, length)
}

/** A C string; empty when it starts beyond the bytes. */
function text(bytes: Uint8Array, start: number, most: number): string {
  const end = bytes.subarray(0, start + most).indexOf(0, start)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(
    'latin1',
    start,
    end < 0 ? start + most : end,
  )
}

/** A pointer that is in memory and not null. */
export function pointerAt(memory: VirtualMemory, va: bigint): bigint | undefined {
  const { bytes, absent } = memory.read(va, memory.pointerBytes)
  if (absent.length > 0) return undefined
  const view = viewOf(bytes)
  const pointer = memory.pointerBytes === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true))
  return pointer === 0n ? undefined : pointer
}

/** A 32-bit number that is in memory. */
export function numberAt(memory: VirtualMemory, va: bigint): bigint | undefined {
  const { bytes, absent } = memory.read(va, 4)
  return absent.length > 0 ? undefined : BigInt(viewOf(bytes).getUint32(0, true))
}
