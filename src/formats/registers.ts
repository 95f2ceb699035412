/** Register layouts inside notes. Names are lower case as in the processor's manual; what a note lacks stays absent. */

/** e_machine values known here (ELF gABI). */
export const EM_386 = 3
export const EM_X86_64 = 62
export const EM_AARCH64 = 183

type Registers = Record<string, bigint>

/** Registers of one NT_PRSTATUS, and the machine whose layout it has. */
export interface Prstatus {
  readonly machine: number
  readonly registers: Registers
}

// struct user_regs_struct of each architecture (Linux arch/*/include/asm/user*.h, uapi ptrace.h); '' is skipped.
const X86_64_ORDER =
  'r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi  rip cs rflags rsp ss fs_base gs_base ds es fs gs'.split(
    ' ',
  )
const I386_ORDER = 'ebx ecx edx esi edi ebp eax ds es fs gs  eip cs eflags esp ss'.split(' ')
const AARCH64_ORDER = [...Array.from({ length: 31 }, (_, i) => `x${i}`), 'sp', 'pc', 'pstate']
const I386_SELECTORS = new Set(['ds', 'es', 'fs', 'gs', 'cs', 'ss'])

/** Bytes of struct elf_prstatus, and where its registers start. */
const LAYOUTS = [
  { machine: EM_X86_64, bytes: 336, at: 112 },
  { machine: EM_386, bytes: 144, at: 72 },
  { machine: EM_AARCH64, bytes: 392, at: 112 },
] as const

/** Reads struct elf_prstatus; its size tells the layout. `undefined` for one that is not known here. */
export function readPrstatus(desc: Buffer): Prstatus | undefined {
  const layout = LAYOUTS.find(each => each.bytes === desc.length)
  if (layout === undefined) return undefined
  if (layout.machine === EM_386) return { machine: EM_386, registers: words(desc, layout.at) }
  const order = layout.machine === EM_X86_64 ? X86_64_ORDER : AARCH64_ORDER
  return { machine: layout.machine, registers: quads(desc, layout.at, order) }
}

const QEMU_GENERAL = 'rax rbx rcx rdx rsi rdi rsp rbp r8 r9 r10 r11 r12 r13 r14 r15 rip rflags'.split(' ')
const QEMU_SEGMENTS = 'cs ds es fs gs ss ldt tr gdt idt'.split(' ')
const QEMU_SEGMENT_BYTES = 24
const QEMU_SEGMENTS_AT = 8 + QEMU_GENERAL.length * 8
const QEMU_CONTROL_AT = QEMU_SEGMENTS_AT + QEMU_SEGMENTS.length * QEMU_SEGMENT_BYTES
const QEMU_STATE_BYTES = QEMU_CONTROL_AT + 5 * 8
/** Names of the 32-bit halves. */
const NARROW = /^r(?=[a-d]x|[sd]i|[sb]p|ip|flags)/

/**
 * Reads struct QEMUCPUState version 1 (QEMU target/i386/arch_dump.c): general registers, segments with base, limit and
 * flags, CR0-CR4, and kernel_gs_base where the note is long enough. For an i386 guest the 32-bit names.
 */
export function readQemuState(desc: Buffer, i386: boolean): Registers {
  if (desc.length < QEMU_STATE_BYTES) return {}
  const registers: Registers = {}
  QEMU_GENERAL.forEach((name, i) => {
    const value = desc.readBigUInt64LE(8 + i * 8)
    if (!i386) registers[name] = value
    else if (NARROW.test(name)) registers[name.replace(NARROW, 'e')] = BigInt.asUintN(32, value)
  })
  QEMU_SEGMENTS.forEach((name, i) => {
    const at = QEMU_SEGMENTS_AT + i * QEMU_SEGMENT_BYTES
    const table = name === 'gdt' || name === 'idt'
    if (!table) registers[name] = BigInt(desc.readUInt32LE(at))
    registers[`${name}_limit`] = BigInt(desc.readUInt32LE(at + 4))
    if (!table) registers[`${name}_flags`] = BigInt(desc.readUInt32LE(at + 8))
    registers[`${name}_base`] = desc.readBigUInt64LE(at + 16)
  })
  // CR1 doesn't exist; QEMU writes it as 0.
  for (const i of [0, 2, 3, 4]) registers[`cr${i}`] = desc.readBigUInt64LE(QEMU_CONTROL_AT + i * 8)
  if (desc.length >= QEMU_STATE_BYTES + 8 && !i386)
    registers['kernel_gs_base'] = desc.readBigUInt64LE(QEMU_STATE_BYTES)
  return registers
}

function quads(desc: Buffer, at: number, order: readonly string[]): Registers {
  const registers: Registers = {}
  order.forEach((name, i) => {
    if (name !== '') registers[name] = desc.readBigUInt64LE(at + i * 8)
  })
  return registers
}

function words(desc: Buffer, at: number): Registers {
  const registers: Registers = {}
  I386_ORDER.forEach((name, i) => {
    if (name === '') return
    // A selector is 16 bits; the half word behind it is padding.
    const value = desc.readUInt32LE(at + i * 4)
    registers[name] = BigInt(I386_SELECTORS.has(name) ? value & 0xffff : value)
  })
  return registers
}
