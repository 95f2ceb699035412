/** What is true of a generated guest, as plain data that the tests compare answers with. */

export interface ProcessTruth {
  readonly pid: number
  readonly ppid: number
  /** As ImageFileName keeps it. */
  readonly name: string
  /** EPROCESS. */
  readonly address: bigint
  /** gpa of the kernel's view of its top table. */
  readonly dtb: number
  /** gpa of the table that user code runs on, where the two are separate. */
  readonly userDtb?: number
  readonly threads: readonly ThreadTruth[]
  /** 100 ns since 1601. */
  readonly createTime: bigint
  readonly exitTime?: bigint
  readonly session?: number
  readonly peb?: bigint
  readonly commandLine?: string
  readonly imagePath?: string
  readonly wow64: boolean
  /** Where it can be found: by the active list, by the table of ids, by its pool block. */
  readonly listed: boolean
  readonly inTable: boolean
  /** Its pool block was freed: only its bytes are left. */
  readonly freed: boolean
  readonly modules: readonly ModuleTruth[]
  readonly areas: readonly AreaTruth[]
  readonly handles: readonly HandleTruth[]
  readonly pages: readonly PageTruth[]
}

export interface ThreadTruth {
  readonly tid: number
  readonly address: bigint
}

export interface ModuleTruth {
  readonly name: string
  readonly path: string
  readonly base: bigint
  readonly size: number
  /** In the 32-bit lists of a WoW64 process. */
  readonly narrow?: true
  /** In no list. */
  readonly hidden?: true
}

export interface AreaTruth {
  readonly start: bigint
  /** Exclusive. */
  readonly end: bigint
  /** MM_PROTECT_*: 1 read-only, 2 execute, 3 execute-read, 4 read-write, 5 write-copy, 6 execute-read-write, 7 execute-write-copy. */
  readonly protection: number
  readonly kind: 'private' | 'mapped' | 'image'
  readonly path?: string
}

export interface HandleTruth {
  readonly handle: number
  readonly type: string
  readonly object: bigint
  readonly access: number
  readonly name?: string
}

/** A page file as the kernel numbers them. */
export interface PageFileTruth {
  readonly number: number
  /** Absent of the store of compressed memory. */
  readonly path?: string
}

/** A user page whose entry is of a kind of its own. `gpa`: where its bytes are in memory. */
export interface PageTruth {
  readonly va: bigint
  readonly kind:
    | 'valid'
    | 'large'
    | 'transition'
    | 'prototype'
    | 'prototype-transition'
    | 'demand-zero'
    | 'pagefile'
    | 'prototype-pagefile'
  readonly gpa?: number
  readonly pageFile?: { readonly number: number; readonly page: number }
}

export interface WindowsTruth {
  readonly version: { readonly major: number; readonly minor: number; readonly build: number }
  readonly machine: 'x86' | 'x64'
  readonly paging: 'ia32' | 'pae' | '4-level'
  /** gpa of System's top table. */
  readonly dtb: number
  readonly kernelBase: bigint
  readonly kernelBytes: number
  readonly pdb?: { readonly name: string; readonly guid: string; readonly age: number }
  /** Exported names and some that are not, by address. */
  readonly symbols: ReadonlyMap<string, bigint>
  readonly exports: ReadonlySet<string>
  readonly processes: readonly ProcessTruth[]
  readonly modules: readonly ModuleTruth[]
  /** Empty where the build's table does not tell of them. */
  readonly pageFiles: readonly PageFileTruth[]
  /** Of the only processor. */
  readonly registers: Readonly<Record<string, bigint>>
  /** Where structures are that a test may want to break. */
  readonly places: {
    readonly processHead: bigint
    readonly moduleHead: bigint
    readonly cidTable: bigint
    readonly kdbg: bigint
    readonly kpcr: bigint
    readonly exportTable: bigint
  }
}
