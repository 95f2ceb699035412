/** What was found out about a kernel, as plain data: enough to open it again without a search. */
import type { KallsymsTables } from '../../../symbols/kallsyms-layout.js'
import type { Candidate } from './candidate.js'
import type { SymbolAnswers } from './memo-symbols.js'
import type { TypeAnswers } from './memo-types.js'

/** Where the types' BTF lies. */
export interface BtfPlace {
  readonly va: bigint
  readonly length: number
}

/** A kernel that was found. */
export interface LinuxRecord extends Candidate {
  readonly banner: string
  readonly release: string
  /** Where the banner stands: what a later run checks before it believes the rest. */
  readonly bannerAddress: bigint
  readonly kernelBase: bigint
  /** The symbol that stands there. */
  readonly baseName: '_text' | '_stext'
  readonly kaslrOffset: bigint
  /** Absent where the guest's memory holds no symbols. */
  readonly kallsyms?: { readonly tables: KallsymsTables<bigint>; readonly count: number }
  readonly btf?: BtfPlace
  /** What had to be derived from data; absent as long as nobody tried. */
  readonly derived?: readonly string[]
  /** Answers of symbol and type tables that were asked before. */
  readonly symbolAnswers?: SymbolAnswers
  readonly typeAnswers?: TypeAnswers
}
