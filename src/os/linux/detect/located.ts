/** A kernel on its way from a hit in memory to what is told about it. */
import type { Architecture } from '../../../core/architecture.js'
import type { ImageNotes } from '../../../formats/image.js'
import type { SymbolTable } from '../../../symbols/contract.js'
import type { KallsymsTables } from '../../../symbols/kallsyms-layout.js'
import type { VmcoreInfo } from '../../../symbols/vmcoreinfo.js'
import type { Candidate } from './candidate.js'

/** What is known before looking at memory. */
export interface LocateHints {
  /** VMCOREINFO and registers, as far as the image carries them. */
  readonly notes?: ImageNotes | undefined
  readonly architecture?: Architecture | undefined
  /** The image doesn't tell where memory starts (a raw file), so that it may be elsewhere than at 0. */
  readonly openBase?: boolean | undefined
}

/** A kernel whose tables map its image where they should. */
export interface Located {
  readonly candidate: Candidate
  readonly info?: VmcoreInfo
  readonly kallsyms?: LocatedKallsyms
  /** Out of a file, at the guest's addresses, where memory holds none. */
  readonly fileSymbols?: SymbolTable
}

/** Symbols and where their tables lie. */
export interface LocatedKallsyms {
  readonly tables: KallsymsTables<bigint>
  readonly symbols: SymbolTable
}
