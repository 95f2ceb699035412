/** vmsift's public API. Importing it has no side effects. */

export { defaultJobs } from './coordinator/jobs.js'
export type { PhysicalScanRequest, ScanRequest, ScanTuning } from './coordinator/request.js'
export { scan, scanIterable } from './coordinator/scan.js'
export type { Target } from './coordinator/target.js'
export { openTarget } from './coordinator/target.js'
export { VERSION } from './coordinator/version.js'
export type { Gpa } from './core/address.js'
export { gpa, hex, PAGE_BYTES } from './core/address.js'
export type { ErrorCode, ErrorOptions, ErrorRecord } from './core/errors.js'
export { VmsiftError } from './core/errors.js'
export { hexdump } from './core/hexdump.js'
export type { Gap, GapReason, MemoryRun, PhysicalMemory, ReadStop, Span, Window } from './core/memory.js'
export { readInto } from './core/memory.js'
export type { Absent, AbsentReason, VirtualMemory, VirtualRead } from './core/virtual-memory.js'
export type { Architecture, CpuState, ImageFormat, ImageNotes, ParseOptions } from './formats/image.js'
export type { LinuxGuest, Space } from './introspect/linux-guest.js'
export { openLinuxGuest } from './introspect/open.js'
export type { SpaceWriter } from './introspect/space-writer.js'
export type {
  CountedStringLayout,
  ReadRequest,
  TextEncoding,
  TypedReader,
} from './introspect/typed-reads.js'
export type { OpenFile } from './os/linux/files.js'
export type { LinuxKernel } from './os/linux/kernel.js'
export type { LogRecord } from './os/linux/log/record.js'
export type { LinuxMapping } from './os/linux/maps.js'
export type { LinuxModule } from './os/linux/modules.js'
export type { Mount } from './os/linux/mounts.js'
export type { Listing, Problem } from './os/linux/problem.js'
export type { LinuxProcess } from './os/linux/processes.js'
export type { SocketInfo } from './os/linux/sockets.js'
export type { LinuxThread } from './os/linux/threads.js'
export type { AddressSpace } from './paging/address-space.js'
export type { Translation } from './paging/translation.js'
export type { Walk, WalkLevel } from './paging/walk-levels.js'
export type {
  ErrorEvent,
  GapEvent,
  MatchEvent,
  PhysicalGapEvent,
  PhysicalScanEvent,
  ProgressEvent,
  ResidentMatchEvent,
  RuleEvent,
  ScanEvent,
  SpaceCounts,
  SummaryEvent,
  SwappedMatchEvent,
  VirtualGapEvent,
} from './scan/events.js'
export type { MatcherChoice, PatternSpec } from './scan/pattern-spec.js'
export type { RuleHit } from './scan/scanner.js'
export type { Owner, PageFile, SpaceChoice } from './space/guest-spaces.js'
export type { SwapLocation } from './space/swap-source.js'
export type { KernelSymbol, Member, SymbolTable, TypeTable } from './symbols/contract.js'
