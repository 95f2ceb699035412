/** Chooses how each part of a running guest's memory is read, by the best way that is open to this user. */
import { closeSync, readFileSync, statfsSync } from 'node:fs'
import { VmsiftError } from '../core/errors.js'
import { mergeRuns } from '../core/runs.js'
import { tolerant } from '../core/tolerant.js'
import { tryLibc } from '../ffi/libc.js'
import { tryProcessVm } from '../ffi/process-vm.js'
import { openBackingFile } from '../qemu/backing-files.js'
import { newTurns } from '../qemu/blocking-qmp.js'
import { undoOnExit } from '../qemu/exit-guard.js'
import type { MemorySection } from '../qemu/memory-map.js'
import { type HostMapping, hostMappings, isShared } from '../qemu/process-maps.js'
import type { ProcessId } from '../qemu/processes.js'
import { denialAdvice } from './denial.js'
import { folderFor, removeMonitorFolder } from './monitor-folder.js'
import { pageBytes } from './page-bytes.js'
import type { LiveSpec, SourceSpec } from './spec.js'

/**
 * How most of the memory is read. `shared`: through the file of a shared memory backend. `process`: out of QEMU's process.
 * `monitor`: QEMU writes or prints it.
 */
export type LiveAccess = 'shared' | 'process' | 'monitor'

export interface LivePlan extends Disposable {
  readonly spec: LiveSpec
  readonly access: LiveAccess
  /** The shared file is mapped; else it is copied, since it could shrink. */
  readonly mapped: boolean
  /** What could be better, one line each. */
  readonly warnings: readonly string[]
}

/** Less of QEMU's memory in use than this part of the guest's: much of it was never touched. */
const SPARSE_BELOW = 0.8

/** A guest with a thousand backends has some thousands; a QEMU that lies could tell of any number. */
const MAX_STEPS = 1 << 16

/**
 * @throws VmsiftError `target-unreadable` when neither QEMU's memory nor a shared file may be read, saying what to do.
 */
export function planLive(
  process: ProcessId | undefined,
  sections: readonly MemorySection[],
  options: PlanOptions,
): LivePlan {
  const builder = new PlanBuilder(process, options)
  try {
    for (const section of sections) builder.add(section)
    return builder.finish()
  } catch (error) {
    builder.close()
    throw error
  }
}

export interface PlanOptions {
  readonly write: boolean
  /** A QMP socket that may be used for reading, where nothing better is allowed. */
  readonly qmpPath?: string
}

interface Piece {
  readonly gpa: number
  length: number
  readonly source: number
  readonly place: number
}

class PlanBuilder {
  readonly #process: ProcessId | undefined
  readonly #write: boolean
  readonly #qmpPath: string | undefined
  readonly #mappings: readonly HostMapping[]
  readonly #sources: SourceSpec[] = []
  readonly #fds: number[] = []
  /** By inode and name; -1 where it can't be opened. */
  readonly #byFile = new Map<string, number>()
  readonly #pieces: Piece[] = []
  #ownSource: number | undefined
  /** The same, of mappings that show files. */
  #fileOwnSource: number | undefined
  #folder: string | undefined
  #onExit: Disposable | undefined
  #steps = 0
  #denied: string | undefined

  constructor(process: ProcessId | undefined, { write, qmpPath }: PlanOptions) {
    this.#process = process
    this.#write = write
    this.#qmpPath = qmpPath
    this.#mappings = this.#readMappings()
  }

  /** Empty when they must not be looked at: then the process may not be read either. */
  #readMappings(): readonly HostMapping[] {
    if (this.#process === undefined) return []
    const { pid } = this.#process
    return tolerant(() => hostMappings(pid)) ?? []
  }

