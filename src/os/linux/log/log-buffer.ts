/** The kernel log before 5.10: records one behind the other in one buffer (`struct printk_log` of kernel/printk/printk.c). */
import type { Problems } from '../../problem.js'
import { structSpec } from '../../struct/layout.js'
import type { StructReader } from '../../struct/reader.js'
import { decodeText, StructRecord } from '../../struct/record.js'
import type { LogRecord } from './record.js'
import { callerText } from './ring-buffer.js'

const RECORD = structSpec('printk_log', {
  nanoseconds: 'ts_nsec',
  bytes: 'len',
  textBytes: 'text_len',
  dictionaryBytes: 'dict_len',
  facility: 'facility',
  flags: 'flags',
  level: 'level',
  caller: 'caller_id',
})

/** Where the buffer is and which part of it holds records. */
export interface LogBuffer {
  readonly address: bigint
  readonly bytes: number
  /** Offsets of the oldest record and of the place for the next one. */
  readonly first: number
  readonly next: number
  /** Sequence number of the oldest. */
  readonly sequence: number
}

const MAX_BUFFER_BYTES = 2 ** 26

/** The records from the oldest to the newest. A length that leads nowhere ends the list. */
export function bufferRecords(reader: StructReader, buffer: LogBuffer, problems: Problems): LogRecord[] {
  const records: LogRecord[] = []
  const layout = reader.layout(RECORD)
  const headBytes = layout.sizeBytes
  const { address, bytes: size } = buffer
  const sane = size > 0 && size <= MAX_BUFFER_BYTES && buffer.first < size && buffer.next <= size
  if (!sane || headBytes === 0) {
    problems.add('broken', `log: buffer of ${size} bytes from ${buffer.first} to ${buffer.next}`, address)
    return records
  }
  const read = reader.memory.read(address, size)
  if (read.absent.length > 0) problems.add('absent', 'log: part of the buffer is not in memory', address)
  let at = buffer.first
  let wrapped = false
  // a record takes at least its head
  for (let left = Math.ceil(size / headBytes) + 1; left > 0; left--) {
    if (at === buffer.next && (records.length > 0 || wrapped || buffer.first === buffer.next)) return records
    const head =
      at + headBytes <= size
        ? new StructRecord(
            layout,
            address + BigInt(at),
            read.bytes.subarray(at + layout.spanOffset),
            [],
            reader.pointerBytes,
          )
        : undefined
    const length = head?.number('bytes') ?? 0
    // a length of 0 marks the end of the buffer: the list goes on at its start
    if (head === undefined || length === 0) {
      if (wrapped) break
      wrapped = true
      at = 0
      continue
    }
    const textBytes = head.number('textBytes') ?? 0
    if (length < headBytes + textBytes || at + length > size) break
    const text = read.bytes.subarray(at + headBytes, at + headBytes + textBytes)
    const dictionary = read.bytes.subarray(
      at + headBytes + textBytes,
      at + Math.min(length, headBytes + textBytes + (head.number('dictionaryBytes') ?? 0)),
    )
    const caller = head.number('caller')
    records.push({
      sequence: buffer.sequence + records.length,
      seconds: Number((head.bigint('nanoseconds') ?? 0n) / 1000n) / 1e6,
      level: head.number('level') ?? 0,
      facility: head.number('facility') ?? 0,
      ...(caller === undefined ? {} : { caller: callerText(caller) }),
      text: decodeText(text),
      ...deviceOf(dictionary),
      complete: true,
    })
    at += length
  }
  problems.add('broken', `log: record at offset ${at} leads nowhere`, address + BigInt(at))
  return records
}

/** The dictionary is `NAME=value` strings, NULs between them. */
function deviceOf(dictionary: Uint8Array): { readonly subsystem?: string; readonly device?: string } {
  const fields = new Map<string, string>()
  for (const entry of decodeText(dictionary).split('\0')) {
    const equals = entry.indexOf('=')
    if (equals > 0) fields.set(entry.slice(0, equals), entry.slice(equals + 1))
  }
  const subsystem = fields.get('SUBSYSTEM')
  const device = fields.get('DEVICE')
  return { ...(subsystem === undefined ? {} : { subsystem }), ...(device === undefined ? {} : { device }) }
}
