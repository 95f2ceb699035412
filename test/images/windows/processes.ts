/** Processes and threads: EPROCESS and ETHREAD with what they lead to, in the kernel's lists. */
import type { Builder, Space } from './builder.js'
import { type HandleEntry, writeHandleTable } from './handles.js'
import type { KernelImage } from './kernel-image.js'
import type { Objects } from './objects.js'
import type { ProcessSpec } from './population.js'
import type { HandleTruth, ProcessTruth, ThreadTruth } from './truth.js'
import { type UserHalf, writeUserHalf } from './user.js'
import { Vads } from './vads.js'

export interface ProcessOptions {
  readonly version: { readonly major: number; readonly minor: number; readonly build: number }
  /** User code runs on tables of its own, which have little of the kernel's half. */
  readonly separateTables: boolean
  readonly handlesOfIds: 1 | 2
  /** When System started, 100 ns since 1601. */
  readonly startTime: bigint
}

export interface Population {
  readonly processes: readonly ProcessTruth[]
  /** A thread of System: the current one. */
  readonly thread: bigint
}

const SECOND = 10_000_000n

/** Makes the processes of `specs`, System first. */
export function writeProcesses(
  builder: Builder,
  image: KernelImage,
  objects: Objects,
  specs: readonly ProcessSpec[],
  options: ProcessOptions,
): Population {
  const maker = new ProcessMaker(builder, objects, options)
  const made = specs.map((spec, number) => maker.make(spec, number))
  const symbol = (name: string): bigint => image.symbols.get(name) as bigint
  const { kernel, pointerBytes } = builder
  const linksOf = ({ address }: ProcessTruth): bigint => builder.at(address, '_EPROCESS.ActiveProcessLinks')
  kernel.ring(symbol('PsActiveProcessHead'), ...made.filter(({ listed }) => listed).map(linksOf))
  // what was unlinked leads to itself, what was freed to where it stood
  for (const process of made.filter(({ listed }) => !listed))
    if (process.freed) kernel.pointer(linksOf(process), symbol('PsActiveProcessHead'))
    else kernel.emptyList(linksOf(process))
  const [system] = made
  if (system === undefined) throw new Error('no System')
  kernel.pointer(symbol('PsInitialSystemProcess'), system.address)
  const ids: HandleEntry[] = made
    .filter(({ inTable }) => inTable)
    .flatMap(({ pid, address, threads }) => [
      { handle: pid, object: address, access: 0 },
      ...threads.map(({ tid, address: object }) => ({ handle: tid, object, access: 0 })),
    ])
  const table = writeHandleTable(builder, objects, ids, { ids: true, levels: options.handlesOfIds })
  kernel.pointer(symbol('PspCidTable'), table)
  void pointerBytes
  return { processes: made, thread: system.threads[0]?.address ?? 0n }
}

class ProcessMaker {
  readonly #builder: Builder
  readonly #objects: Objects
  readonly #options: ProcessOptions
  readonly #vads: Vads
  #nextThread: number

  constructor(builder: Builder, objects: Objects, options: ProcessOptions) {
    this.#builder = builder
    this.#objects = objects
    this.#options = options
    this.#vads = new Vads(builder, objects)
    this.#nextThread = 8
  }

