/** A Linux guest that was found, and everything that can be asked of it by address, symbol, pid or page table. */
import type { FoundLinux } from '../coordinator/guest.js'
import { hex } from '../core/address.js'
import { VmsiftError } from '../core/errors.js'
import { isWritable, type PhysicalMemory } from '../core/memory.js'
import { kernelLog } from '../os/linux/dmesg.js'
import { type Environment, environment } from '../os/linux/environment.js'
import { type OpenFile, openFiles, openFilesOfAll, type ProcessFile } from '../os/linux/files.js'
import type { LinuxKernel } from '../os/linux/kernel.js'
import type { LogRecord } from '../os/linux/log/record.js'
import { type LinuxMapping, maps } from '../os/linux/maps.js'
import { type LinuxModule, modules } from '../os/linux/modules.js'
import { type Mount, mounts } from '../os/linux/mounts.js'
import { PageCache } from '../os/linux/page-cache.js'
import { type LinuxProcess, type ProcessOptions, processes } from '../os/linux/processes.js'
import { type SocketInfo, sockets } from '../os/linux/sockets.js'
import { Swap } from '../os/linux/swap.js'
import { type LinuxThread, type ProcessThread, threads, threadsOfAll } from '../os/linux/threads.js'
import type { Listing } from '../os/problem.js'
import type { AddressSpace } from '../paging/address-space.js'
import type { KernelSymbol, Member } from '../symbols/contract.js'
import { moduleSymbols } from '../symbols/module-symbols.js'
import { overlaid } from './overlaid.js'
import { PhysicalSpace } from './physical-space.js'
import { ProcessMemory } from './process-memory.js'
import { SpaceWriter } from './space-writer.js'
import { TypedReader } from './typed-reads.js'

/** Which space an address belongs to. */
export type Space =
  | { readonly kind: 'physical' }
  | { readonly kind: 'kernel' }
  | { readonly kind: 'process'; readonly pid: number }
  | { readonly kind: 'dtb'; readonly dtb: number }

/** Lists and reads of one guest. Everything is read when it is asked for; only the list of processes is kept. */
export class LinuxGuest implements Disposable {
  readonly family = 'linux'
  readonly kernel: LinuxKernel
  /** Guest physical memory at the guest's own addresses. */
  readonly memory: PhysicalMemory
  /** The kernel's address space. */
  readonly kernelSpace: AddressSpace
  /** What `--base` should have been: not 0 only for a raw image whose guest says that it begins elsewhere. */
  readonly base: number
  readonly #guest: FoundLinux
  #processes: Listing<LinuxProcess> | undefined
  #swap: Swap | undefined
  #pageCache: PageCache | undefined

  constructor(guest: FoundLinux) {
    this.#guest = guest
    this.kernel = guest.kernel
    this.memory = guest.memory
    this.base = guest.base
    this.kernelSpace = guest.openSpace(guest.kernel.dtb)
  }

  /**
   * Forgets what was kept of the guest's lists and page tables: for memory that changes. Page tables of a running guest are read anew
   * every few milliseconds as it is; after pausing one, call this.
   */
  refresh(): void {
    this.kernelSpace.flush()
    this.#processes = undefined
    this.#swap = undefined
    this.#pageCache = undefined
  }

  /** Swap areas, and pages that were swapped to compressed memory. */
  get swap(): Swap {
    this.#swap ??= new Swap(this.kernel, this.memory)
    return this.#swap
  }

  /** Which file a page frame belongs to. */
  get pageCache(): PageCache {
    this.#pageCache ??= new PageCache(this.kernel)
    return this.#pageCache
  }

  // Names

  /** Address of a kernel symbol. */
  addressOf(name: string): bigint | undefined {
    return this.kernel.symbols.addressOf(name)
  }

  /** All symbols as /proc/kallsyms prints them: the kernel's, then each module's. */
  *symbols(): Generator<KernelSymbol> {
    yield* this.kernel.symbols.entries()
    yield* this.#moduleSymbols()
  }

