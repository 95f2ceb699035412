/** What a thread needs to open guest memory: plain data, sent to every worker. */
import type { MemoryRun } from '../core/memory.js'
import type { Storage } from '../formats/image.js'

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

export type DriverSpec = FileSpec
