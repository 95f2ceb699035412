/** Names to addresses, and names to the layout of structures: one contract, whatever the source. */

/** A name of the guest's kernel. */
export interface KernelSymbol {
  readonly name: string
  /** Virtual address as the guest uses it (KASLR applied). */
  readonly address: bigint
  /** As nm and kallsyms print it (`T`, `d`, ...); absent where the source has none. */
  readonly type?: string
  /** Name of the module it belongs to; absent for the kernel itself. */
  readonly module?: string
}

/** Where symbols or types came from, as `info` shows it: `kallsyms`, `System.map`, `isf`, `btf`, `derived`, ... */
export type Provenance = string

export interface SymbolTable {
  readonly source: Provenance
  readonly size: number
  /** The first of that name in the source's order. */
  addressOf(name: string): bigint | undefined
  /** All of that name: static functions share them. */
  all(name: string): readonly KernelSymbol[]
  /** The last symbol at or below the address, and how far below. */
  nearest(address: bigint): { readonly symbol: KernelSymbol; readonly offset: number } | undefined
  /** In the source's order (kallsyms: as /proc/kallsyms prints them). */
  entries(): Iterable<KernelSymbol>
}

/** Where a member lies in its structure. */
export interface Member {
  /** Bytes from the structure's start; for a bit field, of the first byte that holds it. */
  readonly offset: number
  readonly bytes: number
  /** For a bit field: first bit within `offset`'s byte, and how many. */
  readonly bits?: { readonly first: number; readonly count: number }
  /** Name of its type where it is a structure or a union, or a pointer to one, or an array of either. */
  readonly typeName?: string
  /** It is a pointer, or an array of pointers. */
  readonly pointer?: true
  /** It is an integer that has a sign, or an array of such. */
  readonly signed?: true
  /** For an array: elements in all dimensions together (0 for a flexible one); each has `bytes / count` bytes. */
  readonly count?: number
}

/** Layouts of structures by name. */
export interface TypeTable {
  readonly source: Provenance
  /** Bytes of a structure, union or named scalar. */
  sizeOf(type: string): number | undefined
  /**
   * A member by path, through nested structures and anonymous ones: `member('task_struct', 'thread_info.flags')`. Pointers are not
   * followed. Undefined when the structure or the member is not there: never test the kernel's version, test for the member.
   */
  member(type: string, path: string): Member | undefined
  /** Value of an enumerator, wherever it is declared. */
  enumerator(name: string): number | undefined
  /** Names of a structure's own members, anonymous ones opened. */
  members(type: string): readonly string[] | undefined
}
