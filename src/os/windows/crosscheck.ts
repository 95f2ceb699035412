/** Processes by three ways that don't depend on each other, and what only some of them show. */
import type { PhysicalMemory } from '../../core/memory.js'
import type { AddressSpace } from '../../paging/address-space.js'
import { type Listing, Problems } from '../problem.js'
import { processesById } from './cid-table.js'
import type { WindowsKernel } from './kernel.js'
import { scanForProcesses } from './process-scan.js'
import { type OpenUserSpace, processList, type WindowsProcess, WindowsProcessReader } from './processes.js'

/** Where a process was seen. */
export interface WindowsProcessSources {
  /** The kernel's list of active processes. */
  readonly processList: boolean
  /** The table of process and thread ids. */
  readonly cidTable: boolean
  /** A search of physical memory for process structures. */
  readonly scan: boolean
}

/**
 * `listed`: in the list and in the table. `ended`: remains of a process that has ended. `hidden`: it runs, but is missing from the list or
 * from the table.
 */
export type WindowsProcessVerdict = 'listed' | 'ended' | 'hidden'

/** A process with where it was seen. */
export interface CheckedWindowsProcess {
  readonly process: WindowsProcess
  readonly sources: WindowsProcessSources
  readonly verdict: WindowsProcessVerdict
}

/** Processes from all sources; a source that is false in `available` could not be read, and says nothing about any process. */
export interface WindowsCrossCheck extends Listing<CheckedWindowsProcess> {
  readonly available: WindowsProcessSources
}

/** Every process that any source shows, those of the list first. Reads all of memory once. */
export function crossCheckWindowsProcesses(
  kernel: WindowsKernel,
  memory: PhysicalMemory,
  space: AddressSpace | undefined,
  open: OpenUserSpace | undefined,
): WindowsCrossCheck {
  const problems = new Problems()
  const reader = new WindowsProcessReader(kernel, open, problems)
  const listed = new Set(processList(kernel, reader.structs, problems))
  const tabled = new Set(processesById(kernel, reader.structs, problems))
  const scanned = new Set(
    space === undefined ? [] : scanForProcesses(reader.structs, memory, space, problems),
  )
  const available = { processList: listed.size > 0, cidTable: tabled.size > 0, scan: scanned.size > 0 }
  const items: CheckedWindowsProcess[] = []
  for (const address of new Set([...listed, ...tabled, ...scanned])) {
    const process = reader.read(address)
    // the idle process has id 0, as any may that hides by it
    if (process === undefined || (process.pid === 0 && process.name === IDLE)) continue
    const sources = {
      processList: listed.has(address),
      cidTable: tabled.has(address),
      scan: scanned.has(address),
    }
    items.push({ process, sources, verdict: verdictOf(process, sources, available) })
  }
  return { items, problems: problems.list, available }
}

const IDLE = 'Idle'

function verdictOf(
  { exitTime, threads }: WindowsProcess,
  sources: WindowsProcessSources,
  available: WindowsProcessSources,
): WindowsProcessVerdict {
  if (exitTime !== undefined || (threads === 0 && !sources.processList)) return 'ended'
  const inList = sources.processList || !available.processList
  const inTable = sources.cidTable || !available.cidTable
  return inList && inTable ? 'listed' : 'hidden'
}
