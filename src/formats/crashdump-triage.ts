/**
 * Triage dumps ("minidumps" of a kernel crash): blocks of virtual memory, and some of the kernel's structures beside them. TRIAGE_DUMP32
 * and TRIAGE_DUMP64 stand behind the header (rizin format/dmp/dmp_specs.h; DUMP_UNLOADED_DRIVERS and MI_UNLOADED_DRIVERS as in
 * ntiodump.h, whose 32-bit and 64-bit forms differ in the width of addresses).
 */

import { type ByteSource, readExact } from '../core/bytes.js'
import { foldAddress } from '../core/folded-address.js'
import { corrupt } from './corrupt.js'
import type { TriageDriver, TriageFacts, UnloadedDriver } from './crashdump-facts.js'
import type { CrashHeader } from './crashdump-header.js'
import { ExtentBuilder } from './extents.js'
import type { ExtentTable } from './image.js'
import { resolveOverlaps } from './overlaps.js'

/** `TRGD`: stands at ValidOffset, at the very end, when the dump was written whole. */
const VALID = 0x44475254
/** Bounds on what the header may claim; real dumps have some hundreds of each. */
const MAX_BLOCKS = 1 << 18
const MAX_DRIVERS = 1 << 14
const MAX_UNLOADED = 50
const MAX_NAME_CHARS = 260
/** The largest structure kept: a KPRCB has some 48 KiB. */
const MAX_STRUCTURE_BYTES = 1 << 18

/** Offsets in the triage header that come behind the two 32-bit words both have at the same place. */
interface Layout {
  readonly dataPage: number
  readonly debuggerData: number
  readonly dataBlocks: number
  readonly headerBytes: number
  readonly blockBytes: number
  /** Of a driver's entry. */
  readonly driver: {
    readonly bytes: number
    readonly base: number
    readonly size: number
    readonly checksum: number
    readonly timestamp: number
  }
  /** Of an unloaded driver's entry: behind the count, its name's buffer, its addresses. */
  readonly unloaded: {
    readonly first: number
    readonly bytes: number
    readonly name: number
    readonly start: number
  }
  /** KPRCB.CurrentThread. */
  readonly currentThread: number
}

const NARROW: Layout = {
  dataPage: 0x4c,
  debuggerData: 0x58,
  dataBlocks: 0x60,
  headerBytes: 0x68,
  blockBytes: 12,
  driver: { bytes: 0x4c, base: 0x1c, size: 0x24, checksum: 0x44, timestamp: 0x48 },
  unloaded: { first: 4, bytes: 40, name: 8, start: 32 },
  currentThread: 4,
}
const WIDE: Layout = {
  dataPage: 0x60,
  debuggerData: 0x70,
  dataBlocks: 0x78,
  headerBytes: 0x80,
  blockBytes: 16,
  driver: { bytes: 0x90, base: 0x38, size: 0x48, checksum: 0x80, timestamp: 0x88 },
  unloaded: { first: 8, bytes: 56, name: 16, start: 40 },
  currentThread: 8,
}

/** A triage dump's virtual memory, at folded addresses, and the rest of it. */
export interface Triage {
  readonly extents: ExtentTable
  readonly facts: TriageFacts
}

/**
 * Reads a triage dump. Parts that lie outside the file are left out with a warning.
 * @throws VmsiftError `image-corrupt` when its header is cut short, or claims more than any dump has.
 */
export function readTriage(source: ByteSource, header: CrashHeader, warnings: string[]): Triage {
  const layout = header.bits === 64 ? WIDE : NARROW
  return new TriageReader(source, header, layout, warnings).read()
}

class TriageReader {
  readonly #source: ByteSource
  readonly #header: CrashHeader
  readonly #layout: Layout
  readonly #warnings: string[]
  readonly #bytes: Buffer

