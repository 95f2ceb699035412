/** Chooses how each part of a running guest's memory is read, by the best way that is open to this user. */
import { closeSync, readFileSync } from 'node:fs'
import { VmsiftError } from '../core/errors.js'
import { mergeRuns } from '../core/runs.js'
import { tryLibc } from '../ffi/libc.js'
import { tryProcessVm } from '../ffi/process-vm.js'
import { openBackingFile } from '../qemu/backing-files.js'
import type { MemorySection } from '../qemu/memory-map.js'
import { type HostMapping, hostMappings, isShared } from '../qemu/process-maps.js'
import type { ProcessId } from '../qemu/processes.js'
import { denialAdvice } from './denial.js'
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

/**
 * @throws VmsiftError `target-unreadable` when neither QEMU's memory nor a shared file may be read, saying what to do.
 */
export function planLive(process: ProcessId, sections: readonly MemorySection[], write: boolean): LivePlan {
  const builder = new PlanBuilder(process, write)
  try {
    for (const section of sections) builder.add(section)
    return builder.finish()
  } catch (error) {
    builder.close()
    throw error
  }
}

interface Piece {
  readonly gpa: number
  length: number
  readonly source: number
  readonly place: number
}

class PlanBuilder {
  readonly #process: ProcessId
  readonly #write: boolean
  readonly #mappings: readonly HostMapping[]
  readonly #sources: SourceSpec[] = []
  readonly #fds: number[] = []
  /** By inode and name; -1 where it can't be opened. */
  readonly #byFile = new Map<string, number>()
  readonly #pieces: Piece[] = []
  #processSource: number | undefined
  #denied: string | undefined

  constructor(process: ProcessId, write: boolean) {
    this.#process = process
    this.#write = write
    this.#mappings = this.#readMappings()
  }

  /** Empty when they must not be looked at: then the process may not be read either. */
  #readMappings(): readonly HostMapping[] {
    try {
      return hostMappings(this.#process.pid)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error
      return []
    }
  }

  add({ gpa, length, pointer }: MemorySection): void {
    let done = 0
    while (done < length) {
      const at = pointer + done
      const mapping = this.#mappings.find(({ start, end }) => at >= start && at < end)
      const part = mapping === undefined ? length - done : Math.min(length - done, mapping.end - at)
      const shared = mapping !== undefined && isShared(mapping) ? this.#fileSource(mapping) : undefined
      if (shared !== undefined && mapping !== undefined)
        this.#addPiece({
          gpa: gpa + done,
          length: part,
          source: shared,
          place: at - mapping.start + mapping.offset,
        })
      else this.#addPiece({ gpa: gpa + done, length: part, source: this.#fromProcess(at), place: at })
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
    const fd = openBackingFile(this.#process.pid, mapping, this.#write)
    let source = -1
    if (fd !== undefined) {
      this.#fds.push(fd)
      const sealed = tryLibc()?.cannotShrink(fd) ?? false
      source = this.#sources.push({ kind: 'file', fd, sealed }) - 1
    }
    this.#byFile.set(key, source)
    return source < 0 ? undefined : source
  }

  /** The source for QEMU's own memory; asked for the first time, a byte at `pointer` is tried. */
  #fromProcess(pointer: number): number {
    if (this.#processSource === undefined) {
      this.#denied = refusal(this.#process.pid, pointer)
      const source: SourceSpec =
        this.#denied === undefined
          ? { kind: 'process', process: this.#process, sparse: false }
          : { kind: 'none' }
      this.#processSource = this.#sources.push(source) - 1
    }
    return this.#processSource
  }

  finish(): LivePlan {
    const pieces = this.#pieces
    const bytesOf = (kind: SourceSpec['kind']): number =>
      pieces.reduce((sum, { source, length }) => sum + (this.#sources[source]?.kind === kind ? length : 0), 0)
    const [shared, own, none] = [bytesOf('file'), bytesOf('process'), bytesOf('none')]
    if (shared + own === 0)
      throw new VmsiftError('target-unreadable', this.#denied ?? 'QEMU has no memory that could be read', {
        detail: { pid: this.#process.pid },
      })
    const sources = this.#sources.map(source =>
      source.kind === 'process' ? { ...source, sparse: isSparse(this.#process.pid, own) } : source,
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
      access: shared >= own ? 'shared' : 'process',
      mapped: shared >= own && mapped > shared / 2,
      warnings:
        none > 0 && this.#denied !== undefined
          ? [`${none} bytes of memory can't be read: ${this.#denied}`]
          : [],
      [Symbol.dispose]: () => this.close(),
    }
  }

  close(): void {
    for (const fd of this.#fds.splice(0)) closeSync(fd)
  }
}

function isMapped(source: SourceSpec | undefined): boolean {
  return source?.kind === 'file' && source.sealed
}

/** Why the process can't be read, in words that say what to do; undefined when it can. */
function refusal(pid: number, pointer: number): string | undefined {
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
    source: new Uint8Array(shared(1)),
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
  const resident = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
  return resident * pageBytes() < bytes * SPARSE_BELOW
}
