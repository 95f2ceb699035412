/** Names by which a kernel's image is recognised in its symbols. */
import type { SymbolTable } from '../../../symbols/contract.js'

/** Functions of every kernel's resident text, so that their pages stay mapped; `_stext` first. */
const TEXT_NAMES = ['_stext', '_text', 'schedule', '_printk', 'printk', 'do_exit', 'vfs_read', 'kfree']
/** The kernel's own top table (arch head_64.S and head_32.S, arm64 vmlinux.lds.S). */
const TOP_TABLE_NAMES = ['init_top_pgt', 'init_level4_pgt', 'swapper_pg_dir']

/** An address of the kernel's text. */
export function textAddress(symbols: SymbolTable): bigint | undefined {
  return firstOf(symbols, TEXT_NAMES)
}

/** Two or three addresses of the kernel's text, apart from each other. */
export function textAddresses(symbols: SymbolTable): bigint[] {
  return TEXT_NAMES.map(name => symbols.addressOf(name))
    .filter(address => address !== undefined)
    .slice(0, 4)
}

/** Address of the kernel's top table. */
export function topTableAddress(symbols: SymbolTable): bigint | undefined {
  return firstOf(symbols, TOP_TABLE_NAMES)
}

/** Where the image starts: the first of `_text` and `_stext` that there is. */
export function imageStart(
  symbols: SymbolTable,
): { readonly name: '_text' | '_stext'; readonly address: bigint } | undefined {
  for (const name of ['_text', '_stext'] as const) {
    const address = symbols.addressOf(name)
    if (address !== undefined) return { name, address }
  }
  return undefined
}

function firstOf(symbols: SymbolTable, names: readonly string[]): bigint | undefined {
  for (const name of names) {
    const address = symbols.addressOf(name)
    if (address !== undefined) return address
  }
  return undefined
}
