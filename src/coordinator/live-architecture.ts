/** What a running guest's processors are doing now: a machine for 64 bits may run a 32-bit system. */
import type { Architecture } from '../core/architecture.js'
import { VmsiftError } from '../core/errors.js'
import { architectureOf } from '../formats/notes.js'
import { EM_386, EM_X86_64 } from '../formats/registers.js'
import { monitorRegisters } from '../qemu/registers.js'
import type { LiveTarget } from './live.js'

/** Long mode is active (Intel SDM vol. 3A 2.2.1). */
const EFER_LMA = 1n << 10n

/** By the registers that its monitor tells; undefined where no monitor can be asked. */
export async function liveArchitecture(target: LiveTarget): Promise<Architecture | undefined> {
  if (target.architecture !== undefined) return target.architecture
  try {
    using share = await target.link.share()
    const cpus = await monitorRegisters(share.monitor)
    const long = cpus.some(({ registers }) => ((registers['efer'] ?? 0n) & EFER_LMA) !== 0n)
    return architectureOf(long ? EM_X86_64 : EM_386, { cpus })
  } catch (error) {
    // no monitor, or one that knows no registers
    if (error instanceof VmsiftError) return undefined
    throw error
  }
}
