/** vmsift's public API. Importing it has no side effects. */

export { defaultJobs } from './coordinator/jobs.js'
export type { ScanRequest, ScanTuning } from './coordinator/request.js'
export { scan, scanIterable } from './coordinator/scan.js'
export type { Target } from './coordinator/target.js'
export { openTarget } from './coordinator/target.js'
export { VERSION } from './coordinator/version.js'
export type { Gpa } from './core/address.js'
export { gpa, hex, PAGE_BYTES } from './core/address.js'
export type { ErrorCode, ErrorOptions, ErrorRecord } from './core/errors.js'
export { VmsiftError } from './core/errors.js'
export type { Gap, GapReason, MemoryRun, PhysicalMemory, ReadStop, Span, Window } from './core/memory.js'
export { readInto } from './core/memory.js'
export type { Architecture, CpuState, ImageFormat, ImageNotes, ParseOptions } from './formats/image.js'
export type {
  ErrorEvent,
  GapEvent,
  MatchEvent,
  ProgressEvent,
  RuleEvent,
  ScanEvent,
  SummaryEvent,
} from './scan/events.js'
export type { MatcherChoice, PatternSpec } from './scan/pattern-spec.js'
export type { RuleHit } from './scan/scanner.js'
