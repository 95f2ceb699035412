/** Open files of a process: `files_struct` and its table of descriptors (include/linux/fdtable.h), as /proc/PID/fd and fdinfo show them. */

import { type Listing, Problems } from '../problem.js'
import { structSpec } from '../struct/layout.js'
import { type ReadableKernel, StructReader } from '../struct/reader.js'
import type { StructRecord } from '../struct/record.js'
import { FILE, INODE } from './path/structs.js'
import { PathReader } from './paths.js'

/** What a descriptor leads to. */
export type FileKind =
  | 'file'
  | 'directory'
  | 'character-device'
  | 'block-device'
  | 'pipe'
  | 'socket'
  | 'link'
  /** An inode without a type: event files, timers, epoll. */
  | 'anonymous'

/** One open descriptor. What could not be read is absent. */
export interface OpenFile {
  readonly fd: number
  /** Kernel virtual address of the `struct file`. */
  readonly address: bigint
  /** As readlink of /proc/PID/fd/N gives it. */
  readonly path?: string
  readonly kind?: FileKind
  /** `r`, `w`, `rw`, or `-` for a descriptor that only names a place (O_PATH). */
  readonly access?: string
  /** `O_*` flags as fdinfo prints them (in octal there), O_CLOEXEC taken from the table. */
  readonly flags?: number
  readonly position?: number
  readonly inode?: number
  /** Bytes of the file. */
  readonly size?: number
}

type FileRecord = StructRecord<keyof (typeof FILE)['members']>

const TASK_FILES = structSpec('task_struct', { files: 'files' })
const FILES = structSpec('files_struct', { table: 'fdt' })
const TABLE = structSpec('fdtable', {
  count: 'max_fds',
  files: 'fd',
  closeOnExec: 'close_on_exec',
})

/** Most descriptors taken of one process; `fs.nr_open` is 2^20 by default, real processes stay far below. */
const MAX_FILES = 2 ** 17
/** Slots of the table that are looked at. */
const MAX_SLOTS = 2 ** 20
const CHUNK_SLOTS = 4096
/** Slots of one table that lead to no file; after these it is taken for no table of files at all. */
const MAX_BROKEN_SLOTS = 256

const FMODE_READ = 1
const FMODE_WRITE = 2
const FMODE_PATH = 0x4000
/** O_CLOEXEC of asm-generic/fcntl.h, the same on x86 and arm. */
const O_CLOEXEC = 0o2000000

/** What the tables of all processes of one listing may take together: a hostile guest lets 100 000 of them share one of a million slots. */
export class SlotBudget {
  /** Slots that are looked at, in use or not. */
  slots = 2 ** 24
  /** Slots in use that are followed, wherever they lead. */
  files = 2 ** 17
}

/** An open descriptor with the process that has it. */
export interface ProcessFile {
  readonly process: FileHolder
  readonly file: OpenFile
}

/** A process whose descriptors are listed. */
export interface FileHolder {
  readonly pid: number
  readonly name: string
  /** Kernel virtual address of its `task_struct`. */
  readonly address: bigint
}

/** The open descriptors of a task (address of its `task_struct`), ascending. A zombie or a task that lacks a table has none. */
export function openFiles(
  kernel: ReadableKernel,
  task: bigint,
  reader = new StructReader(kernel),
): Listing<OpenFile> {
  const problems = new Problems()
  const paths = new PathReader(reader, problems)
  const files = fileSlots(reader, task, problems).map(slot => describe(reader, paths, slot))
  return { items: files, problems: problems.list }
}

/** The open descriptors of many processes, in their order; what all take together is bounded, and told where it is cut. */
export function openFilesOfAll(
  kernel: ReadableKernel,
  processes: Iterable<FileHolder>,
): Listing<ProcessFile> {
  const problems = new Problems()
  const reader = new StructReader(kernel)
  const paths = new PathReader(reader, problems)
  const budget = new SlotBudget()
  const items: ProcessFile[] = []
  for (const process of processes) {
    if (budget.slots <= 0 || budget.files <= 0) break
    for (const slot of fileSlots(reader, process.address, problems, budget))
      items.push({ process, file: describe(reader, paths, slot) })
  }
  return { items, problems: problems.list }
}

/** A slot of the table that is in use. */
export interface FileSlot {
  readonly fd: number
  readonly address: bigint
  /** The `struct file`; absent where it is not in memory. */
  readonly file?: FileRecord
  readonly closeOnExec: boolean
}