  add({ gpa, length, pointer }: MemorySection): void {
    let done = 0
    while (done < length) {
      const at = pointer + done
      const mapping = mappingAt(this.#mappings, at)
      if (++this.#steps > MAX_STEPS)
        throw new VmsiftError(
          'target-unsupported',
          `the guest's memory lies in more than ${MAX_STEPS} pieces of QEMU's`,
        )
      const part = mapping === undefined ? length - done : Math.min(length - done, mapping.end - at)
      const shared = mapping !== undefined && isShared(mapping) ? this.#fileSource(mapping) : undefined
      if (shared !== undefined && mapping !== undefined)
        this.#addPiece({
          gpa: gpa + done,
          length: part,
          source: shared,
          place: at - mapping.start + mapping.offset,
        })
      else this.#addPiece({ gpa: gpa + done, length: part, ...this.#own(at, gpa + done, mapping) })
      done += part
    }
  }

  #addPiece(piece: Piece): void {
    const last = this.#pieces.at(-1)
    if (
      last !== undefined &&
      last.source === piece.source &&
      last.gpa + last.length === piece.gpa &&
      last.place + last.length === piece.place
    )
      last.length += piece.length
    else this.#pieces.push(piece)
  }

  #fileSource(mapping: HostMapping): number | undefined {
    const key = `${mapping.inode} ${mapping.path}`
    const known = this.#byFile.get(key)
    if (known !== undefined) return known < 0 ? undefined : known
    const spec = this.#openFile(mapping)
    const source = spec === undefined ? -1 : this.#sources.push(spec) - 1
    this.#byFile.set(key, source)
    return source < 0 ? undefined : source
  }

  #openFile(mapping: HostMapping): SourceSpec | undefined {
    const pid = this.#process?.pid
    const fd = pid === undefined ? undefined : openBackingFile(pid, mapping, this.#write)
    if (pid === undefined || fd === undefined) return undefined
    this.#fds.push(fd)
    const sealed = tryLibc()?.cannotShrink(fd) ?? false
    if (!isHuge(fd)) return { kind: 'file', fd, sealed }
    // such files can't be written to, only their mapping in QEMU can
    if (this.#write) return undefined
    return { kind: 'file', fd, sealed, huge: { pid, pointer: mapping.start - mapping.offset } }
  }

  /** Where QEMU's own memory at `pointer` is read from; asked for the first time, a byte of it is tried. */
  #own(
    pointer: number,
    gpa: number,
    mapping: HostMapping | undefined,
  ): { readonly source: number; readonly place: number } {
    if (this.#ownSource === undefined) {
      this.#denied = refusal(this.#process, pointer)
      this.#ownSource = this.#sources.push(this.#bestFor(this.#denied)) - 1
    }
    const own = this.#sources[this.#ownSource]
    if (own?.kind !== 'process') return { source: this.#ownSource, place: gpa }
    if (mapping !== undefined && mapping.inode === 0) return { source: this.#ownSource, place: pointer }
    // a page of a file that the process has never touched is not zeros: it is what stands in the file
    this.#fileOwnSource ??= this.#sources.push({ ...own, sparse: false }) - 1
    return { source: this.#fileOwnSource, place: pointer }
  }

  #bestFor(denied: string | undefined): SourceSpec {
    if (denied === undefined && this.#process !== undefined)
      return { kind: 'process', process: this.#process, sparse: true }
    if (this.#qmpPath === undefined || this.#write) return { kind: 'none' }
    const turns = newTurns()
    this.#folder = folderFor(this.#process, this.#qmpPath, turns)
    // it holds memory of the guest: a signal must not leave it behind
    if (this.#folder !== undefined)
      this.#onExit = undoOnExit({
        undo: async () => this.#removeFolder(),
        undoNow: () => this.#removeFolder(),
      })
    return {
      kind: 'monitor',
      qmpPath: this.#qmpPath,
      turns,
      ...(this.#folder !== undefined && { folder: this.#folder }),
    }
  }

  finish(): LivePlan {
    const pieces = this.#pieces
    const bytesOf = (kind: SourceSpec['kind']): number =>
      pieces.reduce((sum, { source, length }) => sum + (this.#sources[source]?.kind === kind ? length : 0), 0)
    const [shared, own, told, none] = [
      bytesOf('file'),
      bytesOf('process'),
      bytesOf('monitor'),
      bytesOf('none'),
    ]
    if (shared + own + told === 0)
      throw new VmsiftError('target-unreadable', this.#denied ?? 'QEMU has no memory that could be read', {
        detail: { pid: this.#process?.pid },
      })
    const sources = this.#sources.map(source =>
      source.kind === 'process' && source.sparse
        ? { ...source, sparse: isSparse(source.process.pid, own) }
        : source,
    )
    const mapped = pieces.reduce(
      (sum, { source, length }) => sum + (isMapped(sources[source]) ? length : 0),
      0,
    )
    return {
      spec: {
        kind: 'live',
        runs: mergeRuns(pieces),
        pieces: columnsOf(pieces),
        sources,
        map: true,
        write: this.#write,
      },
      access: told > shared + own ? 'monitor' : shared >= own ? 'shared' : 'process',
      mapped: shared >= own && mapped > shared / 2,
      warnings:
        this.#denied === undefined
          ? []
          : none > 0
            ? [`${none} bytes of memory can't be read: ${this.#denied}`]
            : [`${told} bytes of memory are read through QEMU's monitor, which is slow: ${this.#denied}`],
      [Symbol.dispose]: () => this.close(),
    }
  }

  close(): void {
    for (const fd of this.#fds.splice(0)) closeSync(fd)
    this.#removeFolder()
    this.#onExit?.[Symbol.dispose]()
  }

  #removeFolder(): void {
    if (this.#folder !== undefined) removeMonitorFolder(this.#folder)
  }
}

/** The mapping that holds an address; they are ascending. */
function mappingAt(mappings: readonly HostMapping[], at: number): HostMapping | undefined {
  let low = 0
  let high = mappings.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((mappings[middle] as HostMapping).end > at) high = middle
    else low = middle + 1
  }
  const found = mappings[low]
  return found !== undefined && found.start <= at ? found : undefined
}

/** HUGETLBFS_MAGIC (statfs(2)). */
const HUGE_FILE_SYSTEM = 0x9584_58f6

function isHuge(fd: number): boolean {
  return statfsSync(`/proc/self/fd/${fd}`).type === HUGE_FILE_SYSTEM
}

function isMapped(source: SourceSpec | undefined): boolean {
  return source?.kind === 'file' && source.sealed
}

/** Why the process can't be read, in words that say what to do; undefined when it can. */
function refusal(process: ProcessId | undefined, pointer: number): string | undefined {
  if (process === undefined) return 'its QEMU is not to be seen on this machine'
  const { pid } = process
  const vm = tryProcessVm()
  if (vm === undefined) return "reading QEMU's memory needs FFI (koffi), which does not load here"
  if (vm.read(pid, pointer, vm.allocate(1), 0, 1) === 1) return undefined
  return denialAdvice(pid, vm.failure)
}

function columnsOf(pieces: readonly Piece[]): LiveSpec['pieces'] {
  const shared = (bytesEach: number): SharedArrayBuffer => new SharedArrayBuffer(pieces.length * bytesEach)
  const columns = {
    gpa: new Float64Array(shared(8)),
    length: new Float64Array(shared(8)),
    source: new Uint16Array(shared(2)),
    place: new Float64Array(shared(8)),
  }
  for (const [index, { gpa, length, source, place }] of pieces.entries()) {
    columns.gpa[index] = gpa
    columns.length[index] = length
    columns.source[index] = source
    columns.place[index] = place
  }
  return columns
}

/** By the pages that the process has in memory (proc(5), statm). */
function isSparse(pid: number, bytes: number): boolean {
  // it may have just ended: whoever copies finds out
  const sizes = tolerant(() => readFileSync(`/proc/${pid}/statm`, 'utf8'))
  return sizes !== undefined && Number(sizes.split(' ')[1]) * pageBytes() < bytes * SPARSE_BELOW
}
