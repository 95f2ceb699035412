/** The address spaces of a target's guest, as far as a scan of them, or owners, need them. */
import { VmsiftError } from '../core/errors.js'
import type { LinuxKernel } from '../os/linux/kernel.js'
import { MM } from '../os/linux/memory-map.js'
import { PageCache } from '../os/linux/page-cache.js'
import { type LinuxProcess, processes } from '../os/linux/processes.js'
import { readVmas } from '../os/linux/vma.js'
import { Problems } from '../os/problem.js'
import { StructReader } from '../os/struct/reader.js'
import { linuxAbsent } from '../paging/absent.js'
import { type TlbCounts, tlbCounts } from '../paging/shared-tlb.js'
import type { GuestSpaces, PageFile, ProcessSpace, SpaceChoice } from '../space/guest-spaces.js'
import type { SwapSource } from '../space/swap-source.js'
import { type FoundLinux, openGuest } from './guest.js'
import { swapOpener } from './swapped-spaces.js'
import type { Target } from './target.js'

/** What was found, and what is to be added to the driver's addresses. */
export interface FoundSpaces {
  readonly spaces: GuestSpaces
  readonly base: number
  /** Names the file of a page in the page cache, where the guest's structures tell it. `gpa` is the guest's own. */
  readonly fileAt?: (gpa: number) => PageFile | undefined
  /** Opens the guest's swap areas: asked for when a page that was swapped out is met. */
  readonly swap?: () => SwapSource
  /** Translations made on this thread so far to read the guest's structures. */
  readonly translations?: () => TlbCounts
}

/** Mapped areas are kept as pages of this size. */
const PAGE_BITS = 12n

/**
 * Recognises the guest and lists its processes; of those that are scanned, the mapped areas too.
 * @throws VmsiftError `target-unsupported` when no system is recognised; `bad-argument` when the process asked for is none with memory;
 * what `openGuest` throws of `symbols`.
 */
export async function findSpaces(
  target: Target,
  choice: SpaceChoice,
  symbols?: string,
): Promise<FoundSpaces> {
  // where a raw file begins is not known unless it was said: the guest may tell
  const openBase = target.runs[0]?.gpa === 0
  const guest = await openGuest(target, { openBase, ...(symbols !== undefined && { symbols }) })
  if (guest === undefined)
    throw new VmsiftError(
      'target-unsupported',
      `no operating system was recognised in ${target.path}: its processes can't be told; scan physical memory`,
    )
  using opened = guest
  if (opened.family === 'linux') return linuxSpaces(opened, choice)
  const { windowsSpaces } = await import('./windows-spaces.js')
  return windowsSpaces(opened, choice)
}

function linuxSpaces({ kernel, base, memory }: FoundLinux, choice: SpaceChoice): FoundSpaces {
  const listed = processes(kernel, memory, { commandLines: false }).items
  if (typeof choice === 'object') checkProcess(listed, choice.pid)
  const areas = new AreaReader(kernel)
  const found: ProcessSpace[] = []
  for (const process of listed) {
    const { pid, name, dtb } = process
    if (dtb === undefined) continue
    const scanned = choice === 'processes' || (typeof choice === 'object' && choice.pid === pid)
    const mapped = scanned ? areas.of(process) : undefined
    found.push({ pid, name, dtb, ...(mapped && { areas: mapped }) })
  }
  const absent = linuxAbsent(kernel.paging.format)
  const spaces = { mode: kernel.paging, kernelDtb: kernel.dtb, processes: found, absent }
  const translations = (): TlbCounts => tlbCounts(memory)
  return { base, spaces, fileAt: filesOf(kernel), swap: swapOpener(kernel, memory), translations }
}

/** Looked up when the first match asks; whole frames are asked for again and again. */
function filesOf(kernel: LinuxKernel): (gpa: number) => PageFile | undefined {
  let cache: PageCache | undefined
  let lastFrame = -1
  let last: ReturnType<PageCache['owner']>
  const pageBytes = 2 ** kernel.paging.pageShift
  return gpa => {
    cache ??= new PageCache(kernel)
    const frame = Math.floor(gpa / pageBytes)
    if (frame !== lastFrame) last = cache.owner(frame)
    lastFrame = frame
    if (last?.path === undefined) return undefined
    return { path: last.path, ...(last.offset !== undefined && { offset: last.offset + (gpa % pageBytes) }) }
  }
}

/** @throws VmsiftError `bad-argument` saying why this process has no memory to scan. */
function checkProcess(listed: readonly LinuxProcess[], pid: number): void {
  const process = listed.find(one => one.pid === pid)
  if (process === undefined)
    throw new VmsiftError('bad-argument', `no process ${pid}: \`vmsift ps\` lists those there are`)
  if (process.dtb !== undefined) return
  const what = `process ${pid} (${process.name})`
  if (process.kernelThread)
    throw new VmsiftError(
      'bad-argument',
      `${what} is a kernel thread, it has no memory of its own: --space kernel`,
    )
  if (process.mmAddress === undefined)
    throw new VmsiftError('bad-argument', `${what} has ended (a zombie), its memory is gone`)
  throw new VmsiftError('bad-argument', `${what}: its page table is not in this image`)
}

/** Reads where processes have mappings. */
class AreaReader {
  readonly #reader: StructReader
  readonly #problems = new Problems()

  constructor(kernel: LinuxKernel) {
    this.#reader = new StructReader(kernel)
  }

  /** As `ProcessSpace.areas`; undefined where the kernel's structures don't tell. */
  of({ mmAddress }: LinuxProcess): Float64Array | undefined {
    const mm = mmAddress === undefined ? undefined : this.#reader.record(MM, mmAddress)
    if (mm === undefined) return undefined
    const areas: number[] = []
    for (const vma of readVmas(this.#reader, mm, this.#problems)) {
      const start = Number((vma.bigint('start') ?? 0n) >> PAGE_BITS)
      const end = Number((vma.bigint('end') ?? 0n) >> PAGE_BITS)
      const last = areas.at(-1) ?? Number.NEGATIVE_INFINITY
      if (start < last || end <= start) continue
      if (start === last) areas[areas.length - 1] = end
      else areas.push(start, end)
    }
    return Float64Array.from(areas)
  }
}
