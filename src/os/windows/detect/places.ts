/** Where the kernel keeps its lists: what it exports, what its debugger block says, and what the data itself shows. */
import type { VirtualMemory } from '../../../core/virtual-memory.js'
import type { SymbolTable, TypeTable } from '../../../symbols/contract.js'
import { StructReader } from '../../struct/reader.js'
import { packedAddress, SHIFT_8, SHIFT_SINCE_81 } from '../handle-table.js'
import type { KernelPlace, KernelPlaces } from '../kernel.js'
import { PAGE_FILES, PAGING_FILE } from '../page-files.js'
import { type PeImage, presentBytes } from '../pe/image.js'
import { BLOCK, blockAddress, blockAt, blockPlaces, type DebuggerBlock } from './debugger-block.js'

/** Bytes of sections that are searched in all. */
const MAX_SEARCHED_BYTES = 64 << 20
const PIECE_BYTES = 1 << 20
const MAX_RING = 1 << 14
/** Words that are looked at closer. */
const MAX_LOOKS = 1 << 16

interface FoundBlock {
  readonly place: KernelPlace
  readonly block: DebuggerBlock
}

/** Finds the places of a kernel. */
export class PlaceFinder implements KernelPlaces {
  readonly currentProcess?: KernelPlace
  readonly systemProcess?: KernelPlace
  readonly processHead?: KernelPlace
  readonly moduleHead?: KernelPlace
  readonly #memory: VirtualMemory
  readonly #pe: PeImage
  readonly #symbols: SymbolTable
  readonly #reader: StructReader
  readonly #wide: boolean
  readonly #told: KernelPlaces
  #cidTable: KernelPlace | undefined
  #typeTable: KernelPlace | undefined
  #block: FoundBlock | undefined
  #searchedBlock = false
  #searchedCid = false
  #searchedTypes = false
  #pagingFiles: KernelPlace | undefined
  #searchedFiles = false
  readonly #types: TypeTable

