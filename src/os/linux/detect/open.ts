/** From a record to a kernel that can be asked: symbols and types are read from the guest when they are needed. */
import type { PhysicalMemory } from '../../../core/memory.js'
import type { VirtualMemory } from '../../../core/virtual-memory.js'
import { parseBtf } from '../../../symbols/btf-types.js'
import { virtualReader } from '../../../symbols/byte-reader.js'
import type { SymbolTable, TypeTable } from '../../../symbols/contract.js'
import { parseKallsyms } from '../../../symbols/kallsyms.js'
import type { LinuxKernel } from '../kernel.js'
import { MAX_BANNER_BYTES, parseBanner } from './banner.js'
import { kernelSpace } from './candidate.js'
import { emptySymbols, emptyTypes } from './empty-tables.js'
import { MemoSymbols } from './memo-symbols.js'
import { MemoTypes } from './memo-types.js'
import type { LinuxRecord } from './record.js'

/** Tables that are at hand already, so that they need not be read twice. */
export interface ReadyTables {
  readonly symbols?: SymbolTable
  readonly types?: TypeTable
}

/** A kernel and what its tables were asked since. */
export interface OpenedLinux {
  readonly kernel: LinuxKernel
  /** The record with all answers so far; undefined when none is new. */
  learnt(): LinuxRecord | undefined
}

/** Whether the record is of this memory: the kernel's own tables lead to its banner. */
export function isStillThere(memory: PhysicalMemory, record: LinuxRecord): boolean {
  if (record.banner === '') return false
  const { bytes } = kernelSpace(memory, record).read(record.bannerAddress, MAX_BANNER_BYTES)
  return parseBanner(bytes)?.text === record.banner
}

/** Opens the kernel; `memory` is as it was when it was found, `record.base` is added to its gpas. */
export function openLinux(memory: PhysicalMemory, record: LinuxRecord, ready: ReadyTables = {}): OpenedLinux {
  const space = kernelSpace(memory, record)
  const symbols = new MemoSymbols(
    ready.symbols?.source ?? (record.kallsyms === undefined ? 'none' : 'kallsyms'),
    record.kallsyms?.count ?? ready.symbols?.size ?? 0,
    () => ready.symbols ?? readSymbols(space, record),
    record.symbolAnswers,
  )
  const types = new MemoTypes(
    ready.types?.source ?? (record.btf === undefined ? 'none' : 'btf'),
    () => ready.types ?? readTypes(space, record),
    record.typeAnswers,
  )
  const kernel: LinuxKernel = {
    architecture: record.mode.architecture,
    banner: record.banner,
    release: record.release,
    paging: record.mode,
    dtb: record.dtb,
    kernelBase: record.kernelBase,
    kaslrOffset: record.kaslrOffset,
    symbols,
    types,
    memory: space,
    derived: record.derived,
  }
  return {
    kernel,
    learnt: () =>
      symbols.learnt + types.learnt === 0
        ? undefined
        : { ...record, symbolAnswers: symbols.answers(), typeAnswers: types.answers() },
  }
}

function readSymbols(memory: VirtualMemory, record: LinuxRecord): SymbolTable {
  if (record.kallsyms === undefined) return emptySymbols('none')
  const pointerBytes = record.mode.vaBits === 32 ? 4 : 8
  return (
    parseKallsyms(virtualReader(memory), record.kallsyms.tables, pointerBytes)?.symbols ??
    emptySymbols('none')
  )
}

function readTypes(memory: VirtualMemory, record: LinuxRecord): TypeTable {
  if (record.btf === undefined) return emptyTypes('none')
  const { bytes, absent } = memory.read(record.btf.va, record.btf.length)
  return (absent.length === 0 ? parseBtf(bytes) : undefined) ?? emptyTypes('none')
}
