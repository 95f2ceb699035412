/**
 * The kernel log since 5.10: a ring of descriptors, one of texts (kernel/printk/printk_ringbuffer.c). A descriptor's state and its
 * number share one word; a text is found by its logical position, and begins with the number of its descriptor.
 */
import type { Problems } from '../../problem.js'
import { structArray } from '../../struct/array.js'
import { structSpec } from '../../struct/layout.js'
import type { StructReader } from '../../struct/reader.js'
import { decodeText, type StructRecord } from '../../struct/record.js'
import type { LogRecord } from './record.js'

const RING_BUFFER = structSpec('printk_ringbuffer', {
  descriptorBits: 'desc_ring.count_bits',
  descriptors: 'desc_ring.descs',
  infos: 'desc_ring.infos',
  headId: 'desc_ring.head_id',
  tailId: 'desc_ring.tail_id',
  textBits: 'text_data_ring.size_bits',
  text: 'text_data_ring.data',
})
const DESCRIPTOR = structSpec('prb_desc', {
  state: 'state_var',
  begin: 'text_blk_lpos.begin',
  next: 'text_blk_lpos.next',
})
const INFO = structSpec('printk_info', {
  sequence: 'seq',
  nanoseconds: 'ts_nsec',
  textBytes: 'text_len',
  facility: 'facility',
  flags: 'flags',
  level: 'level',
  caller: 'caller_id',
  subsystem: 'dev_info.subsystem',
  device: 'dev_info.device',
})

/** Largest rings that are believed: 2^20 descriptors, 64 MiB of text (LOG_BUF_SHIFT ends at 25). */
const MAX_DESCRIPTOR_BITS = 20
const MAX_TEXT_BITS = 26

/** `enum desc_state`. */
const COMMITTED = 1
const FINALIZED = 2
/** A record without text has positions with this bit. */
const NO_TEXT = 1n

/** The rings as they stood, each read once. */
interface Rings {
  readonly count: bigint
  readonly idBits: number
  readonly descriptors: RecordArray<keyof (typeof DESCRIPTOR)['members']>
  readonly infos: RecordArray<keyof (typeof INFO)['members']>
  readonly text: Uint8Array
  readonly wordBytes: 4 | 8
}

type RecordArray<K extends string> = ReturnType<typeof structArray<K>>

/** The records from the oldest to the newest; those still being written or given up are left out. Undefined when there is no such buffer at `address`. */
export function ringRecords(
  reader: StructReader,
  address: bigint,
  problems: Problems,
): LogRecord[] | undefined {
  const ring = reader.record(RING_BUFFER, address)
  const head = ring?.pointer('headId')
  const tail = ring?.pointer('tailId')
  const rings = ring === undefined ? undefined : readRings(reader, ring, problems)
  if (rings === undefined || head === undefined || tail === undefined) return undefined
  const idMask = (1n << BigInt(rings.idBits)) - 1n
  const records: LogRecord[] = []
  let broken = 0
  // at most one turn round the ring, whatever the two numbers say
  const turns = Number(((head - tail) & idMask) + 1n)
  const steps = Math.min(turns, Number(rings.count))
  if (turns > steps) problems.add('broken', `log: ${turns} records in a ring of ${steps}`, address)
  for (let step = 0; step < steps; step++) {
    const record = recordOf(rings, (tail + BigInt(step)) & idMask)
    if (record === 'broken') broken++
    else if (record !== undefined) records.push(record)
  }
  if (broken > 0) problems.add('broken', `log: ${broken} records point to texts that are not theirs`, address)
  return records
}