  /** `told`: what is known already, from a dump's header or an earlier run. */
  constructor(
    memory: VirtualMemory,
    pe: PeImage,
    symbols: SymbolTable,
    types: TypeTable,
    told: KernelPlaces = {},
  ) {
    this.#memory = memory
    this.#pe = pe
    this.#symbols = symbols
    this.#wide = memory.pointerBytes === 8
    this.#reader = new StructReader({ memory, types })
    this.#told = told
    this.#types = types
    this.#pagingFiles = told.pagingFiles
    if (told.currentProcess !== undefined) this.currentProcess = told.currentProcess
    const system = told.systemProcess ?? this.#pointed('PsInitialSystemProcess')
    if (system !== undefined) this.systemProcess = system
    const links = types.member('_EPROCESS', 'ActiveProcessLinks')?.offset
    const processes =
      told.processHead ??
      this.#symbol('PsActiveProcessHead') ??
      this.#inBlock(BLOCK.processHead) ??
      (system === undefined || links === undefined
        ? undefined
        : this.#headOfRing(system.address + BigInt(links)))
    if (processes !== undefined) this.processHead = processes
    const modules =
      told.moduleHead ??
      this.#symbol('PsLoadedModuleList') ??
      this.#inBlock(BLOCK.moduleHead) ??
      this.#findModules()
    if (modules !== undefined) this.moduleHead = modules
    this.#cidTable = told.cidTable ?? this.#symbol('PspCidTable')
    this.#typeTable = told.typeTable ?? this.#symbol('ObTypeIndexTable')
  }

  get kdbg(): KernelPlace | undefined {
    return this.#foundBlock?.place
  }

  /** The debugger's block in the clear. */
  get block(): DebuggerBlock | undefined {
    return this.#foundBlock?.block
  }

  get #foundBlock(): FoundBlock | undefined {
    if (!this.#searchedBlock) {
      this.#searchedBlock = true
      const told = this.#told.kdbg
      this.#block =
        told === undefined
          ? (this.#knownBlock(this.#symbol('KdDebuggerDataBlock')) ?? this.#findBlock())
          : this.#knownBlock(told)
    }
    return this.#block
  }

  get cidTable(): KernelPlace | undefined {
    if (this.#cidTable === undefined && !this.#searchedCid) {
      this.#searchedCid = true
      this.#cidTable = this.#inBlock(BLOCK.cidTable) ?? this.#findCidTable()
    }
    return this.#cidTable
  }

  get typeTable(): KernelPlace | undefined {
    if (this.#typeTable === undefined && !this.#searchedTypes) {
      this.#searchedTypes = true
      this.#typeTable = this.#findTypeTable()
    }
    return this.#typeTable
  }

  get pagingFiles(): KernelPlace | undefined {
    if (this.#pagingFiles === undefined && !this.#searchedFiles) {
      this.#searchedFiles = true
      this.#pagingFiles = this.#filesOfPartition() ?? this.#findPagingFiles()
    }
    return this.#pagingFiles
  }

  /** What was found, as plain data. */
  known(): KernelPlaces {
    const { currentProcess, systemProcess, processHead, moduleHead } = this
    const kdbg = this.#searchedBlock ? this.kdbg : this.#told.kdbg
    return {
      ...(currentProcess && { currentProcess }),
      ...(kdbg && { kdbg }),
      ...(systemProcess && { systemProcess }),
      ...(processHead && { processHead }),
      ...(moduleHead && { moduleHead }),
      ...(this.#cidTable && { cidTable: this.#cidTable }),
      ...(this.#typeTable && { typeTable: this.#typeTable }),
      ...(this.#pagingFiles && { pagingFiles: this.#pagingFiles }),
    }
  }

  /** Whether there is more to keep than there was. */
  get learnt(): number {
    const count = (places: KernelPlaces) => Object.keys(places).length
    return count(this.known()) - count(this.#told)
  }

  #symbol(name: string): KernelPlace | undefined {
    const address = this.#symbols.addressOf(name)
    return address === undefined ? undefined : { address, from: this.#symbols.source }
  }

  /** What a variable points to. */
  #pointed(name: string): KernelPlace | undefined {
    const variable = this.#symbols.addressOf(name)
    const address = variable === undefined ? undefined : this.#reader.pointer(variable)
    if (address === undefined || !this.#reader.isKernelAddress(address)) return undefined
    return { address, from: this.#symbols.source }
  }

  /** The block at a place that something tells. */
  #knownBlock(place: KernelPlace | undefined): FoundBlock | undefined {
    const block = place === undefined ? undefined : blockAt(this.#memory, this.#pe, place.address)
    return place === undefined || block === undefined ? undefined : { place, block }
  }

  #inBlock(at: number): KernelPlace | undefined {
    const { block } = this
    if (block === undefined || at + 8 > block.bytes.length) return undefined
    const address = blockAddress(block, at, this.#wide)
    return this.#isInImage(address) ? { address, from: 'kdbg' } : undefined
  }

  #isInImage(address: bigint): boolean {
    return address >= this.#pe.base && address < this.#pe.base + BigInt(this.#pe.sizeBytes)
  }

  #findBlock(): FoundBlock | undefined {
    for (const { address, bytes } of this.#data(BLOCK.kernelBase + 8))
      for (const at of blockPlaces(bytes, this.#pe, this.#wide)) {
        const block = blockAt(this.#memory, this.#pe, address + BigInt(at))
        if (block === undefined) continue
        return { block, place: { address: block.address, from: block.encoded ? 'kdbg, encoded' : 'kdbg' } }
      }
    return undefined
  }

  /** The node of the ring that lies in the kernel's image is its head. */
  #headOfRing(node: bigint): KernelPlace | undefined {
    let at: bigint | undefined = node
    for (let i = 0; i < MAX_RING && at !== undefined; i++) {
      if (this.#isInImage(at)) return { address: at, from: 'list' }
      at = this.#reader.pointer(at)
      if (at === node || at === undefined || !this.#reader.isKernelAddress(at)) return undefined
    }
    return undefined
  }

  /** A list head in the kernel's data whose first entry is that of the kernel itself. */
  #findModules(): KernelPlace | undefined {
    const reader = this.#reader
    const offset = BigInt(this.#wide ? 0x30 : 0x18)
    return this.#search((value, address) => {
      if (this.#isInImage(value) || reader.pointer(value + offset) !== this.#pe.base) return false
      return reader.pointer(value + BigInt(reader.pointerBytes)) === address
    })
  }

  /** A pointer in the kernel's data to a table of handles whose entry 4 leads to the System process. */
  #findCidTable(): KernelPlace | undefined {
    const system = this.systemProcess?.address
    const code = this.#reader.types.member('_HANDLE_TABLE', 'TableCode')?.offset
    if (system === undefined || code === undefined) return undefined
    const { pointerBytes } = this.#reader
    return this.#search(value => {
      if (this.#isInImage(value)) return false
      let table = this.#reader.pointer(value + BigInt(code))
      for (
        let level = table === undefined ? 0 : Number(table & 3n);
        level > 0 && table !== undefined;
        level--
      )
        table = this.#reader.pointer(table & ~3n)
      if (table === undefined || !this.#reader.isKernelAddress(table)) return false
      const entry = this.#reader.pointer((table & ~3n) + BigInt(2 * pointerBytes))
      if (entry === undefined) return false
      if ((entry & ~7n) === system) return true
      return this.#wide && [SHIFT_8, SHIFT_SINCE_81].some(shift => packedAddress(entry, shift) === system)
    })
  }

  /** The array in the kernel's data that has the types of processes and threads at their own indices. */
  #findTypeTable(): KernelPlace | undefined {
    const index = this.#reader.types.member('_OBJECT_TYPE', 'Index')?.offset
    const [process, thread] = ['PsProcessType', 'PsThreadType'].map(name => this.#pointed(name)?.address)
    if (index === undefined || process === undefined || thread === undefined) return undefined
    const indexOf = (type: bigint) => presentBytes(this.#memory, type + BigInt(index), 1)?.[0]
    const [processIndex, threadIndex] = [indexOf(process), indexOf(thread)]
    if (processIndex === undefined || threadIndex === undefined || processIndex === threadIndex)
      return undefined
    const { pointerBytes } = this.#reader
    const back = BigInt(processIndex * pointerBytes)
    const found = this.#search((value, address) => {
      if (value !== process) return false
      return this.#reader.pointer(address - back + BigInt(threadIndex * pointerBytes)) === thread
    })
    return found === undefined ? undefined : { address: found.address - back, from: found.from }
  }

  /** With a symbol file. */
  #filesOfPartition(): KernelPlace | undefined {
    const partition = this.#symbols.addressOf('MiSystemPartition')
    const visible = this.#types.member('_MI_PARTITION', 'Vp')?.offset
    const files = this.#types.member('_MI_VISIBLE_PARTITION', 'PagingFile')?.offset
    if (partition === undefined || visible === undefined || files === undefined) return undefined
    return { address: partition + BigInt(visible + files), from: this.#symbols.source }
  }

  /** An array in the kernel's data, behind how many there are, of page files each of which says its index. */
  #findPagingFiles(): KernelPlace | undefined {
    if (!this.#wide) return undefined
    const reader = this.#reader
    return this.#search((_, address) => {
      const count = presentBytes(this.#memory, address - BigInt(PAGING_FILE.count), 4)?.readUInt32LE(0) ?? 0
      if (count < 2 || count > PAGE_FILES) return false
      let stores = 0
      const files = reader.pointers(address, PAGE_FILES)
      for (const [index, file] of files.entries()) {
        if (index >= count) {
          if (file !== 0n) return false
          continue
        }
        if (file === undefined || !reader.isKernelAddress(file) || this.#isInImage(file)) return false
        const flags = reader.bytes(file + BigInt(PAGING_FILE.flags), 1)?.[0]
        if (flags === undefined || (flags & PAGING_FILE.numberMask) !== index) return false
        if ((flags & PAGING_FILE.storeBit) !== 0) stores++
      }
      // without one, next to nothing tells such an array from others
      return stores === 1
    })
  }

  /** The first word of the kernel's data that is a pointer and passes. */
  #search(passes: (value: bigint, address: bigint) => boolean): KernelPlace | undefined {
    const { pointerBytes, kernelStart } = this.#reader
    const start = this.#wide ? 0xffff_8000_0000_0000n : kernelStart
    const startHigh = Number(start >> 32n)
    let looks = MAX_LOOKS
    for (const { address, bytes } of this.#data())
      for (let at = 0; at + pointerBytes <= bytes.length; at += pointerBytes) {
        const top = this.#wide ? bytes.readUInt32LE(at + 4) : bytes.readUInt32LE(at)
        if (this.#wide ? top < startHigh : top < 0x8000_0000) continue
        const value = this.#wide ? bytes.readBigUInt64LE(at) : BigInt(top)
        if ((value & 3n) !== 0n || value === address + BigInt(at)) continue
        if (passes(value, address + BigInt(at))) return { address: address + BigInt(at), from: 'search' }
        if (!this.#isInImage(value) && looks-- <= 0) return undefined
      }
    return undefined
  }

  /** Writable parts of the image, piece by piece, each with the start of the next; what is absent is zeros. */
  *#data(overlap = 0): Generator<{ readonly address: bigint; readonly bytes: Buffer }> {
    let left = MAX_SEARCHED_BYTES
    for (const { rva, bytes: length, executable, writable } of this.#pe.sections) {
      if (!writable || (executable && this.#pe.sections.some(each => each.writable && !each.executable)))
        continue
      for (let done = 0; done < length && left > 0; done += PIECE_BYTES) {
        const part = Math.min(PIECE_BYTES, length - done)
        left -= part
        const address = this.#pe.base + BigInt(rva + done)
        const { bytes } = this.#memory.read(address, Math.min(part + overlap, length - done))
        yield { address, bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) }
      }
    }
  }
}
