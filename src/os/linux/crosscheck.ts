/** Processes by three ways that don't depend on each other, and what only some of them show. */
import type { PhysicalMemory } from '../../core/memory.js'
import { type Listing, Problems } from '../problem.js'
import type { LinuxKernel } from './kernel.js'
import { pidTable } from './pid-table.js'
import { type LinuxProcess, ProcessReader } from './processes.js'
import { directMapOf, scanForTasks } from './task-scan.js'
import { TASK, taskList } from './tasks.js'
import { UserMemory } from './user-memory.js'

/** Where a process was seen. */
export interface ProcessSources {
  /** The ring of tasks from `init_task`. */
  readonly taskList: boolean
  /** The table of pids. */
  readonly pidTable: boolean
  /** A search of physical memory for task structures. */
  readonly scan: boolean
}

/** What that says. */
export type ProcessVerdict =
  /** In the kernel's list and in its table of pids. */
  | 'listed'
  /** Remains of a process that has ended: only the search finds it. */
  | 'ended'
  /** It runs, but is missing from the list or from the table. */
  | 'hidden'

/** A process with where it was seen. */
export interface CheckedProcess {
  readonly process: LinuxProcess
  readonly sources: ProcessSources
  readonly verdict: ProcessVerdict
}

/** Processes from all sources, and which sources could be read at all. */
export interface ProcessCrossCheck extends Listing<CheckedProcess> {
  /** A source that is false here could not be read: its absence says nothing about any process. */
  readonly available: ProcessSources
}

/** Every process that any source shows, those of the task list first, then by where they were found. Reads all of memory once. */
export function crossCheckProcesses(kernel: LinuxKernel, memory: PhysicalMemory): ProcessCrossCheck {
  const problems = new Problems()
  const reader = new ProcessReader(kernel, memory, problems)
  const listed = new Set(taskList(kernel, reader.structs, problems))
  const tabled = leaders(reader, pidTable(kernel, reader.structs, problems))
  const scanned = new Set(scan(kernel, memory, reader, [...listed, ...tabled], problems))
  const available = { taskList: listed.size > 0, pidTable: tabled.size > 0, scan: scanned.size > 0 }
  const items: CheckedProcess[] = []
  for (const address of new Set([...listed, ...tabled, ...scanned])) {
    const sources = {
      taskList: listed.has(address),
      pidTable: tabled.has(address),
      scan: scanned.has(address),
    }
    const process = reader.read(address)
    if (process === undefined || process.pid === 0) continue
    items.push({ process, sources, verdict: verdictOf(process, sources, available) })
  }
  return { items, problems: problems.list, available }
}

function verdictOf(
  process: LinuxProcess,
  sources: ProcessSources,
  available: ProcessSources,
): ProcessVerdict {
  const inList = sources.taskList || !available.taskList
  const inTable = sources.pidTable || !available.pidTable
  if (inList && inTable) return 'listed'
  if (!sources.taskList && !sources.pidTable && hasEnded(process)) return 'ended'
  return 'hidden'
}

/** Ended and reaped: marked so, or its credentials are gone. */
function hasEnded(process: LinuxProcess): boolean {
  return process.state === 'dead' || process.state === 'zombie' || process.uid === undefined
}

/** Of the tasks of a table, those that lead a thread group. */
function leaders(reader: ProcessReader, tasks: readonly bigint[]): Set<bigint> {
  const found = new Set<bigint>()
  for (const address of tasks) {
    const task = reader.structs.record(TASK, address)
    const leader = task?.link('groupLeader')
    if (task !== undefined && (leader === undefined || leader === address)) found.add(address)
  }
  return found
}

function scan(
  kernel: LinuxKernel,
  memory: PhysicalMemory,
  reader: ProcessReader,
  known: readonly bigint[],
  problems: Problems,
): bigint[] {
  const user = new UserMemory(kernel, memory)
  const places: { readonly va: bigint; readonly gpa: number }[] = []
  for (const va of known.slice(0, 1000)) {
    const gpa = user.dtbOf(va)
    if (gpa !== undefined) places.push({ va, gpa })
  }
  const directMap = directMapOf(places)
  if (directMap !== undefined) return scanForTasks(reader.structs, memory, { directMap }, problems)
  problems.add('unknown', 'task scan: where the direct map stands could not be told')
  return []
}