  /** The symbols of a name, modules' too. */
  symbolsNamed(name: string): readonly KernelSymbol[] {
    const found = this.kernel.symbols.all(name)
    return found.length > 0 ? found : [...this.#moduleSymbols()].filter(symbol => symbol.name === name)
  }

  /** The last kernel symbol at or below an address. */
  nearest(address: bigint): { readonly symbol: KernelSymbol; readonly offset: number } | undefined {
    return this.kernel.symbols.nearest(address)
  }

  /** Where a member lies: `member('task_struct', 'thread_info.flags')`. */
  member(type: string, path: string): Member | undefined {
    return this.kernel.types.member(type, path)
  }

  // Lists

  /** Processes; with command lines unless told otherwise. */
  processes(options?: ProcessOptions): Listing<LinuxProcess> {
    return processes(this.kernel, this.memory, options)
  }

  threads(pid: number): Listing<LinuxThread> {
    return threads(this.kernel, this.process(pid).address)
  }

  /** Threads of all processes. */
  allThreads(): Listing<ProcessThread> {
    const { items, problems } = this.#list()
    const found = threadsOfAll(this.kernel, items)
    return { items: found.items, problems: [...problems, ...found.problems] }
  }

  modules(): Listing<LinuxModule> {
    return modules(this.kernel)
  }

  maps(pid: number): Listing<LinuxMapping> {
    return maps(this.kernel, this.#user(pid).mmAddress)
  }

  files(pid: number): Listing<OpenFile> {
    return openFiles(this.kernel, this.process(pid).address)
  }

  /** Open files of all processes. */
  allFiles(): Listing<ProcessFile> {
    const { items, problems } = this.#list()
    const found = openFilesOfAll(this.kernel, items)
    return { items: found.items, problems: [...problems, ...found.problems] }
  }

  environment(pid: number): Environment {
    const { mmAddress = 0n, dtb } = this.#user(pid)
    return environment(this.kernel, mmAddress, this.#guest.openSpace(dtb))
  }

  /** Mounts that a process sees; those of process 1 are the system's. */
  mounts(pid = 1): Listing<Mount> {
    return mounts(this.kernel, this.process(pid).address)
  }

  /** Sockets of all processes, and those that only the kernel's own tables know. */
  sockets(): Listing<SocketInfo> {
    return sockets(this.kernel, this.#list().items)
  }

  log(): Listing<LogRecord> {
    return kernelLog(this.kernel, undefined, this.memory)
  }

  /**
   * The process with this pid.
   * @throws VmsiftError `bad-argument` when there is none.
   */
  process(pid: number): LinuxProcess {
    const found = this.#list().items.find(process => process.pid === pid)
    if (found !== undefined) return found
    throw new VmsiftError('bad-argument', `there is no process ${pid}; vmsift ps lists them`, {
      detail: { pid },
    })
  }

  /** Page table of a process; undefined for kernel threads, zombies and pids that don't exist. */
  pidToDtb(pid: number): number | undefined {
    return this.#list().items.find(process => process.pid === pid)?.dtb
  }

  /** Processes that use a page table (flag bits are ignored). */
  dtbToPids(dtb: number): number[] {
    const table = this.space({ kind: 'dtb', dtb }).dtb
    return this.#list()
      .items.filter(process => process.dtb === table)
      .map(({ pid }) => pid)
  }

  // Memory

  /**
   * The address space of a process, of a page table, or the kernel's.
   * @throws VmsiftError `bad-argument` for a process that is not there or has no memory of its own.
   */
  space(space: Exclude<Space, { kind: 'physical' }>): AddressSpace {
    if (space.kind === 'kernel') return this.kernelSpace
    return this.#guest.openSpace(space.kind === 'dtb' ? space.dtb : this.#user(space.pid).dtb)
  }

  /** Values by address. @throws VmsiftError as `space`. */
  reader(space: Space): TypedReader {
    const { pointerBytes } = this.kernel.memory
    if (space.kind === 'physical') return new TypedReader(new PhysicalSpace(this.memory, pointerBytes))
    if (space.kind === 'kernel') return new TypedReader(this.kernelSpace)
    return new TypedReader(new ProcessMemory(this.space(space), () => this.swap))
  }

  *#moduleSymbols(): Generator<KernelSymbol> {
    const { memory, types } = this.kernel
    for (const { address } of this.modules().items) yield* moduleSymbols(memory, types, address)
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
  overlay(): LinuxGuest {
    return new LinuxGuest(overlaid(this.#guest))
  }

  #list(): Listing<LinuxProcess> {
    this.#processes ??= processes(this.kernel, this.memory, { commandLines: false })
    return this.#processes
  }

  /** A process with memory of its own. */
  #user(pid: number): LinuxProcess & { readonly dtb: number } {
    const process = this.process(pid)
    const { dtb } = process
    if (dtb !== undefined) return { ...process, dtb }
    const why = process.kernelThread
      ? 'is a kernel thread'
      : process.state === 'zombie' || process.state === 'dead'
        ? 'has ended (a zombie)'
        : `has no page table that can be read (mm ${hex(process.mmAddress ?? 0n)})`
    throw new VmsiftError('bad-argument', `process ${pid} ${why}: it has no memory of its own`, {
      detail: { pid },
    })
  }

  /** Keeps what was learnt of the guest for the next time. */
  [Symbol.dispose](): void {
    this.#guest[Symbol.dispose]()
  }
}
