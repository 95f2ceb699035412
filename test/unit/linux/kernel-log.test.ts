import { expect, test } from 'vitest'
import { kernelLog } from '../../../src/os/linux/dmesg.js'
import type { LinuxKernel } from '../../../src/os/linux/kernel.js'
import { vmcoreinfoTypes, withVmcoreinfo } from '../../../src/os/linux/vmcoreinfo-tables.js'
import { parseVmcoreinfo } from '../../../src/symbols/vmcoreinfo.js'
import { KernelMemory, symbolsOf, typesOf } from '../../images/kernel-memory.js'

const PRB = 0xffff_ffff_8200_0000n
const RING = 0xffff_ffff_8200_1000n
const DESCRIPTORS = 0xffff_ffff_8210_0000n
const INFOS = 0xffff_ffff_8220_0000n
const TEXT = 0xffff_ffff_8230_0000n

/** As 6.1 has them on x86-64, in the words of VMCOREINFO. */
const VMCOREINFO = `OSRELEASE=6.1.0
SYMBOL(prb)=${PRB.toString(16)}
SIZE(printk_ringbuffer)=88
OFFSET(printk_ringbuffer.desc_ring)=0
OFFSET(printk_ringbuffer.text_data_ring)=48
OFFSET(prb_desc_ring.count_bits)=0
OFFSET(prb_desc_ring.descs)=8
OFFSET(prb_desc_ring.infos)=16
OFFSET(prb_desc_ring.head_id)=24
OFFSET(prb_desc_ring.tail_id)=32
SIZE(prb_desc)=24
OFFSET(prb_desc.state_var)=0
OFFSET(prb_desc.text_blk_lpos)=8
OFFSET(prb_data_blk_lpos.begin)=0
OFFSET(prb_data_blk_lpos.next)=8
SIZE(printk_info)=88
OFFSET(printk_info.seq)=0
OFFSET(printk_info.ts_nsec)=8
OFFSET(printk_info.text_len)=16
OFFSET(printk_info.caller_id)=20
OFFSET(printk_info.dev_info)=24
OFFSET(dev_printk_info.subsystem)=0
LENGTH(printk_info_subsystem)=16
OFFSET(dev_printk_info.device)=16
LENGTH(printk_info_device)=48
OFFSET(prb_data_ring.size_bits)=0
OFFSET(prb_data_ring.data)=8
`

const FINALIZED = 2n
const COMMITTED = 1n
const RESERVED = 0n

/** A ring of `2^bits` records and `2^textBits` bytes, written as the kernel does. */
class Log {
  readonly memory = new KernelMemory(8)
  readonly #count: bigint
  readonly #size: bigint
  #position: bigint
  #id: bigint
  readonly #first: bigint