/** The slots in use of a task's table: what `openFiles` and the sockets start from. `budget` is shared by the processes of a listing. */
export function fileSlots(
  reader: StructReader,
  task: bigint,
  problems: Problems,
  budget = new SlotBudget(),
): FileSlot[] {
  const files = reader.record(TASK_FILES, task)?.link('files')
  if (files === undefined) return []
  const fdt = reader.record(FILES, files)?.link('table')
  const table = fdt === undefined ? undefined : reader.record(TABLE, fdt)
  const count = table?.number('count')
  const start = table?.link('files')
  if (table === undefined || count === undefined || start === undefined || !reader.isKernelAddress(start)) {
    problems.add('absent', 'files: the table of descriptors is not in memory', files)
    return []
  }
  if (count > MAX_SLOTS) problems.add('cut', `files: table of ${count} slots cut at ${MAX_SLOTS}`, files)
  const slots: FileSlot[] = []
  const slotCount = Math.min(count, MAX_SLOTS, budget.slots)
  if (slotCount === budget.slots)
    problems.add('cut', 'files: the tables of all processes are too long', files)
  const most = Math.min(MAX_FILES, budget.files)
  const closing = closeOnExecBits(reader, table.link('closeOnExec'), slotCount)
  let broken = 0
  for (let first = 0; first < slotCount; first += CHUNK_SLOTS) {
    budget.slots -= Math.min(CHUNK_SLOTS, slotCount - first)
    const at = start + BigInt(first * reader.pointerBytes)
    const pointers = reader.pointers(at, Math.min(CHUNK_SLOTS, slotCount - first))
    for (const [i, address] of pointers.entries()) {
      if (address === undefined || address === 0n) continue
      budget.files--
      const fd = first + i
      const file = fileAt(reader, fd, address, problems)
      if (!isFile(reader, file)) broken++
      if (broken > MAX_BROKEN_SLOTS || slots.length >= most) {
        problems.add('cut', `files: cut at descriptor ${fd}, ${broken} led to no file`, files)
        return slots
      }
      if (file === 'broken') continue
      const closeOnExec = ((closing[fd >> 3] ?? 0) & (1 << (fd & 7))) !== 0
      slots.push({ fd, address, ...(file === undefined ? {} : { file }), closeOnExec })
    }
    if (pointers.every(address => address === undefined)) {
      problems.add('absent', `files: slots from ${first} on are not in memory`, at)
      break
    }
  }
  return slots
}

function isFile(reader: StructReader, file: FileRecord | 'broken' | undefined): file is FileRecord {
  if (file === undefined || file === 'broken') return false
  return !file.layout.has('dentry') || reader.isKernelAddress(file.pointer('dentry') ?? 0n)
}

/** Undefined when it is not in memory; `broken` when what stands there is no file: its name lies outside the kernel. */
function fileAt(
  reader: StructReader,
  fd: number,
  address: bigint,
  problems: Problems,
): FileRecord | 'broken' | undefined {
  if (reader.isKernelAddress(address)) {
    const file = reader.record(FILE, address)
    if (file === undefined) problems.add('absent', `files: descriptor ${fd} is not in memory`, address)
    if (file === undefined || isFile(reader, file)) return file
  }
  problems.add('broken', `files: descriptor ${fd} leads to no file`, address)
  return 'broken'
}

function closeOnExecBits(reader: StructReader, address: bigint | undefined, count: number): Uint8Array {
  if (address === undefined || !reader.isKernelAddress(address)) return new Uint8Array(0)
  return reader.bytes(address, Math.ceil(count / 8)) ?? new Uint8Array(0)
}

function describe(
  reader: StructReader,
  paths: PathReader,
  { fd, address, file, closeOnExec }: FileSlot,
): OpenFile {
  if (file === undefined) return { fd, address }
  const inodeAddress = file.link('inode')
  const inode = inodeAddress === undefined ? undefined : reader.record(INODE, inodeAddress)
  const mode = file.number('mode')
  const flags = file.number('flags')
  return {
    fd,
    address,
    ...defined('path', paths.file(address)?.text),
    ...defined('kind', fileKind(inode?.number('mode'))),
    ...defined('access', mode === undefined ? undefined : accessText(mode)),
    ...defined('flags', flags === undefined ? undefined : visibleFlags(flags, closeOnExec)),
    ...defined('position', file.signed('position')),
    ...defined('inode', inode?.number('number')),
    ...defined('size', inode?.signed('size')),
  }
}

/** `S_IFMT` of an inode's mode (include/uapi/linux/stat.h). */
export function fileKind(mode: number | undefined): FileKind | undefined {
  switch (mode === undefined ? undefined : mode & 0o170000) {
    case undefined:
      return undefined
    case 0o010000:
      return 'pipe'
    case 0o020000:
      return 'character-device'
    case 0o040000:
      return 'directory'
    case 0o060000:
      return 'block-device'
    case 0o120000:
      return 'link'
    case 0o140000:
      return 'socket'
    case 0o100000:
      return 'file'
    default:
      return 'anonymous'
  }
}

function accessText(mode: number): string {
  if ((mode & FMODE_PATH) !== 0) return '-'
  const text = `${(mode & FMODE_READ) !== 0 ? 'r' : ''}${(mode & FMODE_WRITE) !== 0 ? 'w' : ''}`
  return text === '' ? '-' : text
}

function visibleFlags(flags: number, closeOnExec: boolean): number {
  const own = (flags & O_CLOEXEC) === 0 ? flags : flags - O_CLOEXEC
  return closeOnExec ? own + O_CLOEXEC : own
}

function defined<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: V })
}
