/** A symbol table that is read when something is asked that it was not asked before. */
import type { KernelSymbol, SymbolTable } from '../../../symbols/contract.js'

/** Answers kept; a caller that asks for more than this is no list of the kernel's. */
const MAX_ANSWERS = 4096
/** Longer names are not kept. */
const MAX_KEY = 512

/** What was asked and answered: name to address in hex, null where there is no such name. */
export type SymbolAnswers = Record<string, string | null>

/** Wraps a table: the answers of an earlier run stand in for it until they don't suffice. */
export class MemoSymbols implements SymbolTable {
  readonly source: string
  readonly size: number
  readonly #load: () => SymbolTable
  readonly #answers: Map<string, bigint | undefined>
  #table: SymbolTable | undefined
  #asked = 0

  /** `load` is called at most once; `source` and `size` are those of the table it gives. */
  constructor(source: string, size: number, load: () => SymbolTable, answers: SymbolAnswers = {}) {
    this.source = source
    this.size = size
    this.#load = load
    this.#answers = new Map(
      Object.entries(answers).map(([name, value]) => [name, value === null ? undefined : BigInt(value)]),
    )
  }

  /** How many answers were learnt since it was made. */
  get learnt(): number {
    return this.#asked
  }

  /** What is worth keeping for the next run. */
  answers(): SymbolAnswers {
    return Object.fromEntries(
      [...this.#answers].map(([name, value]) => [
        name,
        value === undefined ? null : `0x${value.toString(16)}`,
      ]),
    )
  }

  addressOf(name: string): bigint | undefined {
    if (this.#answers.has(name)) return this.#answers.get(name)
    const address = this.#full().addressOf(name)
    if (this.#answers.size < MAX_ANSWERS && name.length <= MAX_KEY) {
      this.#answers.set(name, address)
      this.#asked++
    }
    return address
  }

  all(name: string): readonly KernelSymbol[] {
    return this.#full().all(name)
  }

  nearest(address: bigint): { readonly symbol: KernelSymbol; readonly offset: number } | undefined {
    return this.#full().nearest(address)
  }

  entries(): Iterable<KernelSymbol> {
    return this.#full().entries()
  }

  #full(): SymbolTable {
    this.#table ??= this.#load()
    return this.#table
  }
}
