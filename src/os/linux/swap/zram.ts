/** Pages in a zram disk (drivers/block/zram/zram_drv.c), by its driver's own types. */
import type { PhysicalMemory } from '../../../core/memory.js'
import type { TypeTable } from '../../../symbols/contract.js'
import { structSpec } from '../../struct/layout.js'
import { StructReader } from '../../struct/reader.js'
import type { StructRecord } from '../../struct/record.js'
import type { LinuxKernel } from '../kernel.js'
import { moduleTypes } from '../module-types.js'
import { searchModuleTypes } from '../module-types-search.js'
import { findPageStructs } from '../page/page-structs.js'
import { decompressPage } from './decompress.js'
import { Zsmalloc } from './zsmalloc.js'

const ZRAM = structSpec('zram', {
  table: 'table',
  pool: 'mem_pool',
  bytes: 'disksize',
  compressor: 'compressor',
  compressors: 'comp_algs',
  single: 'comp',
  streams: 'comps',
})
const ENTRY = structSpec('zram_table_entry', { handle: 'handle', flags: ['flags', 'attr.flags'] })
const STREAM = structSpec('zcomp', { name: 'name' })

/** Flags of an entry, as the driver's own types number them; the size stands below the lowest. */
interface Flags {
  readonly sizeBits: number
  readonly same: number
  readonly huge: number
  readonly writtenBack: number
  readonly priority: number
}

/** A page of a zram disk, or why there is none. */
export type ZramPage =
  | { readonly kind: 'page'; readonly bytes: Uint8Array; readonly compressor: string }
  /** `empty`: nothing stored. `written-back`: on the disk behind. `unsupported`: its compressor. `broken`: not found, or doesn't decompress. */
  | { readonly kind: 'none'; readonly reason: 'empty' | 'written-back' | 'unsupported' | 'broken' }

const MAX_NAME_BYTES = 64
/** A structure that only the allocator has. */
const ZSMALLOC_TYPE = 'size_class'

/** A zram disk of a guest. */
export class ZramDisk {
  readonly #reader: StructReader
  readonly #zram: StructRecord<keyof (typeof ZRAM)['members']>
  readonly #flags: Flags
  readonly #objects: Zsmalloc
  readonly #pageBytes: number

  private constructor(
    reader: StructReader,
    zram: StructRecord<keyof (typeof ZRAM)['members']>,
    flags: Flags,
    objects: Zsmalloc,
    pageBytes: number,
  ) {
    this.#reader = reader
    this.#zram = zram
    this.#flags = flags
    this.#objects = objects
    this.#pageBytes = pageBytes
  }

  /**
   * Opens the disk whose `struct zram` stands at `address`. Undefined where the kernel keeps no types of the driver, or its frames'
   * descriptions were not found.
   */
  static open(kernel: LinuxKernel, memory: PhysicalMemory, address: bigint): ZramDisk | undefined {
    const kernelReader = new StructReader(kernel)
    const { types, allocator } = driverTypes(kernel, memory, kernelReader)
    const pages = findPageStructs(kernel, kernelReader)
    if (types === undefined || allocator === undefined || pages === undefined) return undefined
    const reader = new StructReader({ memory: kernel.memory, types })
    const zram = reader.record(ZRAM, address)
    const number = (...names: readonly string[]): number =>
      names.map(name => types.enumerator(name)).find(value => value !== undefined) ?? -1
    const same = number('ZRAM_SAME')
    const lowest = Math.min(...[same, number('ZRAM_LOCK'), number('ZRAM_ENTRY_LOCK')].filter(bit => bit > 0))
    if (zram === undefined || same < 0 || !Number.isFinite(lowest)) return undefined
    const flags = {
      sizeBits: lowest,
      same,
      huge: number('ZRAM_HUGE'),
      writtenBack: number('ZRAM_WB'),
      priority: number('ZRAM_COMP_PRIORITY_BIT1'),
    }
    const pageBytes = 2 ** kernel.paging.pageShift
    const objects = new Zsmalloc({ reader, types: allocator, memory, pages, pageBytes })
    return new ZramDisk(reader, zram, flags, objects, pageBytes)
  }

