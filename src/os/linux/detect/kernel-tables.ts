/** A kernel's symbols and types, each read at first use: the guest's own, then a file of the person's, then what the data gives away. */
import type { PhysicalMemory } from '../../../core/memory.js'
import { linuxAbsent } from '../../../paging/absent.js'
import { openAddressSpace } from '../../../paging/address-space.js'
import { parseBtf } from '../../../symbols/btf-types.js'
import { virtualReader } from '../../../symbols/byte-reader.js'
import type { SymbolTable, TypeTable } from '../../../symbols/contract.js'
import { parseKallsyms } from '../../../symbols/kallsyms.js'
import { rebased } from '../../search/physical.js'
import { type Derived, deriveTypes } from '../derive/derive.js'
import { gpaOf, kernelSpace } from './candidate.js'
import { chainSymbols, chainTypes, listedSymbols } from './chained-tables.js'
import type { LinuxRecord } from './record.js'

/** The first process: every kernel has it, but not every one names it. */
const FIRST_TASK = 'init_task'

/** Tables that are at hand already. */
export interface ReadyTables {
  /** kallsyms, parsed. */
  readonly kallsyms?: SymbolTable
  /** Out of a file, at the guest's addresses. */
  readonly fileSymbols?: SymbolTable
  readonly fileTypes?: TypeTable
}

/** See the module's comment. */
export class KernelTables {
  readonly #memory: PhysicalMemory
  readonly #record: LinuxRecord
  readonly #ready: ReadyTables
  #own: SymbolTable | undefined
  #derived: { readonly found: Derived | undefined } | undefined

  constructor(memory: PhysicalMemory, record: LinuxRecord, ready: ReadyTables) {
    this.#memory = memory
    this.#record = record
    this.#ready = ready
    this.#own = ready.kallsyms
  }

  /** What had to be derived, one line each; empty where nothing had to. */
  derivedLines(): readonly string[] {
    if (this.mustDerive) return this.#derive()?.derived ?? []
    if (!this.#lacksData()) return []
    const added = this.#derive()?.symbols ?? []
    return added.length === 0
      ? []
      : [`${added.length} symbols of data (kallsyms names functions only; the kernel's exports tell these)`]
  }

  /** What `symbols` will say of its source. */
  get symbolSource(): string {
    return this.#record.kallsyms === undefined ? (this.#ready.fileSymbols?.source ?? 'none') : 'kallsyms'
  }

  /** What `types` will say of its source. */
  get typeSource(): string {
    if (this.mustDerive) return 'derived'
    const own = this.#record.btf === undefined ? [] : ['btf']
    return [...own, ...(this.#ready.fileTypes === undefined ? [] : [this.#ready.fileTypes.source])].join('+')
  }

  symbols(): SymbolTable {
    const tables = this.#plainSymbols()
    const derived = this.mustDerive || this.#lacksData() ? this.#derive() : undefined
    return chainSymbols(
      derived === undefined ? tables : [...tables, listedSymbols('derived', derived.symbols)],
    )
  }

  types(): TypeTable {
    if (this.mustDerive) {
      const derived = this.#derive()
      return chainTypes(derived === undefined ? [] : [derived.types])
    }
    const btf = this.#btf()
    const file = this.#ready.fileTypes
    return chainTypes([...(btf === undefined ? [] : [btf]), ...(file === undefined ? [] : [file])])
  }

  /** Neither the guest nor a file tells the layouts. */
  get mustDerive(): boolean {
    return this.#record.btf === undefined && this.#ready.fileTypes === undefined
  }

  /** Kernels without KALLSYMS_ALL name functions only; what the lists start from is data. */
  #lacksData(): boolean {
    return this.#plainSymbols().every(table => table.addressOf(FIRST_TASK) === undefined)
  }

  #plainSymbols(): SymbolTable[] {
    this.#own ??= this.#kallsyms()
    return [this.#own, this.#ready.fileSymbols].filter(table => table !== undefined)
  }

  #kallsyms(): SymbolTable | undefined {
    const { kallsyms, mode } = this.#record
    if (kallsyms === undefined) return undefined
    const read = virtualReader(kernelSpace(this.#memory, this.#record))
    return parseKallsyms(read, kallsyms.tables, mode.vaBits === 32 ? 4 : 8)?.symbols
  }

  #btf(): TypeTable | undefined {
    const { btf } = this.#record
    if (btf === undefined) return undefined
    const { bytes, absent } = kernelSpace(this.#memory, this.#record).read(btf.va, btf.length)
    return absent.length === 0 ? parseBtf(bytes) : undefined
  }

  #derive(): Derived | undefined {
    const { mode, dtb: kernelDtb, base, kernelBase } = this.#record
    const memory = rebased(this.#memory, base)
    this.#derived ??= {
      found: deriveTypes({
        memory: kernelSpace(this.#memory, this.#record),
        symbols: chainSymbols(this.#plainSymbols()),
        kernelBase,
        dtb: kernelDtb,
        translate: (dtb, va) =>
          gpaOf(openAddressSpace(memory, { mode, dtb, kernelDtb, absent: linuxAbsent(mode.format) }), va),
      }),
    }
    return this.#derived.found
  }
}