  constructor(source: ByteSource, header: CrashHeader, layout: Layout, warnings: string[]) {
    this.#source = source
    this.#header = header
    this.#layout = layout
    this.#warnings = warnings
    this.#bytes = readExact(source, header.headerBytes, layout.headerBytes, 'triage dump header')
  }

  read(): Triage {
    if (this.#part(this.#word(8), 4)?.readUInt32LE(0) !== VALID)
      this.#warnings.push('the triage dump has no end mark: it was cut short')
    const prcb = this.#structure(this.#word(0x1c))
    const thread = this.#structure(this.#word(0x24))
    const process = this.#structure(this.#word(0x20))
    const { debuggerData: at } = this.#layout
    const debuggerData = this.#part(this.#word(at), Math.min(this.#word(at + 4), MAX_STRUCTURE_BYTES))
    const topOfStack = this.#pointer(0x48)
    return {
      extents: this.#blocks(prcb, thread),
      facts: {
        ...(prcb && { prcb }),
        ...(process && { process }),
        ...(thread && { thread }),
        ...(debuggerData && { debuggerData }),
        ...(topOfStack !== 0n && { topOfStack }),
        drivers: this.#drivers(),
        unloadedDrivers: this.#unloaded(),
        dataBlocks: this.#word(this.#layout.dataBlocks + 4),
      },
    }
  }

  #word(at: number): number {
    return this.#bytes.readUInt32LE(at)
  }

