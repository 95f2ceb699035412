/** Paging modes as data: what a walker needs to know of an architecture. */
import type { Architecture } from '../core/architecture.js'

/** One paging mode, plain data that crosses threads. */
export interface PagingMode {
  readonly name: string
  readonly architecture: Architecture
  /** Bytes of a table entry. */
  readonly entryBytes: 4 | 8
  /** log2 of the smallest page. */
  readonly pageShift: 12 | 14 | 16
  /** Index bits of each level, from the top table down. */
  readonly indexBits: readonly number[]
}
