/** What a module exports: its array of `struct kernel_symbol` (include/linux/export-internal.h, kernel/module/kallsyms.c, is_exported). */
import type { VirtualMemory } from '../core/virtual-memory.js'
import { viewOf } from './byte-reader.js'
import type { TypeTable } from './contract.js'
import { numberAt, pointerAt } from './module-symbols.js'

const MAX_EXPORTS = 20_000
const MAX_NAME_BYTES = 512
/** Bytes of a `struct kernel_symbol`: three pointers. */
const MAX_ENTRY_BYTES = 64
/** Names that are exported to any module, with their addresses. Those for GPL modules only are not among them, as in the kernel. */
export function exportedSymbols(
  memory: VirtualMemory,
  types: TypeTable,
  module: bigint,
): Map<string, bigint> {
  const exported = new Map<string, bigint>()
  const bytes = types.sizeOf('kernel_symbol')
  if (bytes === undefined || bytes === 0) return exported
  const pointer = types.member('module', 'syms')
  const number = types.member('module', 'num_syms')
  if (pointer === undefined || number === undefined) return exported
  const start = pointerAt(memory, module + BigInt(pointer.offset))
  const count = Number(numberAt(memory, module + BigInt(number.offset)) ?? 0n)
  if (start === undefined || count > MAX_EXPORTS || bytes > MAX_ENTRY_BYTES) return exported
  const table = memory.read(start, count * bytes).bytes
  for (let i = 0; i < count; i++) {
    const value = reference(table, start, i * bytes, 'value', types, memory.pointerBytes)
    const name = reference(table, start, i * bytes, 'name', types, memory.pointerBytes)
    if (value !== undefined && name !== undefined) exported.set(stringAt(memory, name), value)
  }
  return exported
}

/** Where an entry's member points: `value` is a pointer, `value_offset` a distance from the member itself. */
function reference(
  table: Uint8Array,
  start: bigint,
  at: number,
  member: string,
  types: TypeTable,
  pointerBytes: 4 | 8,
): bigint | undefined {
  const view = viewOf(table)
  const relative = types.member('kernel_symbol', `${member}_offset`)
  if (relative !== undefined && at + relative.offset + 4 <= table.length) {
    const place = at + relative.offset
    return BigInt.asUintN(pointerBytes * 8, start + BigInt(place + view.getInt32(place, true)))
  }
  const pointer = types.member('kernel_symbol', member)
  if (pointer === undefined || at + pointer.offset + pointerBytes > table.length) return undefined
  const place = at + pointer.offset
  return pointerBytes === 8 ? view.getBigUint64(place, true) : BigInt(view.getUint32(place, true))
}

function stringAt(memory: VirtualMemory, va: bigint): string {
  const { bytes } = memory.read(va, MAX_NAME_BYTES)
  const end = bytes.indexOf(0)
  return Buffer.from(bytes.buffer, bytes.byteOffset, end < 0 ? bytes.length : end).toString('latin1')
}
