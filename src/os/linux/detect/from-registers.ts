/** Where the kernel's image lies, as a processor's registers tell: so that only its neighbourhood need be searched. */
import type { MemoryRun, PhysicalMemory } from '../../../core/memory.js'
import { clipRuns, mergeRuns } from '../../../core/runs.js'
import type { CpuState } from '../../../formats/image.js'
import { pagingMode } from '../../../paging/modes.js'
import { tableBase } from '../../../paging/table-base.js'
import { type Candidate, gpaOf, kernelSpace } from './candidate.js'
import { X86_64_KERNEL_MAP } from './modes.js'
import { around } from './near.js'

/** The image moves by 2 MiB in 1 GiB; the user's table of a PTI pair maps a few pages of it only. */
const STEP = 0x20_0000n
const STEPS = 512
const CR4_LA57 = 1n << 12n
const PTI_BIT = 0x1000n
const CR4_PAE = 1n << 5n
/** Processors that are asked: each has one of a few tables. */
const MAX_CPUS = 8

/** Ranges worth searching first; empty where no register tells. x86-64 only: elsewhere the tables don't tell image from direct map. */
export function imageRanges(memory: PhysicalMemory, cpus: readonly CpuState[]): MemoryRun[] {
  for (const { registers } of cpus.slice(0, MAX_CPUS)) {
    const { cr3, cr4 = CR4_PAE } = registers
    if (cr3 === undefined || (cr4 & CR4_PAE) === 0n) continue
    const mode = pagingMode((cr4 & CR4_LA57) === 0n ? 'x86_64' : 'x86_64-la57')
    const space = kernelSpace(memory, { mode, dtb: tableBase(mode, cr3), base: 0 })
    for (let i = 0; i < STEPS; i++) {
      const gpa = gpaOf(space, X86_64_KERNEL_MAP + BigInt(i) * STEP)
      if (gpa !== undefined) return around(memory, gpa)
    }
  }
  return []
}

/**
 * Whether some processor runs in tables that map `text` where the candidate does; true where no register tells. An earlier boot's kernel
 * may still be whole in memory, tables and all, but no processor uses it. In user mode, page table isolation has the user's table in CR3,
 * one page behind the kernel's.
 */
export function isRunning(
  memory: PhysicalMemory,
  candidate: Candidate,
  text: bigint,
  cpus: readonly CpuState[],
): boolean {
  if (candidate.mode.format === 'aarch64') return true
  const tables = cpus
    .map(cpu => cpu.registers['cr3'])
    .filter((cr3): cr3 is bigint => cr3 !== undefined && cr3 !== 0n)
  if (tables.length === 0) return true
  return tables.slice(0, MAX_CPUS).some(cr3 =>
    [cr3, cr3 & ~PTI_BIT].some(register => {
      const { mode, base, shift } = candidate
      const space = kernelSpace(memory, { mode, base, dtb: tableBase(mode, register) })
      return gpaOf(space, text) === Number(text - shift)
    }),
  )
}

/** What is left of memory without `ranges`. */
export function without(memory: PhysicalMemory, ranges: readonly MemoryRun[]): MemoryRun[] {
  let left: readonly MemoryRun[] = memory.runs
  for (const { gpa, length } of ranges)
    left = [...clipRuns(left, 0, gpa), ...clipRuns(left, gpa + length, Number.MAX_SAFE_INTEGER)]
  return mergeRuns(left)
}
