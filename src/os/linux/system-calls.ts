/** The kernel's tables of system calls. */
import type { LinuxKernel } from './kernel.js'
import type { StructReader } from './struct/reader.js'

/** Names of the tables that there may be: native, 32-bit on 64-bit, x32. */
export const SYSTEM_CALL_TABLES = [
  'sys_call_table',
  'ia32_sys_call_table',
  'x32_sys_call_table',
  'compat_sys_call_table',
] as const

/** More than any kernel has. */
const MAX_CALLS = 1024

/** Where each system call of a table leads, by number; empty when the kernel has no such table. Its end is the next symbol. */
export function systemCalls(kernel: LinuxKernel, reader: StructReader, table: string): bigint[] {
  const start = kernel.symbols.addressOf(table)
  if (start === undefined) return []
  const calls: bigint[] = []
  for (const [index, call] of reader.pointers(start, MAX_CALLS).entries()) {
    const at: bigint = start + BigInt(index * reader.pointerBytes)
    if (call === undefined || kernel.symbols.nearest(at)?.symbol.address !== start) break
    calls.push(call)
  }
  // what fills the space up to the next symbol
  while (calls.at(-1) === 0n) calls.pop()
  return calls
}
