/** A Windows kernel that was found in a guest's memory: what every list of processes, modules, ... starts from. */
import type { Architecture } from '../../core/architecture.js'
import type { VirtualMemory } from '../../core/virtual-memory.js'
import type { AbsentDecoderName } from '../../paging/absent.js'
import type { PagingMode } from '../../paging/mode.js'
import type { SymbolTable, TypeTable } from '../../symbols/contract.js'
import type { LayoutOrigin } from './layout/facts.js'
import type { WindowsVersion } from './layout/version.js'

/** The symbol file that belongs to a kernel. */
export interface KernelPdb {
  readonly name: string
  readonly guid: string
  readonly age: number
}

/** A structure or a list of the kernel's, and what told where it is. */
export interface KernelPlace {
  readonly address: bigint
  /** `export`, `kdbg`, `isf`, `dump`, `list`, `search`. */
  readonly from: string
}

/** Places that the lists start from; absent where nothing tells them. */
export interface KernelPlaces {
  /** EPROCESS of the process that ran when a triage dump was written. */
  readonly currentProcess?: KernelPlace | undefined
  /** EPROCESS of System. */
  readonly systemProcess?: KernelPlace | undefined
  /** Head of the list of processes. */
  readonly processHead?: KernelPlace | undefined
  /** Head of the list of loaded modules. */
  readonly moduleHead?: KernelPlace | undefined
  /** The pointer to the table of process and thread ids. */
  readonly cidTable?: KernelPlace | undefined
  /** KdDebuggerDataBlock. */
  readonly kdbg?: KernelPlace | undefined
  /** The memory manager's array of page files. */
  readonly pagingFiles?: KernelPlace | undefined
  /** Array of object types by index. */
  readonly typeTable?: KernelPlace | undefined
}

/** A way of finding a kernel, and whether it led to this one. */
export interface FoundBy {
  readonly way: FindingWay
  readonly agrees: boolean
  /** What it told, for a person. */
  readonly detail: string
}

export type FindingWay =
  | 'dump'
  | 'registers'
  | 'low-stub'
  | 'self-map'
  | 'kpcr'
  | 'kdbg'
  | 'process'
  | 'image'

/** A module that a dump's header lists. */
export interface DumpModule {
  readonly name: string
  readonly base: bigint
  readonly size: number
}

export interface WindowsKernel {
  readonly architecture: Architecture
  readonly version: WindowsVersion
  /** `10.0.19041`. */
  readonly release: string
  /** NtBuildLab where it could be read, such as `7601.17514.amd64fre.win7sp1_rtm.101119-1850`. */
  readonly build: string | undefined
  readonly pdb: KernelPdb | undefined
  readonly kernelBase: bigint
  readonly kernelBytes: number
  /** Absent for dumps that hold virtual memory only. */
  readonly paging: PagingMode | undefined
  /** gpa of the top table of System, which maps the kernel. Meaningless without `paging`. */
  readonly dtb: number
  readonly absent: AbsentDecoderName
  readonly symbols: SymbolTable
  readonly types: TypeTable
  /** Reads through the kernel's own tables. */
  readonly memory: VirtualMemory
  readonly places: KernelPlaces
  /** Modules as a dump's header lists them, for where the kernel's own list is not in the dump. */
  readonly dumpModules?: readonly DumpModule[]
  readonly foundBy: readonly FoundBy[]
  /** Without it, facts: what code, tables and data told. */
  readonly symbolFile: boolean
  /** Where each member of the structures came from. */
  readonly origins: readonly LayoutOrigin[]
  /** Facts that contradict each other, one line each. */
  readonly disagreements: readonly string[]
}
