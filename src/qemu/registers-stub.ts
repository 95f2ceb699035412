/** Registers through the gdbstub, by the names that vmsift uses everywhere. */
import { VmsiftError } from '../core/errors.js'
import type { GdbStub } from './gdbstub.js'

/** The stub's names that differ from ours by more than upper case. */
const TO_OURS: Readonly<Record<string, string>> = {
  k_gs_base: 'kernel_gs_base',
  // QEMU names these as both of Arm's states do
  SCTLR: 'sctlr_el1',
  CPACR: 'cpacr_el1',
  VBAR: 'vbar_el1',
  CNTKCTL: 'cntkctl_el1',
}

/** An Arm processor's registers that say how it translates, where it was interrupted, and what it runs (Arm ARM D19.2). */
export const AARCH64_SYSTEM = [
  'ttbr0_el1',
  'ttbr1_el1',
  'tcr_el1',
  'sctlr_el1',
  'mair_el1',
  'contextidr_el1',
  'vbar_el1',
  'elr_el1',
  'spsr_el1',
  'esr_el1',
  'far_el1',
  'sp_el0',
  'sp_el1',
  'tpidr_el0',
  'tpidr_el1',
  'tpidrro_el0',
] as const

/** Vector and floating point registers: too wide to be shown among the others. */
const WIDE =
  /^(st\d|xmm\d|ymm|zmm|v\d|q\d|z\d|p\d|f(ctrl|stat|tag|iseg|ioff|oseg|ooff|op|psr|pcr)$|mxcsr$|bnd|pkru$)/

/** Our name of a register of the stub's. */
export function ourName(stub: GdbStub, name: string): string {
  const known = TO_OURS[name]
  if (known !== undefined) return known
  if (name === 'eflags' && stub.description.architecture === 'i386:x86-64') return 'rflags'
  if (name === 'cpsr' && stub.description.architecture === 'aarch64') return 'pstate'
  return name.toLowerCase()
}

/**
 * A vCPU's registers: what the stub tells at once, without the wide ones, and on aarch64 `AARCH64_SYSTEM` too. What it doesn't
 * tell is absent.
 */
export async function stubRegisters(stub: GdbStub, vcpu: number): Promise<Record<string, bigint>> {
  const registers: Record<string, bigint> = {}
  for (const [name, value] of await stub.registers(vcpu))
    if (!WIDE.test(name)) registers[ourName(stub, name)] = value
  if (stub.description.architecture === 'aarch64')
    Object.assign(registers, await namedRegisters(stub, vcpu, AARCH64_SYSTEM))
  return registers
}

/** Registers one by one, by our names. */
export async function namedRegisters(
  stub: GdbStub,
  vcpu: number,
  names: readonly string[],
): Promise<Record<string, bigint>> {
  const registers: Record<string, bigint> = {}
  const theirs = theirNames(stub)
  for (const name of names) {
    const value = await stub.register(vcpu, theirs.get(name) ?? '')
    if (value !== undefined) registers[name] = value
  }
  return registers
}

/**
 * Writes registers, by our names, and reads them back.
 * @throws VmsiftError `bad-argument` for a name that the stub hasn't or a value that doesn't fit, before anything is written;
 * `monitor-failed` when a register does not hold what was written: the processor has bits of its own there, or none.
 */
export async function writeStubRegisters(
  stub: GdbStub,
  vcpu: number,
  values: Readonly<Record<string, bigint>>,
): Promise<void> {
  const theirs = theirNames(stub)
  for (const [name, value] of Object.entries(values)) stub.checkWrite(theirs.get(name) ?? name, value)
  for (const [name, value] of Object.entries(values)) {
    const their = theirs.get(name) ?? name
    await stub.writeRegister(vcpu, their, value)
    const now = await stub.register(vcpu, their)
    if (now !== value)
      throw new VmsiftError(
        'monitor-failed',
        `register ${name} of vcpu ${vcpu} holds 0x${now?.toString(16) ?? ' nothing known'} after 0x${value.toString(16)} was written: not all of it can be changed`,
        { detail: { name, vcpu } },
      )
  }
}

function theirNames(stub: GdbStub): ReadonlyMap<string, string> {
  return new Map(stub.description.registers.map(({ name }) => [ourName(stub, name), name]))
}
