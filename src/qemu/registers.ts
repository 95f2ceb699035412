/** A guest's registers: from QEMU's monitor, and from its gdbstub what the monitor doesn't show. */
import type { CpuState } from '../core/cpu-state.js'
import { VmsiftError } from '../core/errors.js'
import type { GdbStub } from './gdbstub.js'
import type { Monitor } from './monitor.js'
import { AARCH64_SYSTEM, namedRegisters } from './registers-stub.js'
import { parseInfoRegisters } from './registers-text.js'

/**
 * What `info registers` says of every vCPU, or of one. The guest should stand still: one that runs has no definite registers.
 * @throws VmsiftError `out-of-range` for a vCPU that it hasn't; `monitor-failed` when QEMU tells no registers.
 */
export async function monitorRegisters(monitor: Monitor, vcpu?: number): Promise<CpuState[]> {
  if (vcpu === undefined) return known(parseInfoRegisters(await monitor.human('info registers -a')))
  let text: unknown
  try {
    text = await monitor.execute('human-monitor-command', {
      'command-line': 'info registers',
      'cpu-index': vcpu,
    })
  } catch (error) {
    const refused = error instanceof VmsiftError && error.code === 'monitor-failed'
    if (refused && String(error.message).includes('cpu-index'))
      throw new VmsiftError('out-of-range', `there is no vcpu ${vcpu}; they count from 0`, {
        detail: { vcpu },
        cause: error,
      })
    throw error
  }
  const [told] = known(parseInfoRegisters(typeof text === 'string' ? text : ''))
  return told === undefined ? [] : [{ vcpu, registers: told.registers }]
}

function known(cpus: CpuState[]): CpuState[] {
  if (cpus.length > 0) return cpus
  throw new VmsiftError(
    'monitor-failed',
    'QEMU tells no registers of this machine; vmsift knows those of x86 and aarch64',
  )
}

/** Whether the monitor leaves out registers that the stub has. */
export function lacksTables({ registers }: CpuState): boolean {
  return 'x0' in registers && !('ttbr0_el1' in registers)
}

/** The same with the registers of an Arm processor's system that only the stub tells. */
export async function withStub(stub: GdbStub, cpu: CpuState): Promise<CpuState> {
  if (!lacksTables(cpu)) return cpu
  const more = await namedRegisters(stub, cpu.vcpu, AARCH64_SYSTEM)
  return { vcpu: cpu.vcpu, registers: { ...cpu.registers, ...more } }
}

/**
 * The address of the next instruction as breakpoints mean it: on x86 outside 64-bit mode the code segment's base is part of it.
 * @throws VmsiftError `monitor-failed` when QEMU told no such register.
 */
export function instructionAddress(registers: Readonly<Record<string, bigint>>): bigint {
  const { rip, eip, pc } = registers
  if (eip !== undefined) return BigInt.asUintN(32, eip + (registers['cs_base'] ?? 0n))
  const address = rip ?? pc
  if (address !== undefined) return address
  throw new VmsiftError('monitor-failed', 'QEMU does not tell where the processor is')
}
