/** Writes ELF notes: NT_PRSTATUS, QEMU's CPU state, VMCOREINFO. */

/** One note, name and description padded to 4 bytes. */
export function note(name: string, type: number, desc: Uint8Array): Buffer {
  const named = Buffer.from(`${name}\0`, 'latin1')
  const header = Buffer.alloc(12)
  header.writeUInt32LE(named.length, 0)
  header.writeUInt32LE(desc.length, 4)
  header.writeUInt32LE(type, 8)
  return Buffer.concat([header, pad4(named), pad4(Buffer.from(desc))])
}

/** NT_PRSTATUS of x86-64 (336 bytes), its 27 registers in the note's order. */
export function prstatusX86(registers: readonly bigint[]): Buffer {
  const desc = Buffer.alloc(336)
  for (const [i, value] of registers.entries()) desc.writeBigUInt64LE(value, 112 + i * 8)
  return note('CORE', 1, desc)
}

/** NT_PRSTATUS of i386 (144 bytes), its 17 words in the note's order. */
export function prstatusI386(words: readonly number[]): Buffer {
  const desc = Buffer.alloc(144)
  for (const [i, value] of words.entries()) desc.writeUInt32LE(value, 72 + i * 4)
  return note('CORE', 1, desc)
}

/** NT_PRSTATUS of aarch64 (392 bytes): x0-x30, sp, pc, pstate. */
export function prstatusAarch64(registers: readonly bigint[]): Buffer {
  const desc = Buffer.alloc(392)
  for (const [i, value] of registers.entries()) desc.writeBigUInt64LE(value, 112 + i * 8)
  return note('CORE', 1, desc)
}

export interface QemuState {
  /** rax rbx rcx rdx rsi rdi rsp rbp r8-r15 rip rflags */
  readonly general?: readonly bigint[]
  /** cs ds es fs gs ss ldt tr gdt idt: base addresses */
  readonly bases?: readonly bigint[]
  readonly cr?: readonly bigint[]
  readonly kernelGsBase?: bigint
}

/** QEMU's CPU state, version 1, 440 bytes. */
export function qemuState(state: QemuState): Buffer {
  const desc = Buffer.alloc(440)
  desc.writeUInt32LE(1, 0)
  desc.writeUInt32LE(440, 4)
  for (const [i, value] of (state.general ?? []).entries()) desc.writeBigUInt64LE(value, 8 + i * 8)
  for (const [i, value] of (state.bases ?? []).entries()) {
    desc.writeUInt32LE(8 * (i + 1), 152 + i * 24)
    desc.writeUInt32LE(0xffff, 156 + i * 24)
    desc.writeBigUInt64LE(value, 168 + i * 24)
  }
  for (const [i, value] of (state.cr ?? []).entries()) desc.writeBigUInt64LE(value, 392 + i * 8)
  desc.writeBigUInt64LE(state.kernelGsBase ?? 0n, 432)
  return note('QEMU', 0, desc)
}

/** VMCOREINFO with the given text. */
export function vmcoreinfo(text: string): Buffer {
  return note('VMCOREINFO', 0, Buffer.from(text))
}

function pad4(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)])
}
