/** What a format parser returns: plain data that crosses threads, bulk tables over SharedArrayBuffer. */
import type { Architecture } from '../core/architecture.js'
import type { ByteSource } from '../core/bytes.js'
import type { CpuState } from '../core/cpu-state.js'
import type { MemoryRun, Span } from '../core/memory.js'
import type { WindowsDumpFacts } from './crashdump-facts.js'

export type ImageFormat = 'raw' | 'lime' | 'avml' | 'elf' | 'kdump' | 'crashdump'

export type { Architecture, CpuState }

/** Facts an image carries beside memory. */
export interface ImageNotes {
  /** VMCOREINFO text as the guest's kernel wrote it. */
  readonly vmcoreinfo?: string
  readonly cpus: readonly CpuState[]
  /** What the header of a Windows crash dump tells. */
  readonly windows?: WindowsDumpFacts
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

/**
 * The chunks of an AVML image, ascending: entry i covers `gpa[i]` up to `gpa[i + 1]`, and the last entry is always an end mark.
 * All arrays lie over SharedArrayBuffer.
 */
export interface AvmlIndex {
  readonly format: 'avml'
  readonly gpa: Float64Array
  /** File offset of the chunk's header; `AVML_HOLE` where there is no memory, `AVML_TRUNCATED` where the file ends before. */
  readonly offset: Float64Array
}

/** `AvmlIndex.offset`: no memory here. */
export const AVML_HOLE = -1
/** `AvmlIndex.offset`: the header claims this memory, and the file ends before it. */
export const AVML_TRUNCATED = -2

/** Where the bytes of a flattened dump lie in the file. Ascending and disjoint by `start`; what no piece covers is zeros. */
export interface FlatIndex {
  /** Offset in the dump as it would be after `makedumpfile -R`. */
  readonly start: Float64Array
  readonly length: Float64Array
  /** Offset in the flattened file. */
  readonly offset: Float64Array
  /** Size of the rearranged dump. */
  readonly size: number
  /** There was no end mark: what no piece covers may be lost, not zero. */
  readonly truncated: boolean
}

/** What is needed to find a page in a kdump-compressed file. Page descriptors themselves stay in the file. */
export interface KdumpIndex {
  readonly format: 'kdump'
  readonly blockBytes: number
  /** Page frames that the bitmaps speak of. */
  readonly pages: number
  /** One bit a page frame, least significant first: set when the file holds the page. */
  readonly dumped: Uint8Array
  /** Set bits of `dumped` before each stretch of `RANK_BYTES`. */
  readonly ranks: Uint32Array
  /** Offset of the first page descriptor. */
  readonly descriptors: number
  /** The writer said, or the missing end mark says, that the file was not finished: a missing page is lost. */
  readonly incomplete: boolean
  readonly flat?: FlatIndex
}

/** Discriminated by format; `openBlocks` turns it into a reader. */
export type BlockIndex = AvmlIndex | KdumpIndex

export interface Image {
  readonly format: ImageFormat
  /**
   * What the addresses of runs and extents are: guest physical (default), or virtual ones, folded (core/folded-address.ts), of an image
   * that has no physical memory.
   */
  readonly space?: 'virtual'
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
  /** The file as the person named it, for messages that say which command to run; default `FILE`. */
  readonly name?: string
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
   * @throws VmsiftError `image-corrupt` when the block can't be decompressed; the caller makes that a gap of this block's
   * length, with the reason `blockFailure` finds in the error: `unreadable`, or `truncated` where the file ends before.
   */
  decode(start: number, target: Uint8Array): number
}

/** A parser looks at a source and returns the image it holds. */
export type ImageParser = (source: ByteSource, options: ParseOptions) => Image
