/** What the coordinator and its workers say to each other. All of it is plain data. */
import type { Gap, MemoryRun } from '../core/memory.js'
import type { DriverSpec } from '../drivers/spec.js'
import type { EdgeTable } from '../space/edge-table.js'
import type { EnumeratedSpace, SpaceQuery, TableRules } from '../space/enumerate.js'
import type { JointTable } from '../space/joint-table.js'
import type { RuleSearch } from '../space/rule-plan.js'
import type { SwappedRange } from '../space/swapped-memory.js'
import type { CompiledScan } from './compiled-scan.js'
import type { Packed } from './context.js'
import type { ControlBlock } from './control.js'
import type { ScanArea } from './plan.js'

/** What a worker needs to know of a scan. It travels packed, with each task. */
export interface WorkerContext {
  readonly driver: DriverSpec
  readonly compiled: CompiledScan
  readonly control: ControlBlock['shared']
  /** What is scanned: the image's runs inside the asked-for range. */
  readonly runs: readonly MemoryRun[]
  readonly blockBytes: number
  readonly contextBytes: number
  /** Matches come in ascending order within a partition. */
  readonly sort: boolean
  /** By part of the rules' strings: 1 once enough matches lie before every partition that is not done. Set while the scan goes on. */
  readonly fullParts?: Uint8Array
  /** Makes the worker misbehave at a place of the test's choice. */
  readonly fault?: Fault
  /** A virtual space is scanned. */
  readonly virtual?: VirtualContext
}

/** What a worker needs to know of a virtual space. */
export interface VirtualContext {
  /** As `EnumerateTask.base`. */
  readonly base: number
  /** Bytes that decide a start, before it and behind its first byte. */
  readonly behindBytes: number
  readonly aheadBytes: number
  readonly joints: JointTable
  /** Absent: regions are fetched by whoever scans them. */
  readonly edges?: EdgeTable
  /** Every pattern has one length and looks at nothing around it. */
  readonly plainPatterns: boolean
  /** With YARA rules. */
  readonly rules?: RuleSearch
  /** Pages that were brought back from swap, on top of the driver's memory. */
  readonly swapped?: SwappedRange
}

/** Some address spaces to enumerate. */
export interface EnumerateTask {
  readonly kind: 'enumerate'
  /** A packed `DriverSpec`. */
  readonly driver: Packed
  /** What is to be added to the driver's addresses: a raw image whose first byte is not at 0. */
  readonly base: number
  readonly rules: TableRules
  readonly queries: readonly SpaceQuery[]
}

/** What an `EnumerateTask` is answered with. */
export type EnumerateAnswer = readonly EnumeratedSpace[]

/** For tests of the recovery itself: what a real crash does, at a known place. */
export interface Fault {
  readonly kind: 'throw' | 'exit'
  /** The block that holds this address sets it off. */
  readonly gpa: number
  /** Only attempts below this number fail. */
  readonly attempts: number
}

export interface ScanTask {
  readonly kind: 'scan'
  /** A packed `WorkerContext`: the same for all tasks of a scan, unpacked at a thread's first. */
  readonly context: Packed
  readonly partition: number
  readonly attempt: number
  readonly slot: number
  /** Where to start: the partition's start, or where the attempt before was known to have come. */
  readonly start: number
  readonly end: number
  /** Matches from `start` on that the coordinator already has. */
  readonly skip: number
  readonly area?: ScanArea
}

/** Frees what a thread has opened; a terminated thread would leak its mappings. */
export interface CloseTask {
  readonly kind: 'close'
  /** Threads that are to close, and where they meet; absent when no scan began. */
  readonly workers: number
  readonly control?: ControlBlock['shared']
}

export type WorkerTask = ScanTask | EnumerateTask | CloseTask

/** Matches as columns, in order of discovery. Its buffers are transferred. */
export interface MatchColumns {
  readonly count: number
  /** Index into the compiled patterns. */
  readonly pattern: Uint32Array
  readonly gpa: Float64Array
  readonly length: Uint32Array
  /** Where each match's kept bytes end in `bytes`: data, then context. */
  readonly dataEnd: Uint32Array
  readonly contextEnd: Uint32Array
  readonly bytes: Uint8Array
}

/** Matches of parts of rules' strings (`StringTables`), in order of discovery. Its buffers are transferred. */
export interface StringColumns {
  readonly count: number
  readonly part: Uint32Array
  readonly gpa: Float64Array
  readonly length: Uint32Array
}

/**
 * Matches that frames alone do not decide, in virtual spaces: at laid-out addresses, possibly several of a part at one, of which that with
 * the lowest order counts, with greedy parts that with the highest. Its buffers are transferred.
 */
export interface CrossingColumns {
  readonly count: number
  readonly part: Uint32Array
  readonly address: Float64Array
  readonly length: Uint32Array
  readonly order: Uint32Array
}

/** Worker to coordinator. */
export interface Batch {
  readonly partition: number
  readonly attempt: number
  readonly slot: number
  readonly columns: MatchColumns
  /** With rules whose strings were hit. */
  readonly strings?: StringColumns
  readonly crossings?: CrossingColumns
  /** Parts of which not every match is told. */
  readonly dropped?: readonly number[]
  readonly gaps: readonly Gap[]
  /** Bytes scanned since the last batch. */
  readonly scannedBytes: number
  /** All blocks below are told; of the one that starts here, the first `resumeSkip` matches are. */
  readonly resumeAt: number
  readonly resumeSkip: number
  /** Since the worker took the task up. */
  readonly milliseconds: number
  /** The partition is done. */
  readonly last: boolean
}
