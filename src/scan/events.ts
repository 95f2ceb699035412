/** What a scan tells its caller. */
import type { ErrorRecord } from '../core/errors.js'
import type { Gap } from '../core/memory.js'
import type { RuleHit } from './scanner.js'

/** Bytes of a match that are kept in `data` at most. */
export const MAX_DATA_BYTES = 64

export interface MatchEvent {
  readonly type: 'match'
  readonly scanner: 'text' | 'bytes' | 'regex' | 'yara'
  /** The pattern as it was given, or the YARA rule's name. */
  readonly rule: string
  /** YARA only. */
  readonly namespace?: string
  /** YARA only: the string's identifier, `$a`. */
  readonly pattern?: string
  readonly gpa: number
  readonly length: number
  /** The first bytes of the match, at most `MAX_DATA_BYTES`. Owned by the receiver. */
  readonly data: Uint8Array
  /** With `contextBytes`: bytes before, the match (at most `MAX_DATA_BYTES` of it) and bytes behind. */
  readonly context?: Uint8Array
}

export interface RuleEvent extends RuleHit {
  readonly type: 'rule'
}

export interface GapEvent extends Gap {
  readonly type: 'gap'
}

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
  readonly seconds: number
  readonly jobs: number
  /** Engine with its version. */
  readonly matcher: string
  /** All of the range was looked at: not cancelled, not stopped by a limit. */
  readonly complete: boolean
  /** vmsift's own version. */
  readonly version: string
  /** ISO 8601, UTC. */
  readonly startTime: string
}

/** `summary` is always the last one, unless the scan ends with an error. */
export type ScanEvent = MatchEvent | RuleEvent | GapEvent | ErrorEvent | ProgressEvent | SummaryEvent
