/** Processes of a Windows guest. */
import type { VirtualMemory } from '../../core/virtual-memory.js'
import { type Listing, Problems } from '../problem.js'
import { StructReader } from '../struct/reader.js'
import { walkList } from '../walk/list.js'
import type { WindowsKernel } from './kernel.js'
import { presentBytes } from './pe/image.js'
import { Peb } from './peb.js'
import { MAX_PID, MAX_PROCESSES, PROCESS, type ProcessRecord } from './process-structs.js'
import { TextBudget } from './strings.js'
import { unixSeconds } from './times.js'

/** A process. */
export interface WindowsProcess {
  readonly pid: number
  /** Process id of the one that made it, which may have ended, and its id been given anew. */
  readonly ppid: number
  /** As it stands in the structure: at most 15 bytes. */
  readonly name: string
  /** gpa of its top page table (the kernel's, where there are two); absent where the structure has none that can be. */
  readonly dtb?: number
  /** Kernel virtual address of its `_EPROCESS`. */
  readonly address: bigint
  readonly threads?: number
  /** Seconds since 1970. */
  readonly createTime?: number
  /** Of one that has ended. */
  readonly exitTime?: number
  readonly session?: number
  /** Absent where the process has no environment block, or it is not in memory. */
  readonly commandLine?: string
  readonly imagePath?: string
  /** A 32-bit process of a 64-bit guest; absent where nothing tells. */
  readonly wow64?: boolean
  /** Virtual address of its environment block; System and its like have none. */
  readonly peb?: bigint
  /** Of its 32-bit half. */
  readonly peb32?: bigint
}

/** What to leave out. */
export interface WindowsProcessOptions {
  /** Read command lines from user memory; default true. */
  readonly commandLines?: boolean
}

/** Opens the address space under a top table; absent for dumps that have none. */
export type OpenUserSpace = (dtb: number) => VirtualMemory

const MAX_THREADS = 1 << 20

/** Addresses of `_EPROCESS`, in the order of the kernel's list. */
export function processList(kernel: WindowsKernel, reader: StructReader, problems: Problems): bigint[] {
  const offset = reader.layout(PROCESS).offset('links')
  const { processHead: head, systemProcess: system } = kernel.places
  if (offset === undefined || (head === undefined && system === undefined)) {
    problems.add(
      'unknown',
      `process list: ${offset === undefined ? 'no member _EPROCESS.ActiveProcessLinks' : 'no list head is known'}`,
    )
    return []
  }
  const links = BigInt(offset)
  const options = { what: 'process list', max: MAX_PROCESSES }
  if (head !== undefined) {
    const found = walkList(reader, head.address, problems, options).map(node => node - links)
    // a triage dump holds the process that ran, and seldom the list
    const current = kernel.places.currentProcess?.address
    return current === undefined || found.includes(current) ? found : [...found, current]
  }
  // without the head, it is one of the nodes: where a process would be, there is none
  const first = system?.address ?? 0n
  const rest = walkList(reader, first + links, problems, options).map(node => node - links)
  return [first, ...rest]
}

/** The processes in the order of the kernel's list. */
export function windowsProcesses(
  kernel: WindowsKernel,
  open: OpenUserSpace | undefined,
  options: WindowsProcessOptions = {},
): Listing<WindowsProcess> {
  const problems = new Problems()
  const reader = new WindowsProcessReader(kernel, open, problems, options)
  const items: WindowsProcess[] = []
  for (const address of processList(kernel, reader.structs, problems)) {
    const process = reader.read(address)
    if (process !== undefined) items.push(process)
  }
  return { items, problems: problems.list }
}

/** Turns `_EPROCESS`es into processes. */
export class WindowsProcessReader {
  readonly structs: StructReader
  readonly #kernel: WindowsKernel
  readonly #open: OpenUserSpace | undefined
  readonly #problems: Problems
  readonly #texts: TextBudget
  readonly #options: WindowsProcessOptions

  constructor(
    kernel: WindowsKernel,
    open: OpenUserSpace | undefined,
    problems: Problems,
    options: WindowsProcessOptions = {},
  ) {
    this.#kernel = kernel
    this.structs = new StructReader(kernel)
    this.#open = open
    this.#problems = problems
    this.#texts = new TextBudget(problems, 'processes')
    this.#options = options
  }