  #pointer(at: number): bigint {
    return this.#address(this.#bytes, at)
  }

  #address(bytes: Buffer, at: number): bigint {
    return this.#header.bits === 64 ? bytes.readBigUInt64LE(at) : BigInt(bytes.readUInt32LE(at))
  }

  /** Bytes of the file; undefined where there are none, or offset 0, which stands for none. */
  #part(offset: number, length: number): Buffer | undefined {
    if (offset === 0 || length === 0 || offset + length > this.#source.size) return undefined
    return readExact(this.#source, offset, length, 'part of a triage dump')
  }

  /** A structure whose length nothing tells: it ends where the next part starts. */
  #structure(offset: number): Uint8Array | undefined {
    if (offset === 0) return undefined
    const { debuggerData, dataBlocks, dataPage } = this.#layout
    const starts = [8, 0xc, 0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x28, 0x30, 0x38, debuggerData, dataBlocks]
    const next = [...starts.map(at => this.#word(at)), this.#dataPageOffset(dataPage), this.#source.size]
      .filter(each => each > offset)
      .reduce((least, each) => Math.min(least, each), offset + MAX_STRUCTURE_BYTES)
    return this.#part(offset, next - offset)
  }

  #dataPageOffset(at: number): number {
    return this.#word(at + this.#header.bits / 8)
  }

  /** The blocks that the table lists, and those that only the header speaks of; the first speaks for the bytes that several have. */
  #blocks(prcb: Uint8Array | undefined, thread: Uint8Array | undefined): ExtentTable {
    const { blockBytes, dataBlocks, dataPage, debuggerData, currentThread } = this.#layout
    const pointerBytes = this.#header.bits / 8
    const [tableAt, count] = [this.#word(dataBlocks), this.#word(dataBlocks + 4)]
    if (count > MAX_BLOCKS)
      throw corrupt(`triage dump claims ${count} data blocks, at most ${MAX_BLOCKS} can be`, { count })
    const blocks: Block[] = []
    const add = (va: bigint, offset: number, length: number): void => {
      if (offset !== 0 && length !== 0) blocks.push({ va, offset, length })
    }
    const there = Math.max(0, Math.min(count, Math.floor((this.#source.size - tableAt) / blockBytes)))
    if (there < count)
      this.#warnings.push(`${count - there} data blocks of the triage dump are behind its end`)
    const table = this.#part(tableAt, there * blockBytes)
    for (let at = 0; table !== undefined && at < table.length; at += blockBytes)
      add(
        this.#address(table, at),
        table.readUInt32LE(at + pointerBytes),
        table.readUInt32LE(at + pointerBytes + 4),
      )
    const { debuggerDataBlock } = this.#header.facts
    if (debuggerDataBlock !== undefined)
      add(debuggerDataBlock, this.#word(debuggerData), this.#word(debuggerData + 4))
    add(this.#pointer(0x48), this.#word(0x28), this.#word(0x2c))
    const page = dataPage + pointerBytes
    add(this.#pointer(dataPage), this.#word(page), this.#word(page + 4))
    if (prcb !== undefined && thread !== undefined && prcb.length >= currentThread + 8)
      add(this.#address(Buffer.from(prcb), currentThread), this.#word(0x24), thread.length)
    return this.#resolve(blocks)
  }

  #resolve(blocks: readonly Block[]): ExtentTable {
    const starts = new Float64Array(blocks.length)
    const lengths = new Float64Array(blocks.length)
    let odd = 0
    blocks.forEach(({ va, length, offset }, i) => {
      const first = foldAddress(va)
      const last = foldAddress(va + BigInt(length - 1))
      const fits = first !== undefined && last !== undefined && last - first === length - 1
      if (!fits || offset >= this.#source.size) odd++
      else {
        starts[i] = first
        lengths[i] = length
      }
    })
    if (odd > 0)
      this.#warnings.push(
        `${odd} data blocks of the triage dump have no address or no bytes, and are left out`,
      )
    const builder = new ExtentBuilder()
    resolveOverlaps(starts, lengths, 'first', (index, start, length) => {
      builder.add(start, length, (blocks[index] as Block).offset + start - (starts[index] as number))
    })
    return builder.table()
  }

  #drivers(): TriageDriver[] {
    const { bytes, base, size, checksum, timestamp } = this.#layout.driver
    const count = this.#word(0x34)
    const table = this.#list('drivers', this.#word(0x30), count, MAX_DRIVERS, bytes)
    const drivers: TriageDriver[] = []
    for (let at = 0; at < table.length; at += bytes)
      drivers.push({
        name: this.#string(table.readUInt32LE(at)),
        base: this.#address(table, at + base),
        size: table.readUInt32LE(at + size),
        timestamp: table.readUInt32LE(at + timestamp),
        checksum: table.readUInt32LE(at + checksum),
      })
    return drivers
  }

  #unloaded(): UnloadedDriver[] {
    const { first, bytes, name, start } = this.#layout.unloaded
    const offset = this.#word(0x18)
    const count = this.#part(offset, 4)?.readUInt32LE(0) ?? 0
    const table = this.#list('unloaded drivers', offset + first, count, MAX_UNLOADED, bytes)
    const drivers: UnloadedDriver[] = []
    for (let at = 0; at < table.length; at += bytes)
      drivers.push({
        // UNICODE_STRING.Length, of which the entry keeps 24 bytes
        name: table.toString('utf16le', at + name, at + name + Math.min(24, table.readUInt16LE(at) & ~1)),
        start: this.#address(table, at + start),
        end: this.#address(table, at + start + this.#header.bits / 8),
      })
    return drivers
  }

  /** A table's bytes, as many entries as there are and can be. */
  #list(what: string, offset: number, count: number, most: number, entryBytes: number): Buffer {
    const there = Math.max(0, Math.floor((this.#source.size - offset) / entryBytes))
    const taken = Math.min(count, most, there)
    if (taken < count) this.#warnings.push(`${count - taken} ${what} of the triage dump can't be read`)
    return this.#part(offset, taken * entryBytes) ?? Buffer.alloc(0)
  }

  /** DUMP_STRING: how many characters, then UTF-16. */
  #string(offset: number): string {
    const chars = this.#part(offset, 4)?.readUInt32LE(0) ?? 0
    const text = this.#part(offset + 4, Math.min(chars, MAX_NAME_CHARS) * 2)
    return text?.toString('utf16le') ?? ''
  }
}

interface Block {
  readonly va: bigint
  readonly offset: number
  readonly length: number
}
