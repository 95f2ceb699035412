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
/** How far behind the kernel's text its constants are looked for. */
const MAX_RODATA_BYTES = 32 << 20

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
/** So many of them must stand where they belong: a few may have been changed. */
const MIN_LANDMARKS = 4
/** Places tried of each. */
const MAX_PLACES = 4096

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

/** The native table by content: the place on which most landmarks agree, up to the last word that leads to a system call. */
function searchedCalls(kernel: LinuxKernel, reader: StructReader): bigint[] {
  const end = kernel.symbols.addressOf('_etext')
  if (end === undefined) return []
  const from = end - (end % BigInt(reader.pointerBytes))
  const { bytes } = reader.memory.read(from, MAX_RODATA_BYTES)
  const memory = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const votes = new Map<number, number>()
  for (const { number, address } of landmarks(kernel)) {
    const word = wordBytes(address, reader.pointerBytes)
    let left = MAX_PLACES
    for (let at = memory.indexOf(word); at >= 0 && left-- > 0; at = memory.indexOf(word, at + 1)) {
      const start = at - number * reader.pointerBytes
      if (start >= 0 && at % reader.pointerBytes === 0) votes.set(start, (votes.get(start) ?? 0) + 1)
    }
  }
  const [best, count] = [...votes].reduce((one, other) => (other[1] > one[1] ? other : one), [-1, 0])
  if (count < MIN_LANDMARKS) return []
  const words = reader.pointers(from + BigInt(best), MAX_CALLS).map(word => word ?? 0n)
  const last = words.findLastIndex(word => isSystemCall(kernel, word))
  return words.slice(0, last + 1)
}

function landmarks(kernel: LinuxKernel): { readonly number: number; readonly address: bigint }[] {
  const family =
    kernel.architecture === 'aarch64' ? 'aarch64' : kernel.architecture.startsWith('i386') ? 'i386' : 'x86_64'
  const { prefix, calls } = LANDMARKS[family]
  return Object.entries(calls).flatMap(([name, number]) => {
    const address =
      kernel.symbols.addressOf(`${prefix}sys_${name}`) ?? kernel.symbols.addressOf(`sys_${name}`)
    return address === undefined ? [] : [{ number, address }]
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
