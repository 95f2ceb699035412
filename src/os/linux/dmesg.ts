/** The kernel log, as dmesg prints it. */
import type { LinuxKernel } from './kernel.js'
import { bufferRecords } from './log/log-buffer.js'
import type { LogRecord } from './log/record.js'
import { ringRecords } from './log/ring-buffer.js'
import { type Listing, Problems } from './problem.js'
import { StructReader } from './struct/reader.js'

export type { LogRecord } from './log/record.js'

/** The records of the kernel log, oldest first. Records that were still being written at the time of the snapshot are left out. */
export function kernelLog(kernel: LinuxKernel, reader = new StructReader(kernel)): Listing<LogRecord> {
  const problems = new Problems()
  return { items: recordsOf(kernel, reader, problems) ?? [], problems: problems.list }
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
