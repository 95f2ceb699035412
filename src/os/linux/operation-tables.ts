/** The kernel's tables of operations: structures full of pointers to code, which are what a rootkit changes. */

import type { StructReader } from '../struct/reader.js'
import type { LinuxKernel } from './kernel.js'

/** One word of a table. */
export interface OperationPointer {
  readonly table: string
  readonly index: number
  readonly address: bigint
}

/** Names of such tables; a symbol `tcp4_seq_ops` or `proc_root_operations`. */
const TABLE_NAME = /(?:_ops|_fops|_iops|_operations|_sops|_aops|_protocol|_prot|_ldisc|_af_ops|_hook_ops)$/
const DATA_TYPES = 'dDrRbB'
/** Larger ones are arrays of something else. */
const MAX_TABLE_BYTES = 2048
const MAX_TABLES = 20_000
const MAX_POINTERS = 2 ** 18
const MAX_SYMBOLS = 2 ** 21

/** Every word of every such table of the kernel itself (not of modules) that is a kernel address. */
export function operationPointers(kernel: LinuxKernel, reader: StructReader): OperationPointer[] {
  const pointers: OperationPointer[] = []
  for (const { name, start, bytes } of tables(kernel)) {
    const words = reader.pointers(start, Math.floor(bytes / reader.pointerBytes))
    if (pointers.length >= MAX_POINTERS) break
    words.forEach((address, index) => {
      if (address !== undefined && reader.isKernelAddress(address))
        pointers.push({ table: name, index, address })
    })
  }
  return pointers
}

interface Table {
  readonly name: string
  readonly start: bigint
  readonly bytes: number
}

/** Tables end where the next symbol starts: kernel symbols come in ascending order, or nearly so. */
function tables(kernel: LinuxKernel): Table[] {
  const found: Table[] = []
  let open: { readonly name: string; readonly start: bigint } | undefined
  let seen = 0
  for (const { name, address, type, module } of kernel.symbols.entries()) {
    if (module !== undefined || seen++ > MAX_SYMBOLS || found.length >= MAX_TABLES) break
    if (open !== undefined && address > open.start) {
      found.push({ ...open, bytes: Math.min(Number(address - open.start), MAX_TABLE_BYTES) })
      open = undefined
    }
    if ((type === undefined || DATA_TYPES.includes(type)) && TABLE_NAME.test(name))
      open = { name, start: address }
  }
  return found
}
