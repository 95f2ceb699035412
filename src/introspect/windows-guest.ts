/** A Windows guest: its processes, its kernel's lists, its memory. What the command line prints, for programs. */
import type { FoundWindows } from '../coordinator/guest.js'
import { VmsiftError } from '../core/errors.js'
import { isWritable, type PhysicalMemory } from '../core/memory.js'
import type { VirtualMemory } from '../core/virtual-memory.js'
import { type Listing, Problems } from '../os/problem.js'
import { crossCheckWindowsProcesses, type WindowsCrossCheck } from '../os/windows/crosscheck.js'
import { type WindowsHandle, windowsHandles } from '../os/windows/handles.js'
import type { WindowsKernel } from '../os/windows/kernel.js'
import { type WindowsMapping, windowsMaps } from '../os/windows/maps.js'
import { crossCheckWindowsModules, type WindowsModuleCrossCheck } from '../os/windows/module-crosscheck.js'
import { type WindowsModule, windowsModules } from '../os/windows/modules.js'
import { type PageFileName, pageFileNames } from '../os/windows/page-files.js'
import { type LoadedImage, Peb } from '../os/windows/peb.js'
import { type WindowsProcess, type WindowsProcessOptions, windowsProcesses } from '../os/windows/processes.js'
import { type WindowsThread, windowsThreads } from '../os/windows/threads.js'
import { unlistedProcesses } from '../os/windows/unlisted.js'
import type { SwapSlot } from '../paging/absent.js'
import type { AddressSpace } from '../paging/address-space.js'
import type { KernelSymbol, Member } from '../symbols/contract.js'
import type { Space } from './linux-guest.js'
import { overlaidWindows } from './overlaid.js'
import { PhysicalSpace } from './physical-space.js'
import { SpaceWriter } from './space-writer.js'
import { TypedReader } from './typed-reads.js'

/** Lists and reads of one guest. Everything is read when it is asked for; only the list of processes is kept. */
export class WindowsGuest implements Disposable {
  readonly family = 'windows'
  readonly kernel: WindowsKernel
  /** Guest physical memory at the guest's own addresses. */
  readonly memory: PhysicalMemory
  /** What `--base` should have been: always 0. */
  readonly base: number
  readonly #guest: FoundWindows
  #processes: Listing<WindowsProcess> | undefined
  #unlisted: readonly WindowsProcess[] | undefined
  #pageFiles: readonly PageFileName[] | undefined

  constructor(guest: FoundWindows) {
    this.#guest = guest
    this.kernel = guest.kernel
    this.memory = guest.memory
    this.base = guest.base
  }

  /** Forgets what was kept of the guest's lists: for memory that changes. */
  refresh(): void {
    this.#processes = undefined
    this.#unlisted = undefined
    this.#pageFiles = undefined
  }

  // Names

  /** Address of a kernel symbol: one that the kernel exports, or of the symbol file. */
  addressOf(name: string): bigint | undefined {
    return this.kernel.symbols.addressOf(name)
  }

  /** All symbols: what the kernel exports, or what the symbol file has. */
  symbols(): Iterable<KernelSymbol> {
    return this.kernel.symbols.entries()
  }

  symbolsNamed(name: string): readonly KernelSymbol[] {
    return this.kernel.symbols.all(name)
  }

  /** The last kernel symbol at or below an address. */
  nearest(address: bigint): { readonly symbol: KernelSymbol; readonly offset: number } | undefined {
    return this.kernel.symbols.nearest(address)
  }

  /** Where a member lies: `member('_EPROCESS', 'UniqueProcessId')`. */
  member(type: string, path: string): Member | undefined {
    return this.kernel.types.member(type, path)
  }

  // Lists