  make(spec: ProcessSpec, number: number): ProcessTruth {
    const builder = this.#builder
    const { facts, kernel, memory } = builder
    const size = facts.size('_EPROCESS')
    const freed = spec.state === 'freed'
    const exited = spec.state === 'exited' || freed
    const address = this.#objects.create('Process', size, { freed })
    const space = number === 0 ? kernel : builder.newSpace()
    const { version } = this.#options
    const createTime = this.#options.startTime + BigInt(number) * 3n * SECOND + 1234567n
    const exitTime = exited ? createTime + 60n * SECOND : undefined
    this.#header(address, 3, facts.size('_KPROCESS'))
    const name = spec.name.slice(0, builder.build < 6000 ? 15 : 14)
    kernel.write(
      builder.at(address, '_EPROCESS.ImageFileName'),
      Buffer.from(`${name}\0`, 'latin1').subarray(0, 15),
    )
    builder.put(address, '_EPROCESS.UniqueProcessId', spec.pid)
    builder.put(address, '_EPROCESS.InheritedFromUniqueProcessId', spec.ppid)
    builder.put(address, '_EPROCESS.CreateTime', createTime, 8)
    builder.put(address, '_EPROCESS.ExitTime', exitTime ?? 0n, 8)
    builder.put(address, '_EPROCESS.ExitStatus', exited ? 0 : 0x103, 4)
    builder.put(address, '_EPROCESS.Pcb.DirectoryTableBase', space.tables.root)
    builder.put(address, '_EPROCESS.Pcb.BasePriority', 8, 1)
    kernel.emptyList(builder.at(address, '_EPROCESS.Pcb.ProfileListHead'))
    const user = spec.user === undefined || exited ? undefined : this.#user(spec, space, number)
    const session = spec.session
    if (session !== undefined) this.#session(address, session)
    if (user !== undefined) {
      builder.put(address, '_EPROCESS.Peb', user.peb)
      builder.put(address, '_EPROCESS.SectionBaseAddress', user.imageBase)
      this.#vads.write(address, user.areas, user.prototypes)
      if (user.peb32 !== undefined) this.#wow64(address, user.peb32)
    }
    const threads = this.#threads(address, spec, user, exited ? 0 : (spec.threads ?? 1))
    builder.put(address, '_EPROCESS.ActiveThreads', threads.length, 4)
    const handles = exited ? [] : this.#handles(address, spec)
    builder.put(address, '_EPROCESS.Token', this.#token())
    const userDtb =
      user !== undefined && this.#options.separateTables ? this.#separate(address, space) : undefined
    void memory
    void version
    return {
      pid: spec.pid,
      ppid: spec.ppid,
      name,
      address,
      dtb: space.tables.root,
      ...(userDtb !== undefined && { userDtb }),
      threads,
      createTime,
      ...(exitTime !== undefined && { exitTime }),
      ...(session !== undefined && { session }),
      ...(user !== undefined && { peb: user.peb }),
      ...(user !== undefined &&
        spec.user !== undefined && { commandLine: spec.user.commandLine, imagePath: spec.user.imagePath }),
      wow64: spec.user?.wow64 === true,
      listed: spec.state !== 'hidden' && !freed,
      inTable: !freed,
      freed,
      modules: user?.modules ?? [],
      areas: user?.areas ?? [],
      handles,
      pages: user?.pages ?? [],
    }
  }

  /** DISPATCHER_HEADER: the kind of object, and its size in words where the build keeps it. */
  #header(address: bigint, type: number, bytes: number): void {
    const { kernel, build, pointerBytes } = this.#builder
    kernel.integer(address, type, 1)
    if (build < 10240 || type !== 3) kernel.integer(address + 2n, (bytes / 4) & 0xff, 1)
    kernel.emptyList(address + BigInt(pointerBytes === 8 ? 8 : 8))
  }

