/** CONTEXT records of Windows, as its dumps carry them (winnt.h, one structure for each architecture). */

/** Which fields are filled in: CONTEXT_CONTROL, CONTEXT_INTEGER, CONTEXT_SEGMENTS, of every architecture. */
const CONTROL = 1
const INTEGER = 2
const SEGMENTS = 4
/** `PAGE`: ContextFlags that were never written. */
const FILLER = 0x45474150

type Field = readonly [name: string, offset: number, bytes: 2 | 4 | 8, part: number]

const X86: readonly Field[] = [
  ...['gs', 'fs', 'es', 'ds'].map((name, i): Field => [name, 0x8c + i * 4, 2, SEGMENTS]),
  ...['edi', 'esi', 'ebx', 'edx', 'ecx', 'eax'].map((name, i): Field => [name, 0x9c + i * 4, 4, INTEGER]),
  ['ebp', 0xb4, 4, CONTROL],
  ['eip', 0xb8, 4, CONTROL],
  ['cs', 0xbc, 2, CONTROL],
  ['eflags', 0xc0, 4, CONTROL],
  ['esp', 0xc4, 4, CONTROL],
  ['ss', 0xc8, 2, CONTROL],
]

const AMD64: readonly Field[] = [
  ['cs', 0x38, 2, CONTROL],
  ...['ds', 'es', 'fs', 'gs'].map((name, i): Field => [name, 0x3a + i * 2, 2, SEGMENTS]),
  ['ss', 0x42, 2, CONTROL],
  ['rflags', 0x44, 4, CONTROL],
  ...['rax', 'rcx', 'rdx', 'rbx'].map((name, i): Field => [name, 0x78 + i * 8, 8, INTEGER]),
  ['rsp', 0x98, 8, CONTROL],
  ...['rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'].map(
    (name, i): Field => [name, 0xa0 + i * 8, 8, INTEGER],
  ),
  ['rip', 0xf8, 8, CONTROL],
]

const ARM64: readonly Field[] = [
  ['pstate', 4, 4, CONTROL],
  ...Array.from({ length: 29 }, (_, i): Field => [`x${i}`, 8 + i * 8, 8, INTEGER]),
  ['x29', 0xf0, 8, CONTROL],
  ['x30', 0xf8, 8, CONTROL],
  ['sp', 0x100, 8, CONTROL],
  ['pc', 0x108, 8, CONTROL],
]

/** By machine: where ContextFlags stand, the bit that names the architecture in them, and the fields. */
const LAYOUTS = new Map([
  [0x14c, { flags: 0, mark: 0x10000, fields: X86, bytes: 0xcc }],
  [0x8664, { flags: 0x30, mark: 0x100000, fields: AMD64, bytes: 0x100 }],
  [0xaa64, { flags: 0, mark: 0x400000, fields: ARM64, bytes: 0x110 }],
])

/** Registers of a CONTEXT record of `machine` (IMAGE_FILE_MACHINE_*); undefined where it is none, or empty. */
export function readContext(bytes: Buffer, machine: number): Readonly<Record<string, bigint>> | undefined {
  const layout = LAYOUTS.get(machine)
  if (layout === undefined || bytes.length < layout.bytes) return undefined
  const flags = bytes.readUInt32LE(layout.flags)
  if ((flags & layout.mark) === 0 || flags === FILLER) return undefined
  const registers: Record<string, bigint> = {}
  for (const [name, offset, size, part] of layout.fields)
    if ((flags & part) !== 0)
      registers[name] = size === 8 ? bytes.readBigUInt64LE(offset) : BigInt(bytes.readUIntLE(offset, size))
  return Object.keys(registers).length === 0 ? undefined : registers
}
