/** What a Windows crash dump tells beside memory. Addresses are the guest's own: virtual, save for the directory table base. */

/** Which kind of dump: how much of memory it holds, and how. */
export type CrashDumpKind =
  /** All physical memory, run after run. */
  | 'full'
  /** Pages that a bitmap tells: the kernel's, as Windows 2000 to 7 write them. */
  | 'kernel'
  /** Pages that a bitmap tells: all or active memory. */
  | 'bitmap'
  /** Pages that a bitmap tells: the kernel's, as Windows 8 and later write them. */
  | 'bitmap-kernel'
  /** Pages in ranges, as the debugger writes them. */
  | 'ranges'
  /** A small dump: pieces of virtual memory around the crash. */
  | 'triage'

export interface CrashException {
  readonly code: number
  readonly flags: number
  readonly address: bigint
  readonly parameters: readonly bigint[]
}

/** A driver that a triage dump lists. */
export interface TriageDriver {
  readonly name: string
  readonly base: bigint
  readonly size: number
  /** Link time, seconds since 1970. */
  readonly timestamp: number
  readonly checksum: number
}

/** A driver that had been unloaded before the crash. */
export interface UnloadedDriver {
  readonly name: string
  readonly start: bigint
  readonly end: bigint
}

/** What a triage dump holds beside its blocks of virtual memory; the structures are as the kernel laid them out. */
export interface TriageFacts {
  readonly prcb?: Uint8Array
  readonly process?: Uint8Array
  readonly thread?: Uint8Array
  readonly debuggerData?: Uint8Array
  /** Stack pointer at the crash: where the stack's bytes start, which are a block as well. */
  readonly topOfStack?: bigint
  readonly drivers: readonly TriageDriver[]
  readonly unloadedDrivers: readonly UnloadedDriver[]
  /** Blocks of virtual memory as the dump's table lists them. */
  readonly dataBlocks: number
}

/** Header facts of a Windows crash dump; what the writer left out is absent. */
export interface WindowsDumpFacts {
  readonly kind: CrashDumpKind
  readonly bits: 32 | 64
  /** IMAGE_FILE_MACHINE_*. */
  readonly machine: number
  /** 15 for a free build, 12 for a checked one. */
  readonly major: number
  /** The kernel's build number, such as 19041. */
  readonly build: number
  /** CR3 (TTBR0 on arm64) as it was when the dump was written. */
  readonly directoryTableBase?: bigint
  readonly pfnDatabase?: bigint
  /** Address of PsLoadedModuleList. */
  readonly loadedModuleList?: bigint
  /** Address of PsActiveProcessHead. */
  readonly activeProcessHead?: bigint
  /** Address of KdDebuggerDataBlock. */
  readonly debuggerDataBlock?: bigint
  readonly processors: number
  /** Code 0 in a dump of a system that ran on. */
  readonly bugCheck: { readonly code: number; readonly parameters: readonly bigint[] }
  /** 100 ns since 1601-01-01 UTC. */
  readonly systemTime?: bigint
  /** 100 ns since the start. */
  readonly upTime?: bigint
  readonly comment?: string
  readonly productType?: number
  readonly suiteMask?: number
  /** Registers of the processor that wrote the dump (its number isn't told). */
  readonly context?: Readonly<Record<string, bigint>>
  readonly exception?: CrashException
  readonly triage?: TriageFacts
}
