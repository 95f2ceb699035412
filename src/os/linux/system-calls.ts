/** The kernel's tables of system calls. */

import type { StructReader } from '../struct/reader.js'
import type { LinuxKernel } from './kernel.js'
import { type Landmark, searchTable } from './landmark-search.js'

/** Names of the tables that there may be: native, 32-bit on 64-bit, x32. */
export const SYSTEM_CALL_TABLES = [
  'sys_call_table',
  'ia32_sys_call_table',
  'x32_sys_call_table',
  'compat_sys_call_table',
] as const

/** More than any kernel has. */
const MAX_CALLS = 1024

/** Numbers that never change (arch/x86/entry/syscalls, include/uapi/asm-generic/unistd.h), and their functions' names. */
const LANDMARKS = {
  x86_64: {
    prefix: '__x64_',
    calls: { read: 0, write: 1, close: 3, getpid: 39, kill: 62, mkdir: 83, getdents64: 217 },
  },
  i386: {
    prefix: '__ia32_',
    calls: { read: 3, write: 4, close: 6, getpid: 20, kill: 37, mkdir: 39, getdents64: 220 },
  },
  aarch64: {
    prefix: '__arm64_',
    calls: { read: 63, write: 64, close: 57, getpid: 172, kill: 129, mkdirat: 34, getdents64: 61 },
  },
} as const

/**
 * Where each system call of a table leads, by number; empty when the kernel has no such table. Its end is the next symbol. Where
 * kallsyms has functions only, `sys_call_table` is found by the functions it leads to.
 */
export function systemCalls(kernel: LinuxKernel, reader: StructReader, table: string): bigint[] {
  const start = kernel.symbols.addressOf(table)
  if (start === undefined) return table === 'sys_call_table' ? searchedCalls(kernel, reader) : []
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

/** The native table by content, up to the last word that leads to a system call. */
function searchedCalls(kernel: LinuxKernel, reader: StructReader): bigint[] {
  const start = searchTable(kernel, reader, landmarks(kernel, reader.pointerBytes), reader.pointerBytes)
  if (start === undefined) return []
  const words = reader.pointers(start, MAX_CALLS).map(word => word ?? 0n)
  const last = words.findLastIndex(word => isSystemCall(kernel, word))
  return words.slice(0, last + 1)
}

function landmarks(kernel: LinuxKernel, pointerBytes: 4 | 8): Landmark[] {
  const family =
    kernel.architecture === 'aarch64' ? 'aarch64' : kernel.architecture.startsWith('i386') ? 'i386' : 'x86_64'
  const { prefix, calls } = LANDMARKS[family]
  return Object.entries(calls).flatMap(([name, number]) => {
    const address =
      kernel.symbols.addressOf(`${prefix}sys_${name}`) ?? kernel.symbols.addressOf(`sys_${name}`)
    return address === undefined
      ? []
      : [{ offset: number * pointerBytes, bytes: wordBytes(address, pointerBytes) }]
  })
}

function isSystemCall(kernel: LinuxKernel, address: bigint): boolean {
  const near = kernel.symbols.nearest(address)
  return near?.offset === 0 && /(?:^|_)sys_/.test(near.symbol.name)
}

function wordBytes(value: bigint, bytes: 4 | 8): Buffer {
  const word = Buffer.alloc(bytes)
  if (bytes === 8) word.writeBigUInt64LE(value)
  else word.writeUInt32LE(Number(value))
  return word
}
