/** Processes of a Linux guest: thread-group leaders, zombies too, idle tasks not. */
import type { PhysicalMemory } from '../../core/memory.js'
import type { VirtualMemory } from '../../core/virtual-memory.js'
import { type Listing, Problems } from '../problem.js'
import { structSpec } from '../struct/layout.js'
import { StructReader } from '../struct/reader.js'
import { type GuestClock, guestClock } from './clock.js'
import { type CommandLine, CommandLines } from './command-line.js'
import type { LinuxKernel } from './kernel.js'
import { MM, type MmRecord } from './memory-map.js'
import { namespacePids } from './namespace-pids.js'
import {
  isKernelThread,
  readTask,
  SIGNAL,
  TASK,
  type TaskRecord,
  type TaskState,
  taskList,
  taskState,
} from './tasks.js'
import { threadAddresses } from './threads.js'
import { UserMemory } from './user-memory.js'

const CRED = structSpec('cred', { uid: 'uid', gid: 'gid', euid: 'euid' })

/** When a process was started. */
export interface StartTime {
  /** Seconds since the guest's boot, sleep included: field 22 of /proc/PID/stat, undivided. */
  readonly sinceBoot: number
  /** Seconds since 1970, where the guest's clock could be read. */
  readonly unixSeconds?: number
}

/** A process: one thread group. */
export interface LinuxProcess {
  readonly pid: number
  /** The real parent's process; 0 for the first process and the kernel's. */
  readonly ppid: number
  /** The comm as it stands in memory: at most 15 bytes. */
  readonly name: string
  /** gpa of its top page table (the kernel's half of a PTI pair); kernel threads and zombies have none. */
  readonly dtb?: number
  /** Kernel virtual address of the leader's `task_struct`. */
  readonly address: bigint
  readonly threads: number
  /** Real user id. */
  readonly uid?: number
  /** Effective user id. */
  readonly euid?: number
  readonly gid?: number
  readonly state?: TaskState
  readonly startTime?: StartTime
  readonly commandLine: CommandLine
  readonly kernelThread: boolean
  /** Its pid in each pid namespace from the guest's own inward; one where it is in no container. */
  readonly namespacePids: readonly number[]
  /** Kernel virtual address of its `mm_struct`; the other threads' where the leader has ended before them. */
  readonly mmAddress?: bigint
}

/** How many threads of a process without a leader are asked for its memory. */
const MAX_THREADS_ASKED = 64

type Owner = Pick<LinuxProcess, 'uid' | 'euid' | 'gid'>

/** What to leave out. */
export interface ProcessOptions {
  /** Read command lines from user memory; default true. */
  readonly commandLines?: boolean
}

/**
 * The processes in the order of the kernel's task list.
 * @param memory where page tables and command lines are read from.
 */
export function processes(
  kernel: LinuxKernel,
  memory: PhysicalMemory,
  options: ProcessOptions = {},
): Listing<LinuxProcess> {
  const problems = new Problems()
  const reader = new ProcessReader(kernel, memory, problems, options)
  const items: LinuxProcess[] = []
  for (const address of taskList(kernel, reader.structs, problems)) {
    const process = reader.read(address)
    if (process !== undefined && process.pid !== 0) items.push(process)
  }
  return { items, problems: problems.list }
}

/** Turns `task_struct`s into processes. One for a listing: it keeps nothing of the tasks, but the guest's clock. */
export class ProcessReader {
  readonly structs: StructReader
  readonly #problems: Problems
  readonly #user: UserMemory
  readonly #clock: GuestClock | undefined
  readonly #options: ProcessOptions
  readonly #commandLines = new CommandLines()
  /** Pids of parents and owners by credentials: many processes share one. */
  readonly #parents = new Map<bigint, number>()
  readonly #owners = new Map<bigint, Owner>()

