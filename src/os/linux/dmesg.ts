/** The kernel log, as dmesg prints it. */
import type { PhysicalMemory } from '../../core/memory.js'
import { type Listing, Problems } from '../problem.js'
import { StructReader } from '../struct/reader.js'
import type { LinuxKernel } from './kernel.js'
import { bufferRecords } from './log/log-buffer.js'
import { memoryVmcoreinfo } from './log/memory-vmcoreinfo.js'
import type { LogRecord } from './log/record.js'
import { ringRecords } from './log/ring-buffer.js'
import { withVmcoreinfo } from './vmcoreinfo-tables.js'

export type { LogRecord } from './log/record.js'

/**
 * The records of the kernel log, oldest first. Records that were still being written at the time of the snapshot are left out.
 * `memory`: where the kernel's symbols don't name the log (no CONFIG_KALLSYMS_ALL) or its types don't tell it, VMCOREINFO is looked
 * for there.
 */
export function kernelLog(
  kernel: LinuxKernel,
  reader = new StructReader(kernel),
  memory?: PhysicalMemory,
): Listing<LogRecord> {
  const problems = new Problems()
  const known = namesLog(kernel)
  const info = known || memory === undefined ? undefined : memoryVmcoreinfo(memory, kernel)
  const told = info === undefined ? kernel : withVmcoreinfo(kernel, info)
  const structs = info === undefined ? reader : new StructReader(told)
  return { items: recordsOf(told, structs, problems) ?? [], problems: problems.list }
}

function namesLog({ symbols, types }: LinuxKernel): boolean {
  if (symbols.addressOf('prb') !== undefined) return types.sizeOf('printk_ringbuffer') !== undefined
  return symbols.addressOf('log_buf') !== undefined && types.sizeOf('printk_log') !== undefined
}

function recordsOf(kernel: LinuxKernel, reader: StructReader, problems: Problems): LogRecord[] | undefined {
  const variable = kernel.symbols.addressOf('prb')
  if (variable !== undefined && kernel.types.sizeOf('printk_ringbuffer') !== undefined) {
    const ring = reader.pointer(variable)
    if (ring !== undefined && reader.isKernelAddress(ring)) return ringRecords(reader, ring, problems)
    problems.add('absent', 'log: the pointer to the ring buffer is not in memory', variable)
    return undefined
  }
  return oldRecords(kernel, reader, problems)
}

function oldRecords(kernel: LinuxKernel, reader: StructReader, problems: Problems): LogRecord[] | undefined {
  const { symbols } = kernel
  const pointerAt = symbols.addressOf('log_buf')
  const [bytes, first, next] = ['log_buf_len', 'log_first_idx', 'log_next_idx'].map(name => {
    const address = symbols.addressOf(name)
    return address === undefined ? undefined : reader.u32(address)
  })
  const sequenceAt = symbols.addressOf('log_first_seq')
  const address = pointerAt === undefined ? undefined : reader.pointer(pointerAt)
  if (address === undefined || bytes === undefined || first === undefined || next === undefined) {
    problems.add('unknown', 'log: neither prb nor log_buf is among the symbols that were found')
    return undefined
  }
  const sequence = sequenceAt === undefined ? undefined : reader.u64(sequenceAt)
  return bufferRecords(reader, { address, bytes, first, next, sequence: Number(sequence ?? 0n) }, problems)
}
