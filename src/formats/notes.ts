/**
 * ELF notes of a dump, as an ELF core or a kdump file carries them: NT_PRSTATUS, QEMU's CPU state, VMCOREINFO
 * (QEMU target/i386/arch_dump.c, target/arm/arch_dump.c, dump/dump.c; Linux include/linux/elfcore.h).
 */
import type { Architecture, CpuState, ImageNotes } from './image.js'
import { MAX_CPUS } from './limits.js'
import { EM_386, EM_AARCH64, EM_X86_64, type Prstatus, readPrstatus, readQemuState } from './registers.js'

const NT_PRSTATUS = 1
const CR4_PAE = 1n << 5n
const CR4_LA57 = 1n << 12n

/** What the notes tell; `machine` is an e_machine value, where a register layout gave it away. */
export interface ParsedNotes extends ImageNotes {
  readonly machine?: number
  /** There is QEMU CPU state: QEMU wrote this dump. */
  readonly fromQemu: boolean
}

/** Reads a run of notes. Never throws: the notes are extras, and what is broken ends the walk. */
export function parseNotes(bytes: Buffer, machine?: number): ParsedNotes {
  const prstatus: Prstatus[] = []
  const qemu: Buffer[] = []
  let vmcoreinfo: string | undefined
  let at = 0
  while (at + 12 <= bytes.length) {
    const nameBytes = bytes.readUInt32LE(at)
    const descBytes = bytes.readUInt32LE(at + 4)
    const type = bytes.readUInt32LE(at + 8)
    const descAt = at + 12 + padded(nameBytes)
    if (descAt + descBytes > bytes.length) break
    const name = bytes.toString('latin1', at + 12, at + 12 + Math.max(0, nameBytes - 1))
    const desc = bytes.subarray(descAt, descAt + descBytes)
    if (name === 'VMCOREINFO') vmcoreinfo ??= text(desc)
    else if (name === 'QEMU' && type === 0 && qemu.length < MAX_CPUS) qemu.push(desc)
    else if (name === 'CORE' && type === NT_PRSTATUS && prstatus.length < MAX_CPUS) {
      const state = readPrstatus(desc)
      if (state !== undefined) prstatus.push(state)
    }
    at = descAt + padded(descBytes)
  }
  // QEMU's layout tells more than its header: a kdump of an i386 guest says x86_64 whenever RAM or firmware ends above 4 GiB.
  const told = prstatus[0]?.machine
  const found = qemu.length > 0 ? (told ?? machine) : (machine ?? told)
  const cpus: CpuState[] = []
  for (let vcpu = 0; vcpu < Math.max(prstatus.length, qemu.length); vcpu++) {
    const state = qemu[vcpu]
    const registers = {
      ...prstatus[vcpu]?.registers,
      ...(state === undefined ? {} : readQemuState(state, found === EM_386)),
    }
    cpus.push({ vcpu, registers })
  }
  return {
    cpus,
    fromQemu: qemu.length > 0,
    ...(vmcoreinfo === undefined ? {} : { vmcoreinfo }),
    ...(found === undefined ? {} : { machine: found }),
  }
}

/** The text of a VMCOREINFO block: up to its first NUL. */
export function text(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end)
}

/**
 * The paging architecture, as far as machine and notes tell it: CR4 from QEMU's note (Intel SDM vol. 3A 2.5), else what
 * the kernel says in VMCOREINFO (Linux arch/x86/kernel/crash_core_*.c). `undefined` rather than a guess.
 */
export function architectureOf(machine: number | undefined, notes: ImageNotes): Architecture | undefined {
  if (machine === EM_AARCH64) return 'aarch64'
  if (machine !== EM_X86_64 && machine !== EM_386) return undefined
  // A vCPU that is still in real mode has CR4 0: any one with the bit set decides.
  const cr4 = notes.cpus.map(cpu => cpu.registers['cr4']).filter(value => value !== undefined)
  const info = notes.vmcoreinfo
  if (machine === EM_X86_64) {
    const la57 = cr4.some(value => (value & CR4_LA57) !== 0n) || info?.includes('pgtable_l5_enabled)=1')
    return la57 ? 'x86_64-la57' : 'x86_64'
  }
  if (cr4.some(value => (value & CR4_PAE) !== 0n)) return 'i386-pae'
  if (info !== undefined) return info.includes('CONFIG_X86_PAE=y') ? 'i386-pae' : 'i386'
  return cr4.length > 0 ? 'i386' : undefined
}

function padded(length: number): number {
  return Math.ceil(length / 4) * 4
}