  #user(spec: ProcessSpec, space: Space, number: number): UserHalf {
    const { user } = spec
    if (user === undefined) throw new Error('no user half')
    return writeUserHalf(this.#builder, {
      space,
      imagePath: user.imagePath,
      commandLine: user.commandLine,
      session: spec.session ?? 0,
      version: this.#options.version,
      wow64: user.wow64 === true,
      kinds: user.kinds === true,
      number,
    })
  }

  #session(address: bigint, session: number): void {
    const builder = this.#builder
    const known = this.#sessions.get(session)
    const space = known ?? builder.nonPaged.alloc('MmSe', 0x40)
    this.#sessions.set(session, space)
    builder.put(space, '_MM_SESSION_SPACE.SessionId', session, 4)
    builder.put(address, '_EPROCESS.Session', space)
  }
  readonly #sessions = new Map<number, bigint>()

  /** Up to 6.0, and since 10586, the member leads to a structure whose first member is the PEB's address; between it is the address. */
  #wow64(address: bigint, peb32: bigint): void {
    const builder = this.#builder
    if (!builder.facts.has('_EPROCESS.WoW64Process')) {
      if (!builder.facts.has('_WOW64_PROCESS.Wow64')) {
        builder.put(address, '_EPROCESS.Wow64Process', peb32)
        return
      }
      const structure = builder.nonPaged.alloc('Wow6', 0x28)
      builder.put(structure, '_WOW64_PROCESS.Wow64', peb32)
      builder.put(address, '_EPROCESS.Wow64Process', structure)
      return
    }
    const structure = builder.nonPaged.alloc('Wow6', 0x10)
    builder.put(structure, '_EWOW64PROCESS.Peb', peb32)
    if (builder.facts.has('_EWOW64PROCESS.Machine'))
      builder.put(structure, '_EWOW64PROCESS.Machine', 0x14c, 2)
    builder.put(address, '_EPROCESS.WoW64Process', structure)
  }

  #threads(process: bigint, spec: ProcessSpec, user: UserHalf | undefined, count: number): ThreadTruth[] {
    const builder = this.#builder
    const { facts, kernel } = builder
    const threads: ThreadTruth[] = []
    for (let i = 0; i < count; i++) {
      const tid = this.#threadId()
      const address = this.#objects.create('Thread', facts.size('_ETHREAD'))
      this.#header(address, 6, facts.size('_KTHREAD'))
      builder.put(address, '_ETHREAD.Cid.UniqueProcess', spec.pid)
      builder.put(address, '_ETHREAD.Cid.UniqueThread', tid)
      builder.put(address, '_ETHREAD.Tcb.ApcState.Process', process)
      for (const path of ['_ETHREAD.Tcb.Process', '_ETHREAD.ThreadsProcess'])
        if (facts.has(path)) builder.put(address, path, process)
      builder.put(address, '_ETHREAD.StartAddress', user === undefined ? 0x1000 : user.imageBase + 0x1000n)
      builder.put(address, '_ETHREAD.Win32StartAddress', user === undefined ? 0 : user.imageBase + 0x1000n)
      builder.put(address, '_ETHREAD.Tcb.State', 5, 1)
      if (user !== undefined) builder.put(address, '_ETHREAD.Tcb.Teb', user.peb + BigInt(0x1000 * (i + 1)))
      threads.push({ tid, address })
    }
    kernel.ring(
      builder.at(process, '_EPROCESS.ThreadListHead'),
      ...threads.map(({ address }) => builder.at(address, '_ETHREAD.ThreadListEntry')),
    )
    kernel.ring(
      builder.at(process, '_EPROCESS.Pcb.ThreadListHead'),
      ...threads.map(({ address }) => builder.at(address, '_ETHREAD.Tcb.ThreadListEntry')),
    )
    return threads
  }

  /** Ids of threads and processes come from one table: those of processes are multiples of 100 and 4 here. */
  #threadId(): number {
    do this.#nextThread += 4
    while (this.#nextThread % 100 === 0)
    return this.#nextThread
  }

  #handles(process: bigint, spec: ProcessSpec): HandleTruth[] {
    const builder = this.#builder
    const handles: HandleTruth[] = []
    let handle = 4
    for (const { type, name } of spec.handles ?? []) {
      const object =
        type === 'File'
          ? this.#vads.fileOf(name)
          : type === 'Process'
            ? process
            : this.#objects.create(type, 0x40, { name })
      handles.push({ handle, type, object, access: 0x12_019f, ...(type !== 'Process' && { name }) })
      handle += 4
    }
    const table = writeHandleTable(builder, this.#objects, handles, { process, pid: spec.pid })
    builder.put(process, '_EPROCESS.ObjectTable', table)
    return handles
  }

  /** A fast reference to a token. */
  #token(): bigint {
    const token = this.#objects.create('Token', 0x80)
    return token | (this.#builder.pointerBytes === 8 ? 0xfn : 7n)
  }

  /** Tables for user code: the user half, and of the kernel's only what interrupts need. */
  #separate(address: bigint, space: Space): number | undefined {
    const builder = this.#builder
    if (!builder.facts.has('_EPROCESS.Pcb.UserDirectoryTableBase') || builder.paging !== '4-level')
      return undefined
    const tables = builder.newUserTables(space)
    // the lowest bits are the processor's tags for the two
    builder.put(address, '_EPROCESS.Pcb.DirectoryTableBase', space.tables.root + 2)
    builder.put(address, '_EPROCESS.Pcb.UserDirectoryTableBase', tables.root + 1)
    return tables.root
  }
}
