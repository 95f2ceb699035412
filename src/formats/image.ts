/** What a format parser returns: plain data that crosses threads, bulk tables over SharedArrayBuffer. */
import type { ByteSource } from '../core/bytes.js'
import type { MemoryRun, Span } from '../core/memory.js'

export type ImageFormat = 'raw' | 'lime' | 'avml' | 'elf' | 'kdump'

export type Architecture = 'x86_64' | 'x86_64-la57' | 'i386-pae' | 'i386' | 'aarch64'

/** One vCPU's registers as an image's notes carry them; a register that nothing gives is absent. */
export interface CpuState {
  readonly vcpu: number
  readonly registers: Readonly<Record<string, bigint>>
}

/** Facts an image carries beside memory. */
export interface ImageNotes {
  /** VMCOREINFO text as the guest's kernel wrote it. */
  readonly vmcoreinfo?: string
  readonly cpus: readonly CpuState[]
}

/** File offset of an extent whose bytes are zeros that the file does not hold. */
export const ZERO_EXTENT = -1
/** File offset of an extent that the image left out on purpose (makedumpfile). */
export const EXCLUDED_EXTENT = -2

/**
 * Where uncompressed memory lies in the file. Parallel arrays, ascending and disjoint by `gpa`; neighbours that
 * touch in both address and file offset are one extent. Together they cover the image's runs exactly.
 */
export interface ExtentTable {
  readonly gpa: Float64Array
  readonly length: Float64Array
  /** File offset, or `ZERO_EXTENT`, or `EXCLUDED_EXTENT`. */
  readonly offset: Float64Array
}

/**
 * How to get at the bytes. `direct`: at file offsets. `blocks`: compressed; `index` is the format's own plain data,
 * which `openBlocks` turns into a reader in each thread.
 */
export type Storage =
  | { readonly kind: 'direct'; readonly extents: ExtentTable }
  | { readonly kind: 'blocks'; readonly index: BlockIndex }

/** Discriminated by format; each format file defines its own and adds it here. */
export type BlockIndex = { readonly format: 'avml' } | { readonly format: 'kdump' }

export interface Image {
  readonly format: ImageFormat
  /** Sorted, disjoint, touching ranges merged. */
  readonly runs: readonly MemoryRun[]
  readonly architecture?: Architecture
  readonly notes: ImageNotes
  readonly storage: Storage
  /** Oddities worth telling a person, one line each: a header that lies but could be lived with. */
  readonly warnings: readonly string[]
}

/** Options that a person gives because the bytes can't tell. */
export interface ParseOptions {
  /** Overrides detection. */
  readonly format?: ImageFormat
  /** Guest physical address of a raw file's first byte; default 0. */
  readonly base?: number
}

/** Random access to compressed memory, one instance a thread. */
export interface BlockReader {
  /** Bytes of the largest block. */
  readonly maxBlockBytes: number
  /**
   * The block, or stretch of blocks alike, that holds `gpa` (inside a run). `start` ≤ gpa. A `data` span is one block;
   * `gap` and `zero` spans are coalesced as far as is cheap, but never beyond `gpa + limit`.
   */
  locate(gpa: number, limit: number): { readonly start: number; readonly span: Span }
  /**
   * Decompresses the block that starts at `start` (as `locate` told) into `target`, which has room for `maxBlockBytes`.
   * Returns bytes written.
   * @throws VmsiftError `image-corrupt` when the block can't be decompressed; the caller makes that an `unreadable` gap.
   */
  decode(start: number, target: Uint8Array): number
}

/** A parser looks at a source and returns the image it holds. */
export type ImageParser = (source: ByteSource, options: ParseOptions) => Image