  constructor(kernel: LinuxKernel, memory: PhysicalMemory, problems: Problems, options: ProcessOptions = {}) {
    this.structs = new StructReader(kernel)
    this.#problems = problems
    this.#user = new UserMemory(kernel, memory)
    this.#clock = guestClock(kernel, this.structs)
    this.#options = options
  }

  /** The process whose leader stands at `address`; undefined (and a problem) when it is not in memory or has no pid. */
  read(address: bigint): LinuxProcess | undefined {
    const task = readTask(this.structs, address, this.#problems)
    const pid = task?.number('tgid') ?? task?.number('pid')
    if (task === undefined || pid === undefined) return undefined
    const kernelThread = isKernelThread(task)
    const mmAddress = kernelThread ? undefined : this.#mmAddress(task)
    const mm = mmAddress === undefined ? undefined : this.structs.record(MM, mmAddress)
    const pgd = mm?.link('pgd')
    const dtb = pgd === undefined ? undefined : this.#user.dtbOf(pgd)
    const state = taskState(task)
    const startTime = this.#startTime(task)
    return {
      pid,
      ppid: this.#parentOf(task),
      name: task.text('comm') ?? '',
      ...(dtb === undefined ? {} : { dtb }),
      address,
      threads: this.#threads(task),
      ...this.#owner(task),
      ...(state === undefined ? {} : { state }),
      ...(startTime === undefined ? {} : { startTime }),
      commandLine: this.#commandLine(mm, dtb),
      kernelThread,
      namespacePids: namespacePids(this.structs, task, this.#problems),
      ...(mmAddress === undefined ? {} : { mmAddress }),
    }
  }

  #parentOf(task: TaskRecord): number {
    const parent = task.link('realParent')
    if (parent === undefined) return 0
    const known = this.#parents.get(parent)
    if (known !== undefined) return known
    const record = this.structs.record(TASK, parent)
    const pid = record?.number('tgid') ?? record?.number('pid') ?? 0
    this.#parents.set(parent, pid)
    return pid
  }

  #threads(task: TaskRecord): number {
    const signal = task.link('signal')
    const count = signal === undefined ? undefined : this.structs.record(SIGNAL, signal)?.number('threads')
    // a count that no guest can have says that the structure is something else by now
    return count === undefined || count > 2 ** 22 ? 1 : count
  }

  /** The leader's, or that of a thread which outlived it. */
  #mmAddress(task: TaskRecord): bigint | undefined {
    const own = task.link('mm')
    if (own !== undefined || this.#threads(task) < 2) return own
    for (const thread of threadAddresses(this.structs, task, this.#problems, MAX_THREADS_ASKED)) {
      const mm = this.structs.record(TASK, thread)?.link('mm')
      if (mm !== undefined) return mm
    }
    return undefined
  }

  #owner(task: TaskRecord): Owner {
    const address = task.link('realCred')
    if (address === undefined) return {}
    const known = this.#owners.get(address)
    if (known !== undefined) return known
    const cred = this.structs.record(CRED, address)
    const uid = cred?.number('uid')
    const euid = cred?.number('euid')
    const gid = cred?.number('gid')
    const owner = {
      ...(uid === undefined ? {} : { uid }),
      ...(euid === undefined ? {} : { euid }),
      ...(gid === undefined ? {} : { gid }),
    }
    this.#owners.set(address, owner)
    return owner
  }

  #startTime(task: TaskRecord): StartTime | undefined {
    const ns = task.bigint('startBoot') ?? task.bigint('startMonotonic')
    if (ns === undefined) return undefined
    const sinceBoot = Number(ns) / 1e9
    if (this.#clock === undefined) return { sinceBoot }
    return { sinceBoot, unixSeconds: Number(this.#clock.bootTimeNs + ns) / 1e9 }
  }

  #commandLine(mm: MmRecord | undefined, dtb: number | undefined): CommandLine {
    const wanted = this.#options.commandLines ?? true
    const open = (): VirtualMemory | undefined => (dtb === undefined ? undefined : this.#user.open(dtb))
    return this.#commandLines.read(wanted ? mm : undefined, open)
  }
}
