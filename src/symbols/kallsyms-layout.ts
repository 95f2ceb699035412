/**
 * The kernel's own symbol tables, as scripts/kallsyms.c lays them out in .rodata. Every table is aligned to a pointer; since
 * 7.x, where no table holds pointers any more, to four bytes.
 *
 * - up to 6.3: addresses (or offsets and relative_base), num_syms, names, markers, [seqs_of_names], token_table, token_index
 * - since 6.4: num_syms, names, markers, token_table, token_index, addresses (or offsets and relative_base), [seqs_of_names]
 * - 7.x: the same order, offsets without relative_base
 *
 * num_syms and each marker is a pointer's size before 4.20, four bytes since.
 */

/** Where the tables lie: all as gpa (number), or all as gva (bigint). */
export interface KallsymsTables<A extends number | bigint> {
  readonly numSyms: A
  readonly names: A
  readonly tokenTable: A
  readonly tokenIndex: A
  /** Of `offsets` and `addresses` there is exactly one. */
  readonly offsets?: A
  readonly addresses?: A
  readonly relativeBase?: A
}

/**
 * How an address is stored (kernel/kallsyms.c, kallsyms_sym_address):
 * - `absolute`: the address itself, a pointer, or four bytes on 32-bit kernels
 * - `base-relative`: unsigned, behind relative_base
 * - `absolute-percpu`: not negative: the address itself; negative: relative_base - 1 - value
 * - `self-relative`: signed, behind the entry's own address
 */
export type KallsymsAddressing = 'absolute' | 'base-relative' | 'absolute-percpu' | 'self-relative'

/** What kind of tables they are. */
export interface KallsymsLayout {
  /** What the tables are aligned to: a pointer's size, but 4 for the self-relative ones of 64-bit kernels too. */
  readonly alignBytes: 4 | 8
  readonly addressing: KallsymsAddressing
  /** Whether the addresses stand before the names (up to 6.3) or behind the tokens. */
  readonly addressesFirst: boolean
}

/** No kernel has more symbols: allyesconfig has about 600 000. */
export const MAX_SYMBOLS = 2_000_000
/** The longest decoded name with its type letter (KSYM_NAME_LEN is 512 since 6.1). */
export const MAX_NAME_BYTES = 1024
/** token_table is at most this long: 256 tokens that token_index reaches with 16 bits. */
export const MAX_TOKEN_BYTES = 0x10000
/** token_index: 256 of 16 bits. */
export const TOKEN_INDEX_BYTES = 512