function readRings(
  reader: StructReader,
  ring: StructRecord<keyof (typeof RING_BUFFER)['members']>,
  problems: Problems,
): Rings | undefined {
  const descriptorBits = ring.number('descriptorBits') ?? 0
  const textBits = ring.number('textBits') ?? 0
  const places = [ring.link('descriptors'), ring.link('infos'), ring.link('text')]
  const sane = descriptorBits > 0 && descriptorBits <= MAX_DESCRIPTOR_BITS && textBits > 0
  if (!sane || textBits > MAX_TEXT_BITS || places.some(p => p === undefined || !reader.isKernelAddress(p))) {
    problems.add('broken', `log: rings of 2^${descriptorBits} records and 2^${textBits} bytes`, ring.address)
    return undefined
  }
  const [descriptors = 0n, infos = 0n, text = 0n] = places
  const textRead = reader.memory.read(text, 2 ** textBits)
  if (textRead.absent.length > 0) problems.add('absent', 'log: part of the text is not in memory', text)
  const count = 2 ** descriptorBits
  return {
    count: BigInt(count),
    idBits: reader.pointerBytes * 8 - 2,
    descriptors: structArray(reader, DESCRIPTOR, descriptors, count),
    infos: structArray(reader, INFO, infos, count),
    text: textRead.bytes,
    wordBytes: reader.pointerBytes,
  }
}

function recordOf(rings: Rings, id: bigint): LogRecord | 'broken' | undefined {
  const index = Number(id & (rings.count - 1n))
  const descriptor = rings.descriptors(index)
  const info = rings.infos(index)
  const word = descriptor?.pointer('state')
  if (descriptor === undefined || info === undefined || word === undefined) return 'broken'
  const state = Number(word >> BigInt(rings.idBits))
  // numbers that differ: the slot belongs to an older record, whose successor was only reserved
  if ((word & ((1n << BigInt(rings.idBits)) - 1n)) !== id) return undefined
  if (state !== COMMITTED && state !== FINALIZED) return undefined
  const bytes = textOf(rings, descriptor, id)
  const sequence = info.number('sequence')
  const nanoseconds = info.bigint('nanoseconds')
  if (bytes === undefined || sequence === undefined || nanoseconds === undefined) return 'broken'
  const caller = info.number('caller')
  return {
    sequence,
    seconds: Number(nanoseconds / 1000n) / 1e6,
    level: info.number('level') ?? 0,
    facility: info.number('facility') ?? 0,
    ...(caller === undefined ? {} : { caller: callerText(caller) }),
    text: decodeText(bytes.subarray(0, Math.min(bytes.length, info.number('textBytes') ?? 0))),
    ...deviceOf(info),
    complete: state === FINALIZED,
  }
}

/** The bytes of a record's text block, its leading number checked and left out. */
function textOf(
  rings: Rings,
  descriptor: StructRecord<keyof (typeof DESCRIPTOR)['members']>,
  id: bigint,
): Uint8Array | undefined {
  const begin = descriptor.pointer('begin')
  const next = descriptor.pointer('next')
  if (begin === undefined || next === undefined) return undefined
  if ((begin & NO_TEXT) !== 0n && (next & NO_TEXT) !== 0n) return new Uint8Array(0)
  const size = BigInt(rings.text.length)
  let start = Number(begin % size)
  let end = Number(next % size)
  // a text that would pass the end of the ring stands at its start, and the block reaches round
  if (begin / size !== next / size) {
    if (end === 0) end = rings.text.length
    else start = 0
  }
  if (end - start < rings.wordBytes) return undefined
  const view = new DataView(rings.text.buffer, rings.text.byteOffset + start, rings.wordBytes)
  const owner = rings.wordBytes === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true))
  return owner === id ? rings.text.subarray(start + rings.wordBytes, end) : undefined
}

/** As the console prints it: `T` and a thread, `C` and a processor (the top bit tells). */
export function callerText(caller: number): string {
  return caller >= 2 ** 31 ? `C${caller - 2 ** 31}` : `T${caller}`
}

function deviceOf(info: StructRecord<keyof (typeof INFO)['members']>): {
  readonly subsystem?: string
  readonly device?: string
} {
  const subsystem = info.text('subsystem') ?? ''
  const device = info.text('device') ?? ''
  return { ...(subsystem === '' ? {} : { subsystem }), ...(device === '' ? {} : { device }) }
}
