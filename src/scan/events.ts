/** What a scan tells its caller. */
import type { ErrorRecord } from '../core/errors.js'
import type { Gap, GapReason } from '../core/memory.js'
import type { Owner, PageFile } from '../space/guest-spaces.js'
import type { SwapLocation } from '../space/swap-source.js'
import type { RuleHit } from './scanner.js'

/** Bytes of a match that are kept in `data` at most. */
export const MAX_DATA_BYTES = 64

/** What every match tells. */
interface MatchFields {
  readonly type: 'match'
  readonly scanner: 'text' | 'bytes' | 'regex' | 'yara'
  /** The pattern as it was given, or the YARA rule's name. */
  readonly rule: string
  /** YARA only. */
  readonly namespace?: string
  /** YARA only: the string's identifier, `$a`. */
  readonly pattern?: string
  readonly length: number
  /** The first bytes of the match, at most `MAX_DATA_BYTES`. Owned by the receiver. */
  readonly data: Uint8Array
  /** With `owners`: every process and kernel address that maps the first byte, ascending by pid and address. */
  readonly owners?: readonly Owner[]
  /** With `owners`: the file in the page cache to which the first byte belongs. */
  readonly file?: PageFile
  /** With `contextBytes`: bytes before, the match (at most `MAX_DATA_BYTES` of it) and bytes behind. */
  readonly context?: Uint8Array
  /**
   * Of a running guest: whether `data` (in a virtual space: what of it lies in its first page) still stood there when it was read
   * again at the end of the scan. True in a guest that was held still.
   */
  readonly stable?: boolean
}

/** A match whose first byte stands in the guest's memory, at `gpa`. */
export interface ResidentMatchEvent extends MatchFields {
  readonly gpa: number
  readonly swap?: undefined
  /** In a virtual space: whose (the kernel's is 0), and where. */
  readonly pid?: number
  readonly va?: bigint
}

/** In a virtual space: the page of the first byte is swapped out, held compressed in memory, and has no address there. */
export interface SwappedMatchEvent extends MatchFields {
  readonly gpa?: undefined
  readonly swap: SwapLocation
  readonly pid: number
  readonly va: bigint
}

/** In a target that holds virtual memory only: there is no physical address. */
export interface VirtualMatchEvent extends MatchFields {
  readonly gpa?: undefined
  readonly swap?: undefined
  readonly pid: number
  readonly va: bigint
}

export type MatchEvent = ResidentMatchEvent | SwappedMatchEvent | VirtualMatchEvent

export interface RuleEvent extends RuleHit {
  readonly type: 'rule'
  /** In a virtual space: the process in which the rule holds; the kernel is 0. */
  readonly pid?: number
}

/** Physical memory that was not read. */
export interface PhysicalGapEvent extends Gap {
  readonly type: 'gap'
  readonly pid?: undefined
  readonly va?: undefined
  readonly swap?: undefined
}

/** Absent pages in the mapped areas of a process, or (pid 0) bytes that a target of virtual memory lost. */
export interface VirtualGapEvent {
  readonly type: 'gap'
  readonly gpa?: undefined
  readonly pid: number
  readonly va: bigint
  readonly length: number
  readonly reason: GapReason
  /** With reason `swapped`, where it is known: the first page's place; each page behind it is in the slot that follows. */
  readonly swap?: SwapLocation
}

export type GapEvent = PhysicalGapEvent | VirtualGapEvent

/** A partition that failed twice; a gap with reason `error` tells the same range. */
export interface ErrorEvent {
  readonly type: 'error'
  readonly gpa: number
  readonly length: number
  readonly error: ErrorRecord
}

export interface ProgressEvent {
  readonly type: 'progress'
  readonly bytesTotal: number
  readonly bytesDone: number
  readonly matches: number
  /** Bytes a second since the start. */
  readonly rate: number
  readonly secondsElapsed: number
  /** Absent until a rate is known. */
  readonly secondsLeft?: number
}

/** How much of a running guest's memory changed while it was scanned, by hashes of pages spread evenly over it. */
export interface Consistency {
  readonly sampledPages: number
  readonly changedPages: number
  /** `changedPages` / `sampledPages`. */
  readonly changedRatio: number
}

/** Why the scan of a running guest ended early; or (`silent`) that it ended, but QEMU did not answer when the guest was to run again. */
export interface GuestEnd {
  readonly reason: 'died' | 'reset' | 'shutdown' | 'migrated' | 'silent'
  /** For a person. */
  readonly message: string
}

export interface SummaryEvent {
  readonly type: 'summary'
  readonly target: string
  readonly bytesTotal: number
  /** Read and scanned, file holes (known zeros) included. With `complete`: bytesScanned + bytesUnread = bytesTotal. */
  readonly bytesScanned: number
  readonly bytesUnread: number
  /** Bytes unread for a reason that is a failure: everything but `excluded` and `not-present`. */
  readonly bytesFailed: number
  readonly matches: number
  readonly rules: number
  /** YARA strings (`rule:$a`) that have more matches than are kept (a million, as in YARA), or were given up because they take too long. */
  readonly limitedStrings?: readonly string[]
  readonly seconds: number
  readonly jobs: number
  /** Engine with its version. */
  readonly matcher: string
  /** With a virtual space or owners: what was found of the guest's address spaces. */
  readonly spaces?: SpaceCounts
  /** Of a running guest. */
  readonly consistency?: Consistency
  /** The guest was over before the scan was: what was found until then is told. */
  readonly ended?: GuestEnd
  /** All of the range was looked at: not cancelled, not stopped by a limit or the guest's end, no address space cut for the size of its tables. */
  readonly complete: boolean
  /** vmsift's own version. */
  readonly version: string
  /** ISO 8601, UTC. */
  readonly startTime: string
}

/** How much there was to enumerate, and to scan beside the frames themselves. */
export interface SpaceCounts {
  readonly processes: number
  /** Ranges that are contiguous both virtually and physically, over all spaces. */
  readonly extents: number
  /** Distinct regions around joints that were scanned, and their bytes. */
  readonly joints: number
  readonly jointBytes: number
  /** Bytes of swapped-out pages that were held compressed in memory and scanned, each slot once. */
  readonly swappedBytes: number
  /** Translations made to read the guest's structures, that a TLB knew (hits) or page tables were walked for. */
  readonly tlbHits: number
  readonly tlbMisses: number
  /** Spaces that map more than a bound allows, or whose tables took too long: something of them is missing. */
  readonly truncated: number
}

/** Of a scan of physical memory: every match and gap has its `gpa`. */
export type PhysicalScanEvent =
  | ResidentMatchEvent
  | RuleEvent
  | PhysicalGapEvent
  | ErrorEvent
  | ProgressEvent
  | SummaryEvent

/** `summary` is always the last one, unless the scan ends with an error. */
export type ScanEvent = MatchEvent | RuleEvent | GapEvent | ErrorEvent | ProgressEvent | SummaryEvent