  constructor(bits = 3, textBits = 8, position = 0n, id = 0n) {
    this.#count = 1n << BigInt(bits)
    this.#size = 1n << BigInt(textBits)
    this.#position = position
    this.#id = id
    this.#first = id
    this.memory.pointer(PRB, RING)
    this.memory.number(RING, bits, 4)
    this.memory.pointer(RING + 8n, DESCRIPTORS)
    this.memory.pointer(RING + 16n, INFOS)
    this.memory.number(RING + 48n, textBits, 4)
    this.memory.pointer(RING + 56n, TEXT)
    this.memory.write(DESCRIPTORS, new Uint8Array(Number(this.#count) * 24))
    this.memory.write(INFOS, new Uint8Array(Number(this.#count) * 88))
    this.memory.write(TEXT, new Uint8Array(Number(this.#size)))
    this.ends(id, id)
  }

  ends(tail: bigint, head: bigint): void {
    this.memory.pointer(RING + 24n, head)
    this.memory.pointer(RING + 32n, tail)
  }

  add(text: string, state = FINALIZED, device = ''): void {
    const id = this.#id++
    const slot = id % this.#count
    const bytes = Buffer.from(text)
    const block = BigInt(Math.ceil((8 + bytes.length) / 8) * 8)
    let begin = this.#position
    // a block that would pass the end stands at the start, and begins logically where it would have
    const wraps = (begin % this.#size) + block > this.#size
    const at = wraps ? 0n : begin % this.#size
    const next = wraps ? begin - (begin % this.#size) + this.#size + block : begin + block
    if (bytes.length === 0) begin = 1n
    else {
      this.memory.number(TEXT + at, id, 8)
      this.memory.write(TEXT + at + 8n, bytes)
      this.#position = next
    }
    const descriptor = DESCRIPTORS + slot * 24n
    this.memory.number(descriptor, (state << 62n) | id, 8)
    this.memory.number(descriptor + 8n, begin, 8)
    this.memory.number(descriptor + 16n, bytes.length === 0 ? 1n : next, 8)
    const info = INFOS + slot * 88n
    this.memory.number(info, id, 8)
    this.memory.number(info + 8n, id * 1_000_001_000n, 8)
    this.memory.number(info + 16n, bytes.length, 2)
    this.memory.number(info + 18n, 1, 1)
    this.memory.number(info + 19n, 6 << 5, 1)
    this.memory.number(info + 20n, id === 1n ? 0x8000_0002 : 7, 4)
    this.memory.text(info + 40n, device)
    const held = this.#id - this.#count
    this.ends(held > this.#first ? held : this.#first, id)
  }

  kernel(): LinuxKernel {
    const bare = { symbols: symbolsOf({}), types: typesOf({}), memory: this.memory } as unknown as LinuxKernel
    return withVmcoreinfo(bare, parseVmcoreinfo(VMCOREINFO))
  }
}

test('records come oldest first, with time, level, facility, caller and device', () => {
  const log = new Log()
  log.add('first\nline')
  log.add('second', FINALIZED, 'sda')
  expect(kernelLog(log.kernel())).toEqual({
    items: [
      { sequence: 0, seconds: 0, level: 6, facility: 1, caller: 'T7', text: 'first\nline', complete: true },
      {
        sequence: 1,
        seconds: 1.000001,
        level: 6,
        facility: 1,
        caller: 'C2',
        text: 'second',
        device: 'sda',
        complete: true,
      },
    ],
    problems: [],
  })
})

test('a ring that went round many times gives its last records, whose texts may pass the end', () => {
  const log = new Log()
  for (let i = 0; i < 1000; i++) log.add(`record ${i} `.padEnd(10 + (i % 23), '.'))
  const { items, problems } = kernelLog(log.kernel())
  expect(items.map(({ sequence }) => sequence)).toEqual([992, 993, 994, 995, 996, 997, 998, 999])
  expect(problems).toEqual([])
  for (const { text, sequence } of items) expect(text.startsWith(`record ${sequence} `)).toBe(true)
})

test('numbers that pass the end of a word go on at zero', () => {
  const last = (1n << 62n) - 2n
  const log = new Log(3, 12, 0n, last)
  log.add('one')
  log.add('two')
  // the third has number 0
  log.memory.number(DESCRIPTORS, FINALIZED << 62n, 8)
  log.memory.number(DESCRIPTORS + 8n, 32n, 8)
  log.memory.number(DESCRIPTORS + 16n, 48n, 8)
  log.memory.number(TEXT + 32n, 0, 8)
  log.memory.write(TEXT + 40n, Buffer.from('three'))
  log.memory.number(INFOS + 16n, 5, 2)
  log.ends(last, 0n)
  expect(kernelLog(log.kernel()).items.map(({ text }) => text)).toEqual(['one', 'two', 'three'])
})

test('a record that is being written is left out, one that may still grow is marked', () => {
  const log = new Log()
  log.add('done')
  log.add('growing', COMMITTED)
  log.add('being written', RESERVED)
  expect(kernelLog(log.kernel()).items.map(({ text, complete }) => [text, complete])).toEqual([
    ['done', true],
    ['growing', false],
  ])
})

test('an empty record has an empty text', () => {
  const log = new Log()
  log.add('')
  expect(kernelLog(log.kernel()).items.map(({ text }) => text)).toEqual([''])
})

test('a text that belongs to another record is told, not shown', () => {
  const log = new Log()
  log.add('one')
  log.add('two')
  log.memory.number(TEXT, 77, 8)
  const { items, problems } = kernelLog(log.kernel())
  expect(items.map(({ text }) => text)).toEqual(['two'])
  expect(problems.map(({ kind }) => kind)).toEqual(['broken'])
})

test.each([
  ['descriptors', RING, 31],
  ['text', RING + 48n, 60],
] as const)('a ring of absurdly many %s is told, not read', (_what, at, bits) => {
  const log = new Log()
  log.add('one')
  log.memory.number(at, bits, 4)
  expect(kernelLog(log.kernel())).toMatchObject({ items: [], problems: [{ kind: 'broken' }] })
})

test('ends that are further apart than the ring give one turn of it', () => {
  const log = new Log()
  log.add('one')
  log.ends(0n, (1n << 61n) - 1n)
  const { items, problems } = kernelLog(log.kernel())
  expect(items.map(({ text }) => text)).toEqual(['one'])
  expect(problems.map(({ kind }) => kind)).toContain('broken')
})

test('garbage everywhere ends soon and throws nothing', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const log = new Log(6, 12)
    for (let i = 0; i < 100; i++) log.add(`record ${i}`)
    let state = seed
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
    for (const [at, size] of [
      [RING, 88],
      [DESCRIPTORS, 64 * 24],
      [INFOS, 64 * 88],
      [TEXT, 4096],
    ] as const)
      for (let i = random(6); i > 0; i--) log.memory.number(at + BigInt(random(size - 1)), random(256), 1)
    expect(kernelLog(log.kernel()).items.length).toBeLessThanOrEqual(2 ** 20)
  }
})

test('without a symbol that names the log, that is said', () => {
  const kernel = { symbols: symbolsOf({}), types: typesOf({}), memory: new KernelMemory() }
  expect(kernelLog(kernel as unknown as LinuxKernel)).toMatchObject({
    items: [],
    problems: [{ kind: 'unknown' }],
  })
})

test('types of the kernel go before what VMCOREINFO says', () => {
  const types = typesOf({ printk_info: { bytes: 100, members: { seq: [8, 8] } } })
  const joined = vmcoreinfoTypes(types, parseVmcoreinfo(VMCOREINFO), 8)
  expect(joined.sizeOf('printk_info')).toBe(100)
  expect(joined.member('printk_info', 'seq')?.offset).toBe(8)
  expect(joined.member('printk_info', 'level')).toEqual({
    offset: 19,
    bytes: 1,
    bits: { first: 5, count: 3 },
  })
  expect(joined.member('printk_info', 'no such member')).toBeUndefined()
})

/** The log before 5.10. */
function oldLog(records: readonly string[], first = 0, size = 512) {
  const memory = new KernelMemory(8)
  const symbols = {
    log_buf: 0x100n,
    log_buf_len: 0x108n,
    log_first_idx: 0x10cn,
    log_next_idx: 0x110n,
    log_first_seq: 0x118n,
  }
  const at = Object.fromEntries(
    Object.entries(symbols).map(([name, offset]) => [name, 0xffff_ffff_8200_0000n + offset]),
  )
  const buffer = 0xffff_ffff_8300_0000n
  memory.write(buffer, new Uint8Array(size))
  memory.pointer(at['log_buf'] as bigint, buffer)
  memory.number(at['log_buf_len'] as bigint, size, 4)
  memory.number(at['log_first_idx'] as bigint, first, 4)
  memory.number(at['log_first_seq'] as bigint, 5, 8)
  let place = first
  for (const text of records) {
    const length = Math.ceil((16 + text.length + 13) / 8) * 8
    if (place + length + 16 > size) place = 0
    const head = buffer + BigInt(place)
    memory.number(head, 2_000_000_000, 8)
    memory.number(head + 8n, length, 2)
    memory.number(head + 10n, text.length, 2)
    memory.number(head + 12n, 13, 2)
    memory.number(head + 14n, 0, 1)
    memory.number(head + 15n, 4 << 5, 1)
    memory.write(head + 16n, Buffer.from(`${text}SUBSYSTEM=pci`))
    place += length
    memory.number(buffer + BigInt(place), 0, 16 - 8)
    memory.number(buffer + BigInt(place) + 8n, 0, 2)
  }
  memory.number(at['log_next_idx'] as bigint, place, 4)
  const types = typesOf({
    printk_log: {
      bytes: 16,
      members: { ts_nsec: [0, 8], len: [8, 2], text_len: [10, 2], dict_len: [12, 2], facility: [14, 1] },
    },
  })
  const info = parseVmcoreinfo('SIZE(printk_log)=16\nOFFSET(printk_log.dict_len)=12\n')
  const kernel = { symbols: symbolsOf(at), types: vmcoreinfoTypes(types, info, 8), memory }
  return { kernel: kernel as unknown as LinuxKernel, memory, buffer }
}

test('the older log is read record by record', () => {
  const { items, problems } = kernelLog(oldLog(['one', 'two words']).kernel)
  expect(problems).toEqual([])
  expect(items).toEqual([
    { sequence: 5, seconds: 2, level: 4, facility: 0, text: 'one', subsystem: 'pci', complete: true },
    { sequence: 6, seconds: 2, level: 4, facility: 0, text: 'two words', subsystem: 'pci', complete: true },
  ])
})

test('the older log goes on at the start of its buffer', () => {
  const { kernel } = oldLog(['before the end', 'at the start'], 448)
  expect(kernelLog(kernel).items.map(({ text }) => text)).toEqual(['before the end', 'at the start'])
})

test('a record of the older log that leads nowhere ends the list', () => {
  const { kernel, memory, buffer } = oldLog(['one', 'two'])
  memory.number(buffer + 32n + 8n, 0xffff, 2)
  const { items, problems } = kernelLog(kernel)
  expect(items.map(({ text }) => text)).toEqual(['one'])
  expect(problems.map(({ kind }) => kind)).toEqual(['broken'])
})
