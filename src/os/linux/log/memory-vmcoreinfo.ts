/** The kernel's own VMCOREINFO, out of memory: what says where the log is when no symbol does. */
import type { PhysicalMemory } from '../../../core/memory.js'
import {
  findVmcoreinfo,
  MAX_VMCOREINFO_BYTES,
  parseVmcoreinfo,
  type VmcoreInfo,
} from '../../../symbols/vmcoreinfo.js'
import type { LinuxKernel } from '../kernel.js'

const WINDOW_BYTES = 4 << 20
/** Candidates of which none was the kernel's: what programs left lying about. */
const MAX_CANDIDATES = 256

/**
 * The VMCOREINFO of this kernel: of its release, and with a `_stext` that is at or behind the kernel's base. Memory is looked through
 * once, in windows that overlap by a text's length.
 */
export function memoryVmcoreinfo(memory: PhysicalMemory, kernel: LinuxKernel): VmcoreInfo | undefined {
  let left = MAX_CANDIDATES
  for (const run of memory.runs) {
    for (let at = 0; at < run.length; ) {
      const gpa = run.gpa + at
      const span = memory.spanAt(gpa, run.length - at)
      if (span.kind !== 'data') {
        at += span.length
        continue
      }
      const bytes = memory.window(gpa, Math.min(span.length, WINDOW_BYTES)).bytes
      for (const { text } of bytes.length === 0 ? [] : findVmcoreinfo(bytes)) {
        const info = parseVmcoreinfo(text)
        if (isOf(kernel, info)) return info
        if (--left <= 0) return undefined
      }
      const whole = bytes.length < span.length && bytes.length > MAX_VMCOREINFO_BYTES
      at += whole ? bytes.length - MAX_VMCOREINFO_BYTES : Math.max(bytes.length, 4096)
    }
  }
  return undefined
}

function isOf(kernel: LinuxKernel, info: VmcoreInfo): boolean {
  const text = info.symbol('_stext')
  return info.release === kernel.release && text !== undefined && text >= kernel.kernelBase
}
