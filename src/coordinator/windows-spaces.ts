/** The address spaces of a Windows guest, as far as a scan of them, or owners, need them. */
import { VmsiftError } from '../core/errors.js'
import { Problems } from '../os/problem.js'
import { StructReader } from '../os/struct/reader.js'
import type { WindowsKernel } from '../os/windows/kernel.js'
import { vadsOf } from '../os/windows/maps.js'
import { pageFileNames } from '../os/windows/page-files.js'
import { type WindowsProcess, windowsProcesses } from '../os/windows/processes.js'
import { unlistedProcesses } from '../os/windows/unlisted.js'
import { pagesOf } from '../os/windows/vads.js'
import { absentDecoder } from '../paging/absent.js'
import type { ProcessSpace, SpaceChoice } from '../space/guest-spaces.js'
import type { SwapSource } from '../space/swap-source.js'
import type { FoundWindows } from './guest.js'
import type { FoundSpaces } from './guest-spaces.js'

/** @throws VmsiftError `bad-argument` when the process asked for is none with memory; `not-supported` for dumps without page tables. */
export function windowsSpaces(guest: FoundWindows, choice: SpaceChoice): FoundSpaces {
  const { kernel, base } = guest
  const { paging: mode, dtb: kernelDtb, absent } = kernel
  if (mode === undefined)
    throw new VmsiftError(
      'not-supported',
      'this dump holds pieces of virtual memory only, and no page tables: scan it with --space physical, or kernel',
    )
  const processes = everyProcess(guest)
  if (typeof choice === 'object') checkProcess(processes, choice.pid)
  const reader = new StructReader(kernel)
  const found: ProcessSpace[] = []
  for (const { pid, name, dtb, address, peb } of processes) {
    // System and its like run in the kernel's half only
    if (dtb === undefined || peb === undefined) continue
    const scanned = choice === 'processes' || (typeof choice === 'object' && choice.pid === pid)
    const areas = scanned ? areasOf(reader, address) : undefined
    found.push({ pid, name, dtb, ...(areas && { areas }) })
  }
  return {
    base,
    spaces: { mode, kernelDtb, processes: found, absent },
    swap: () => pageFiles(kernel, processes),
  }
}

/** Those of the kernel's list, then those that are hidden from it. */
function everyProcess(guest: FoundWindows): readonly WindowsProcess[] {
  const open = (dtb: number) => guest.openSpace(dtb)
  const options = { commandLines: false }
  const listed = windowsProcesses(guest.kernel, open, options).items
  return [...listed, ...unlistedProcesses(guest.kernel, open, listed, options)]
}

function checkProcess(processes: readonly WindowsProcess[], pid: number): void {
  const process = processes.find(one => one.pid === pid)
  if (process === undefined)
    throw new VmsiftError('bad-argument', `no process ${pid}: \`vmsift ps\` lists those there are`)
  const what = `process ${pid} (${process.name})`
  if (process.exitTime !== undefined && process.peb === undefined)
    throw new VmsiftError('bad-argument', `${what} has ended, its memory is gone`)
  if (process.peb === undefined)
    throw new VmsiftError(
      'bad-argument',
      `${what} is the kernel's, it has no memory of its own: --space kernel`,
    )
  if (process.dtb === undefined)
    throw new VmsiftError('bad-argument', `${what}: its page table is not in this image`)
}

/** As `ProcessSpace.areas`; undefined where the descriptors can't be read. */
function areasOf(reader: StructReader, process: bigint): Float64Array | undefined {
  const ranges = vadsOf(reader, process, new Problems())
    .map(pagesOf)
    .filter(range => range !== undefined)
    .sort((a, b) => a.first - b.first)
  const areas: number[] = []
  for (const { first, last } of ranges) {
    const end = areas.at(-1) ?? Number.NEGATIVE_INFINITY
    if (first < end) continue
    if (first === end) areas[areas.length - 1] = last + 1
    else areas.push(first, last + 1)
  }
  return areas.length === 0 ? undefined : Float64Array.from(areas)
}

/** Page files are not in memory; what they hold is named. */
function pageFiles(kernel: WindowsKernel, processes: readonly WindowsProcess[]): SwapSource {
  const decoder = absentDecoder(kernel.absent)
  return {
    areas: pageFileNames(kernel, processes).map(({ name }) => ({ name, inMemory: false })),
    learn: () => undefined,
    place: entry => {
      const slot = decoder.slot(entry)
      return slot === undefined ? undefined : { area: slot.type, slot: slot.offset }
    },
    page: () => undefined,
  }
}