  /** Processes; with command lines unless told otherwise. */
  processes(options?: WindowsProcessOptions): Listing<WindowsProcess> {
    return windowsProcesses(this.kernel, this.#opener(), options)
  }

  /** Processes by the kernel's list, by its table of ids and by a search of memory. */
  checkedProcesses(): WindowsCrossCheck {
    const space = this.kernel.paging === undefined ? undefined : this.#guest.openSpace(this.kernel.dtb)
    return crossCheckWindowsProcesses(this.kernel, this.memory, space, this.#opener())
  }

  /** Modules of the kernel. */
  modules(): Listing<WindowsModule> {
    return windowsModules(this.kernel)
  }

  /** Modules of the kernel by its list, by entries and drivers' objects in its pool, and by images in its addresses. */
  checkedModules(): WindowsModuleCrossCheck {
    const space = this.kernel.paging === undefined ? undefined : this.#guest.openSpace(this.kernel.dtb)
    return crossCheckWindowsModules(this.kernel, this.memory, space)
  }

  /** Libraries that a process has loaded, its 32-bit half's too. */
  images(pid: number): Listing<LoadedImage> {
    const { dtb, peb, peb32, name } = this.process(pid)
    const space = dtb === undefined ? undefined : this.#opener()?.(dtb)
    if (space === undefined || peb === undefined)
      throw new VmsiftError(
        'bad-argument',
        `process ${pid} (${name}) has no memory of its own that could be read`,
        {
          detail: { pid },
        },
      )
    const problems = new Problems()
    const images = new Peb(space, peb, space.pointerBytes).images(problems)
    const narrow = peb32 === undefined ? [] : new Peb(space, peb32, 4).images(problems)
    return {
      items: [...images, ...narrow.map(image => ({ ...image, wow64: true as const }))],
      problems: problems.list,
    }
  }

  maps(pid: number): Listing<WindowsMapping> {
    return windowsMaps(this.kernel, this.process(pid).address)
  }

  handles(pid: number): Listing<WindowsHandle> {
    return windowsHandles(this.kernel, this.process(pid).address)
  }

  threads(pid: number): Listing<WindowsThread> {
    return windowsThreads(this.kernel, this.process(pid).address)
  }

  /**
   * The process with this pid, also one that is hidden from the kernel's list but not from its table of ids.
   * @throws VmsiftError `bad-argument` when there is none.
   */
  process(pid: number): WindowsProcess {
    const found = this.#find(pid)
    if (found !== undefined) return found
    throw new VmsiftError(
      'bad-argument',
      `there is no process ${pid}; vmsift ps lists them, ps --check also what is hidden`,
      {
        detail: { pid },
      },
    )
  }

  /** Page table of a process; undefined for pids that don't exist. */
  pidToDtb(pid: number): number | undefined {
    return this.#find(pid)?.dtb
  }

  /** Processes that use a page table (flag bits are ignored). */
  dtbToPids(dtb: number): number[] {
    const table = this.space({ kind: 'dtb', dtb }).dtb
    return [...this.#list().items, ...this.#hidden()]
      .filter(process => process.dtb === table)
      .map(({ pid }) => pid)
  }

  /** What page file a slot of `Translation.swap` is in. */
  pageFile(slot: SwapSlot): PageFileName {
    this.#pageFiles ??= pageFileNames(this.kernel, this.#list().items)
    return this.#pageFiles[slot.type] ?? { name: `page file ${slot.type}`, compressed: false }
  }

  // Memory

  /**
   * The address space of a process, of a page table, or the kernel's.
   * @throws VmsiftError `bad-argument` for a process that is not there or has no table; `not-supported` for a dump without page tables.
   */
  space(space: Exclude<Space, { kind: 'physical' }>): AddressSpace {
    if (space.kind === 'kernel') return this.#guest.openSpace(this.kernel.dtb)
    if (space.kind === 'dtb') return this.#guest.openSpace(space.dtb)
    const { dtb, name } = this.process(space.pid)
    if (dtb !== undefined) return this.#guest.openSpace(dtb)
    if (this.kernel.paging === undefined) return this.#guest.openSpace(0)
    throw new VmsiftError(
      'bad-argument',
      `process ${space.pid} (${name}) has no page table: it has no memory of its own`,
      {
        detail: { pid: space.pid },
      },
    )
  }

  /** Values by address. @throws VmsiftError as `space`. */
  reader(space: Space): TypedReader {
    if (space.kind === 'physical')
      return new TypedReader(new PhysicalSpace(this.memory, this.kernel.memory.pointerBytes))
    if (space.kind === 'kernel') return new TypedReader(this.kernel.memory)
    return new TypedReader(this.space(space))
  }

  /**
   * Writes to a space of addresses.
   * @throws VmsiftError `not-supported` where memory can't be written: a snapshot can only be through `overlay`; else as `space`.
   */
  writer(space: Space): SpaceWriter {
    const { memory } = this
    if (!isWritable(memory))
      throw new VmsiftError(
        'not-supported',
        'a snapshot is evidence and is never written; write to guest.overlay(), which keeps the changes beside it',
      )
    return new SpaceWriter(memory, space.kind === 'physical' ? undefined : this.space(space))
  }

  /** The same guest with memory that can be written: changes are kept beside the snapshot, and end with what this gives. */
  overlay(): WindowsGuest {
    return new WindowsGuest(overlaidWindows(this.#guest))
  }

  #opener(): ((dtb: number) => VirtualMemory) | undefined {
    return this.kernel.paging === undefined ? undefined : dtb => this.#guest.openSpace(dtb)
  }

  #find(pid: number): WindowsProcess | undefined {
    const is = (process: WindowsProcess): boolean => process.pid === pid
    return this.#list().items.find(is) ?? this.#hidden().find(is)
  }

  #hidden(): readonly WindowsProcess[] {
    this.#unlisted ??= unlistedProcesses(this.kernel, this.#opener(), this.#list().items, {
      commandLines: false,
    })
    return this.#unlisted
  }

  #list(): Listing<WindowsProcess> {
    this.#processes ??= this.processes({ commandLines: false })
    return this.#processes
  }

  /** Keeps what was learnt of the guest for the next time. */
  [Symbol.dispose](): void {
    this.#guest[Symbol.dispose]()
  }
}
