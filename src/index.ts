/** vmsift's public API. Importing it has no side effects. */

export { DetectionCache } from './coordinator/detection-cache.js'
export type { GuestOptions } from './coordinator/guest.js'
export { openControl } from './coordinator/guest-control.js'
export { guestEvents } from './coordinator/guest-events.js'
export { defaultJobs } from './coordinator/jobs.js'
export { type GuestEntry, listGuests } from './coordinator/list-guests.js'
export { isLive, type LiveTarget } from './coordinator/live.js'
export type { PhysicalScanRequest, ScanRequest, ScanTuning } from './coordinator/request.js'
export { scan, scanIterable } from './coordinator/scan.js'
export type { Target, TargetFormat, TargetOptions } from './coordinator/target.js'
export { openTarget } from './coordinator/target.js'
export { VERSION } from './coordinator/version.js'
export type { Gpa } from './core/address.js'
export { gpa, hex, PAGE_BYTES } from './core/address.js'
export type { CpuState } from './core/cpu-state.js'
export type { ErrorCode, ErrorOptions, ErrorRecord } from './core/errors.js'
export { VmsiftError } from './core/errors.js'
export { hexdump } from './core/hexdump.js'
export type {
  Gap,
  GapReason,
  MemoryRun,
  PhysicalMemory,
  ReadStop,
  Span,
  Window,
  WritableMemory,
} from './core/memory.js'
export { isWritable, readInto } from './core/memory.js'
export type { Absent, AbsentReason, VirtualMemory, VirtualRead } from './core/virtual-memory.js'
export type { LiveAccess } from './drivers/live-plan.js'
export type {
  CrashDumpKind,
  CrashException,
  TriageDriver,
  TriageFacts,
  UnloadedDriver,
  WindowsDumpFacts,
} from './formats/crashdump-facts.js'
export type { Architecture, ImageFormat, ImageNotes, ParseOptions } from './formats/image.js'
export type { LinuxGuest, Space } from './introspect/linux-guest.js'
export type { SystemGuest } from './introspect/open.js'
export { openLinuxGuest, openSystemGuest, openWindowsGuest } from './introspect/open.js'
export type { SpaceWriter } from './introspect/space-writer.js'
export type {
  CountedStringLayout,
  ReadRequest,
  TextEncoding,
  TypedReader,
} from './introspect/typed-reads.js'
export type { WindowsGuest } from './introspect/windows-guest.js'
export type { CommandLine } from './os/linux/command-line.js'
export type { Environment } from './os/linux/environment.js'
export type { FileHolder, FileKind, OpenFile, ProcessFile } from './os/linux/files.js'
export type { LinuxKernel } from './os/linux/kernel.js'
export type { LogRecord } from './os/linux/log/record.js'
export type { LinuxMapping } from './os/linux/maps.js'
export type { LinuxModule, ModuleRange, ModuleState } from './os/linux/modules.js'
export type { Mount } from './os/linux/mounts.js'
export type { PageCache, PageCacheOwner } from './os/linux/page-cache.js'
export type { LinuxProcess, ProcessOptions, StartTime } from './os/linux/processes.js'
export type { Endpoint, SocketInfo, SocketKind, SocketOwner } from './os/linux/sockets.js'
export type { Swap, SwapArea, SwapPlace, SwappedPage } from './os/linux/swap.js'
export type { TaskState } from './os/linux/tasks.js'
export type { LinuxThread, ProcessThread, ThreadHolder } from './os/linux/threads.js'
export type { MappingKind } from './os/linux/vma-names.js'
export type { Listing, Problem, ProblemKind } from './os/problem.js'
export type {
  CheckedWindowsProcess,
  WindowsCrossCheck,
  WindowsProcessSources,
  WindowsProcessVerdict,
} from './os/windows/crosscheck.js'
export type { WindowsHandle } from './os/windows/handles.js'
export type {
  DumpModule,
  FindingWay,
  FoundBy,
  KernelPdb,
  KernelPlace,
  KernelPlaces,
  WindowsKernel,
} from './os/windows/kernel.js'
export type { LayoutOrigin } from './os/windows/layout/facts.js'
export type { WindowsMachine, WindowsVersion } from './os/windows/layout/version.js'
export type { WindowsMapping } from './os/windows/maps.js'
export type {
  CheckedWindowsModule,
  WindowsModuleCrossCheck,
  WindowsModuleSources,
  WindowsModuleVerdict,
} from './os/windows/module-crosscheck.js'
export type { WindowsModule } from './os/windows/modules.js'
export type { PageFileName } from './os/windows/page-files.js'
export type { LoadedImage } from './os/windows/peb.js'
export type { WindowsProcess, WindowsProcessOptions } from './os/windows/processes.js'
export type { WindowsThread } from './os/windows/threads.js'
export type { AbsentDecoderName, SwapSlot } from './paging/absent.js'
export type { AddressSpace } from './paging/address-space.js'
export type { ExtentLimits } from './paging/collect-extents.js'
export type { ExtentColumns, ExtentSink } from './paging/extent-columns.js'
export type { Extent, ExtentList } from './paging/extents.js'
export type { EntryFormat, PagingMode } from './paging/mode.js'
export type { AbsentAddress, MappedAddress, PageFlags, Translation } from './paging/translation.js'
export type { Walk, WalkLevel } from './paging/walk-levels.js'
export type { ControlOptions, Debugger, GuestControl } from './qemu/control.js'
export type { EventRequest, GuestEvent, HeldGuest, Watchpoint } from './qemu/events.js'
export type { WatchAccess } from './qemu/gdbstub-stop.js'
export type { PauseGuard } from './qemu/pause-guard.js'
export type { RunState } from './qemu/run-state.js'
export type {
  Consistency,
  ErrorEvent,
  GapEvent,
  GuestEnd,
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
  VirtualMatchEvent,
} from './scan/events.js'
export type { MatcherChoice, PatternSpec } from './scan/pattern-spec.js'
export type { MetaValue, RuleHit } from './scan/scanner.js'
export type { Owner, PageFile, SpaceChoice } from './space/guest-spaces.js'
export type { SwapLocation } from './space/swap-source.js'
export type { KernelSymbol, Member, SymbolTable, TypeTable } from './symbols/contract.js'
