/** What a thread needs to open guest memory: plain data, sent to every worker. */
import type { MemoryRun } from '../core/memory.js'
import type { Storage } from '../formats/image.js'
import type { ProcessId } from '../qemu/processes.js'

export interface FileSpec {
  readonly kind: 'file'
  readonly path: string
  /**
   * The coordinator's open descriptor, in this process. Workers reopen the very same file through it, so an image
   * that is replaced by another under its name is still the one whose header was parsed.
   */
  readonly fd: number
  readonly runs: readonly MemoryRun[]
  readonly storage: Storage
  /** False keeps the file from being mapped: it is copied with pread instead. */
  readonly map: boolean
}

/** A running guest's memory, piece by piece from several sources. */
export interface LiveSpec {
  readonly kind: 'live'
  readonly runs: readonly MemoryRun[]
  readonly pieces: LivePieces
  readonly sources: readonly SourceSpec[]
  /** As in `FileSpec`. */
  readonly map: boolean
  /** Whether the memory opened may be written. */
  readonly write: boolean
}

/**
 * What lies where: parallel arrays, ascending and disjoint by `gpa`, which together cover the runs exactly. `source` is an index into
 * the sources, `place` what the source calls the first byte.
 */
export interface LivePieces {
  readonly gpa: Float64Array
  readonly length: Float64Array
  readonly source: Uint16Array
  readonly place: Float64Array
}

/**
 * Where live bytes come from. `file`: the file behind a shared memory backend; places are offsets, and it is mapped when it is `sealed`
 * against shrinking. `process`: QEMU's own memory; places are addresses in it. `monitor`: through QMP. `none`: nothing may be read.
 */
export type SourceSpec =
  | { readonly kind: 'file'; readonly fd: number; readonly sealed: boolean; readonly huge?: HugePages }
  | {
      readonly kind: 'process'
      readonly process: ProcessId
      /** Much of it was never touched by the guest: it is worth asking for what is not there. */
      readonly sparse: boolean
    }
  | {
      /** QEMU writes or prints it; places are guest physical addresses. */
      readonly kind: 'monitor'
      readonly qmpPath: string
      readonly turns: SharedArrayBuffer
      readonly folder?: string
    }
  | { readonly kind: 'none' }

/** A file of huge pages (hugetlbfs, or a memfd of them), as QEMU has it mapped. */
export interface HugePages {
  readonly pid: number
  /** Address in QEMU where the file's first byte is, or would be. */
  readonly pointer: number
}

export type DriverSpec = FileSpec | LiveSpec
