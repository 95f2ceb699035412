/** What a running guest's processors are doing: a machine for 64 bits may run a 32-bit system. */
import type { Architecture } from '../core/architecture.js'
import { architectureOf } from '../formats/notes.js'
import { EM_386, EM_X86_64 } from '../formats/registers.js'
import type { LiveTarget } from './live.js'

/** Long mode is active (Intel SDM vol. 3A 2.2.1). */
const EFER_LMA = 1n << 10n

/** By the registers that its monitor told when it was opened; undefined where none could be asked. */
export function liveArchitecture({ architecture, notes: { cpus } }: LiveTarget): Architecture | undefined {
  if (architecture !== undefined || cpus.length === 0) return architecture
  const long = cpus.some(({ registers }) => ((registers['efer'] ?? 0n) & EFER_LMA) !== 0n)
  return architectureOf(long ? EM_X86_64 : EM_386, { cpus })
}
