/** Where RAM starts on machines whose memory does not start at 0. */
import type { PhysicalMemory } from '../../../core/memory.js'

/** QEMU's arm `virt` and most boards; vexpress and many SoCs; AWS and Apple-like machines stand at others. */
const COMMON_BASES = [0x4000_0000, 0x8000_0000, 0x1_0000_0000, 0x8_0000_0000, 0x80_0000_0000] as const

/**
 * Bases to try, the likeliest first: 0 alone unless it is open where the memory starts. `told` are bases that the guest's data name.
 */
export function basesFor(
  memory: PhysicalMemory,
  open: boolean,
  told: readonly number[] = [],
): readonly number[] {
  if (!open || memory.runs[0]?.gpa !== 0) return [0]
  return [...new Set([0, ...told, ...COMMON_BASES])]
}
