/** Which paging modes come into question for an address of the kernel. */
import type { Architecture } from '../../../core/architecture.js'
import type { PagingMode } from '../../../paging/mode.js'
import { PAGING_MODES } from '../../../paging/modes.js'

/** Lowest address of an x86-64 kernel's image: __START_KERNEL_map (Linux arch/x86/include/asm/page_64_types.h). */
export const X86_64_KERNEL_MAP = 0xffff_ffff_8000_0000n

/**
 * Modes that may translate `va`, those first that others would be mistaken for: with 5 levels the second one from the top looks like a
 * 4-level top table. `told` is what the image says of the architecture; of an i386 and an x86-64 it may have the width wrong.
 */
export function modesFor(va: bigint, pointerBytes: 4 | 8, told?: Architecture): PagingMode[] {
  const arm = told === 'aarch64'
  const modes = PAGING_MODES.filter(mode => {
    if ((mode.canonical === 'unsigned') !== (pointerBytes === 4)) return false
    if (told !== undefined && (mode.architecture === 'aarch64') !== arm) return false
    if (mode.architecture !== 'aarch64') return pointerBytes === 4 || va >= X86_64_KERNEL_MAP
    return va >= mode.kernelStart
  })
  return modes.sort((a, b) => rank(a) - rank(b))
}

function rank(mode: PagingMode): number {
  const order: Record<Architecture, number> = {
    'x86_64-la57': 0,
    x86_64: 1,
    'i386-pae': 2,
    i386: 3,
    aarch64: 4,
  }
  // PSE first: where the processor lacks it, no entry has the bit
  return order[mode.architecture] + (mode.name === 'ia32' ? 0.5 : 0)
}
