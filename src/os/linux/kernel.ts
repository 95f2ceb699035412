/** A Linux kernel that was found in a guest's memory: what every list of processes, modules, ... starts from. */

import type { Architecture } from '../../core/architecture.js'
import type { VirtualMemory } from '../../core/virtual-memory.js'
import type { PagingMode } from '../../paging/mode.js'
import type { SymbolTable, TypeTable } from '../../symbols/contract.js'

export interface LinuxKernel {
  readonly architecture: Architecture
  /** The banner: `Linux version 6.1.0-... #1 SMP ...`. */
  readonly banner: string
  /** As `uname -r` prints it. */
  readonly release: string
  readonly paging: PagingMode
  /** gpa of the kernel's own top table (swapper_pg_dir): x86 CR3 without flags, aarch64 TTBR1. */
  readonly dtb: number
  /** Virtual address of `_text` (`_stext` where there is no other). */
  readonly kernelBase: bigint
  /** How far KASLR moved the kernel. */
  readonly kaslrOffset: bigint
  readonly symbols: SymbolTable
  readonly types: TypeTable
  /** Reads through the kernel's own tables. */
  readonly memory: VirtualMemory
  /** What had to be derived from data, one line each: `task_struct.tasks = 0x2e8 (ring of 43 tasks)`. */
  readonly derived: readonly string[]
}
