/** Registers through QEMU's gdbstub: an Arm processor's table registers are shown nowhere else. */
import { GdbStub } from '../../src/qemu/gdbstub.js'
import { namedRegisters } from '../../src/qemu/registers-stub.js'

/** The Arm registers that say where tables are (Arm ARM D19.2). */
export const ARM_TABLE_REGISTERS = ['ttbr0_el1', 'ttbr1_el1', 'tcr_el1'] as const

/**
 * Reads registers of the first processor by name; names that the stub doesn't describe are left out. The guest should be
 * stopped: connecting would stop it. It stays stopped.
 */
export async function gdbRegisters(path: string, names: readonly string[]): Promise<Record<string, bigint>> {
  const stub = await GdbStub.open({ kind: 'unix', path })
  try {
    return await namedRegisters(stub, 0, names)
  } finally {
    stub.close()
  }
}