  /** The process at `address`; undefined (and a problem) where there is none. */
  read(address: bigint): WindowsProcess | undefined {
    const record = this.structs.record(PROCESS, address)
    const pid = record === undefined ? undefined : this.#id(record, 'pid')
    if (record === undefined || pid === undefined) {
      this.#problems.add('absent', `process 0x${address.toString(16)} is not in memory`, address)
      return undefined
    }
    const dtb = this.#table(record)
    const user = dtb === undefined ? undefined : this.#open?.(dtb)
    const createTime = unixSeconds(record.bigint('createTime'))
    const exitTime = unixSeconds(record.bigint('exitTime'))
    const threads = record.number('activeThreads')
    const peb = record.link('peb')
    const session =
      user === undefined ? undefined : (this.#session(record, user) ?? this.#pebSession(peb, user))
    const peb32 = this.#peb32(record)
    const wow64 = this.#isWow64(record)
    const parameters =
      user !== undefined && peb !== undefined && (this.#options.commandLines ?? true)
        ? new Peb(user, peb, this.structs.pointerBytes).parameters(this.#texts)
        : {}
    return {
      pid,
      ppid: this.#id(record, 'parent') ?? 0,
      name: latin1(record.bytes('name')),
      ...(dtb !== undefined && { dtb }),
      address,
      ...(threads !== undefined && threads <= MAX_THREADS && { threads }),
      ...(createTime !== undefined && { createTime }),
      ...(exitTime !== undefined && { exitTime }),
      ...(session !== undefined && { session }),
      ...parameters,
      ...(wow64 !== undefined && { wow64 }),
      ...(peb !== undefined && { peb }),
      ...(peb32 !== undefined && { peb32 }),
    }
  }

  /** Ids are handles as wide as pointers; Windows' own programs take the low half of them. */
  #id(record: ProcessRecord, member: 'pid' | 'parent'): number | undefined {
    const value = record.bigint(member)
    if (value === undefined) return undefined
    if (value > MAX_PID)
      this.#problems.add(
        'broken',
        `process 0x${record.address.toString(16)}: its ${member === 'pid' ? 'id' : "parent's id"} is 0x${value.toString(16)}, which none can be`,
        record.address,
      )
    return Number(BigInt.asUintN(32, value))
  }

  #table(record: ProcessRecord): number | undefined {
    const { paging } = this.#kernel
    if (paging === undefined) return undefined
    const value = record.pointer('dtb')
    if (value === undefined || value === 0n) return undefined
    // bits above are none of an address; those of PCID below are stripped where the table is used
    const dtb = Number(BigInt.asUintN(52, value))
    return paging.name === 'pae' ? dtb - (dtb % 32) : dtb - (dtb % 4096)
  }

  /** The session's structure is at the same address in every session: it is read in the process's own space. */
  #session(record: ProcessRecord, user: VirtualMemory): number | undefined {
    const address = record.link('session')
    if (address === undefined || !this.structs.isKernelAddress(address)) return undefined
    const offset = this.#kernel.types.member('_MM_SESSION_SPACE', 'SessionId')?.offset ?? 8
    const id = presentBytes(user, address + BigInt(offset), 4)?.readUInt32LE(0)
    return id === undefined || id > 0xffff ? undefined : id
  }

  /** The process's own copy of the number, for kernels whose structure does not tell (PEB.SessionId). */
  #pebSession(peb: bigint | undefined, user: VirtualMemory): number | undefined {
    if (peb === undefined || this.structs.layout(PROCESS).has('session')) return undefined
    const id = presentBytes(user, peb + (this.structs.pointerBytes === 8 ? 0x2c0n : 0x1d4n), 4)?.readUInt32LE(
      0,
    )
    return id === undefined || id > 0xffff ? undefined : id
  }

  /** Whether it is a 32-bit process of a 64-bit guest; undefined where nothing tells. */
  #isWow64(record: ProcessRecord): boolean | undefined {
    if (this.#kernel.version.machine === 'x86') return false
    const value = record.pointer('wow64')
    if (value === undefined || value === 0n) return value === undefined ? undefined : false
    return value < 1n << 32n || this.structs.isKernelAddress(value) ? true : undefined
  }

  /** From 6.0 SP2 until 10240 the member is the 32-bit PEB's address; before, and since 10586, that of a structure which starts with it. */
  #peb32(record: ProcessRecord): bigint | undefined {
    const value = this.#kernel.version.machine === 'x86' ? undefined : record.link('wow64')
    if (value === undefined) return undefined
    if (!this.structs.isKernelAddress(value)) return value < 1n << 32n ? value : undefined
    const peb = this.structs.pointer(value)
    return peb === undefined || peb === 0n || peb >= 1n << 32n ? undefined : peb
  }
}

/** Names are bytes of no encoding in particular, cut at the first NUL. */
function latin1(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? [])
    .toString('latin1')
    .replace(/\0.*$/s, '')
}