  /** The page of the disk with that index. */
  page(index: number): ZramPage {
    const table = this.#zram.link('table')
    const pool = this.#zram.link('pool')
    const pages = Math.ceil((this.#zram.number('bytes') ?? 0) / this.#pageBytes)
    if (table === undefined || pool === undefined || index < 0 || index >= pages) return none('broken')
    const entrySize = this.#reader.layout(ENTRY).sizeBytes
    const entry = this.#reader.record(ENTRY, table + BigInt(index) * BigInt(entrySize))
    const flags = entry?.bigint('flags')
    const handle = entry?.bigint('handle')
    if (flags === undefined || handle === undefined) return none('broken')
    const has = (bit: number): boolean => bit >= 0 && ((flags >> BigInt(bit)) & 1n) === 1n
    if (has(this.#flags.same)) return this.#same(handle)
    if (has(this.#flags.writtenBack)) return none('written-back')
    const size = Number(BigInt.asUintN(this.#flags.sizeBits, flags))
    if (handle === 0n || size === 0) return none('empty')
    const stored = this.#objects.object(pool, handle, size)
    if (stored === undefined) return none('broken')
    if (has(this.#flags.huge) || size === this.#pageBytes)
      return size === this.#pageBytes ? { kind: 'page', bytes: stored, compressor: 'none' } : none('broken')
    const priority = this.#flags.priority < 0 ? 0 : Number((flags >> BigInt(this.#flags.priority)) & 3n)
    const compressor = this.#compressor(priority)
    if (compressor === undefined) return none('unsupported')
    const bytes = decompressPage(compressor, stored, this.#pageBytes)
    return bytes === undefined ? none('broken') : { kind: 'page', bytes, compressor }
  }

  /** One word, over and over. */
  #same(word: bigint): ZramPage {
    const bytes = new Uint8Array(this.#pageBytes)
    const view = new DataView(bytes.buffer)
    const width = this.#reader.pointerBytes
    for (let at = 0; at < bytes.length; at += width) {
      if (width === 8) view.setBigUint64(at, word, true)
      else view.setUint32(at, Number(BigInt.asUintN(32, word)), true)
    }
    return { kind: 'page', bytes, compressor: 'same' }
  }

  /** Name of the compressor of that priority: one a disk until 6.1, several later. */
  #compressor(priority: number): string | undefined {
    const text = this.#zram.text('compressor')
    if (text !== undefined && text !== '') return text
    const width = BigInt(this.#reader.pointerBytes)
    const names = this.#zram.addressOf('compressors')
    const name = names === undefined ? undefined : this.#reader.pointer(names + BigInt(priority) * width)
    if (name !== undefined && name !== 0n) return this.#reader.text(name, MAX_NAME_BYTES)
    const streams = this.#zram.addressOf('streams')
    const stream =
      this.#zram.link('single') ??
      (streams === undefined ? undefined : this.#reader.pointer(streams + BigInt(priority) * width))
    const own = stream === undefined ? undefined : this.#reader.record(STREAM, stream)?.link('name')
    return own === undefined ? undefined : this.#reader.text(own, MAX_NAME_BYTES)
  }
}

function none(reason: Extract<ZramPage, { kind: 'none' }>['reason']): ZramPage {
  return { kind: 'none', reason }
}

/** Types of the driver and of its allocator: the kernel's own where they are built in, else the modules'. */
function driverTypes(
  kernel: LinuxKernel,
  memory: PhysicalMemory,
  reader: StructReader,
): { readonly types: TypeTable | undefined; readonly allocator: TypeTable | undefined } {
  const listed = (module: string, structure: string): TypeTable | undefined =>
    kernel.types.sizeOf(structure) === undefined ? moduleTypes(kernel, module, reader) : kernel.types
  const types = listed('zram', ENTRY.type)
  const allocator = listed('zsmalloc', ZSMALLOC_TYPE)
  if (types !== undefined && allocator !== undefined) return { types, allocator }
  const [driver, objects] = searchModuleTypes(memory, [ENTRY.type, ZSMALLOC_TYPE])
  return { types: types ?? driver, allocator: allocator ?? objects }
}
