/** From a record to a kernel that can be asked: symbols and types are read from the guest when they are needed. */
import type { PhysicalMemory } from '../../../core/memory.js'
import type { LinuxKernel } from '../kernel.js'
import { MAX_BANNER_BYTES, parseBanner } from './banner.js'
import { kernelSpace } from './candidate.js'
import { KernelTables, type ReadyTables } from './kernel-tables.js'
import { MemoSymbols } from './memo-symbols.js'
import { MemoTypes } from './memo-types.js'
import type { LinuxRecord } from './record.js'

/** A kernel and what its tables were asked since. */
export interface OpenedLinux {
  readonly kernel: LinuxKernel
  /** The record with all answers so far. */
  record(): LinuxRecord
  /** How many answers `record` has beyond the one the kernel was opened from. */
  learnt(): number
}

/** Whether the record is of this memory: the kernel's own tables lead to its banner. */
export function isStillThere(memory: PhysicalMemory, record: LinuxRecord): boolean {
  if (record.banner === '') return false
  const { bytes } = kernelSpace(memory, record).read(record.bannerAddress, MAX_BANNER_BYTES)
  return parseBanner(bytes)?.text === record.banner
}

/** Opens the kernel; `memory` is as it was when it was found, `record.base` is added to its gpas. */
export function openLinux(memory: PhysicalMemory, record: LinuxRecord, ready: ReadyTables = {}): OpenedLinux {
  const tables = new KernelTables(memory, record, ready)
  const derived = record.derived ?? tables.derivedLines()
  const size = record.kallsyms?.count ?? ready.fileSymbols?.size ?? 0
  const symbols = new MemoSymbols(tables.symbolSource, size, () => tables.symbols(), record.symbolAnswers)
  const types = new MemoTypes(tables.typeSource, () => tables.types(), record.typeAnswers)
  return {
    kernel: {
      architecture: record.mode.architecture,
      banner: record.banner,
      release: record.release,
      paging: record.mode,
      dtb: record.dtb,
      kernelBase: record.kernelBase,
      kaslrOffset: record.kaslrOffset,
      symbols,
      types,
      memory: kernelSpace(memory, record),
      derived,
    },
    record: () => ({ ...record, derived, symbolAnswers: symbols.answers(), typeAnswers: types.answers() }),
    learnt: () => symbols.learnt + types.learnt,
  }
}
