/** How far the kernel's image was moved from where it was linked to. */
import type { SymbolTable } from '../../../symbols/contract.js'
import type { VmcoreInfo } from '../../../symbols/vmcoreinfo.js'
import type { Candidate } from './candidate.js'
import { X86_64_KERNEL_MAP } from './modes.js'

/** CONFIG_PHYSICAL_START of every distribution's x86 kernel: the image is linked to start there. */
const X86_START = 0x100_0000n
/** Bytes of the module area below the image on arm64 (arch/arm64/include/asm/memory.h): 2 GiB since 6.5, 128 MiB before. */
const ARM_MODULES_NEW = 0x8000_0000n
const ARM_MODULES_OLD = 0x800_0000n

/** What VMCOREINFO says, else what follows from where the image starts. */
export function kaslrOffsetOf(
  candidate: Candidate,
  kernelBase: bigint,
  symbols: SymbolTable | undefined,
  info?: VmcoreInfo,
): bigint {
  if (info?.kernelOffset !== undefined) return info.kernelOffset
  const { mode, shift } = candidate
  if (mode.architecture === 'aarch64') {
    // the module area starts in the middle of the kernel's half, the image is linked behind it
    const middle = 2n ** 64n - (1n << BigInt(Math.min(mode.vaBits, 48) - 1))
    const modules = symbols?.addressOf('module_direct_base') === undefined ? ARM_MODULES_OLD : ARM_MODULES_NEW
    const image = symbols?.addressOf('_text') ?? kernelBase - 0x1_0000n
    return image - middle - modules
  }
  // on i386 the image lies in the direct map, whose start is the distance itself
  return kernelBase - (mode.vaBits === 32 ? shift : X86_64_KERNEL_MAP) - X86_START
}
