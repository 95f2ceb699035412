/** Handle tables: of processes, and the one in which process and thread ids are the handles. */
import type { Builder } from './builder.js'
import type { Objects } from './objects.js'

export interface HandleEntry {
  /** A multiple of 4. */
  readonly handle: number
  /** Body of the object. */
  readonly object: bigint
  readonly access: number
}

/**
 * Makes a HANDLE_TABLE; returns its address. The table of ids (`ids`) keeps bodies, those of processes headers. `levels`: how many steps
 * lead to an entry at least.
 */
export function writeHandleTable(
  builder: Builder,
  objects: Objects,
  entries: readonly HandleEntry[],
  options: {
    readonly process?: bigint
    readonly pid?: number
    readonly ids?: boolean
    readonly levels?: 1 | 2
  } = {},
): bigint {
  const { facts, kernel, paged, pointerBytes } = builder
  const entryBytes = facts.size('_HANDLE_TABLE_ENTRY')
  const perPage = 4096 / entryBytes
  const table = paged.alloc('Obtb', facts.size('_HANDLE_TABLE'))
  const highest = Math.max(...entries.map(({ handle }) => handle), 0) / 4
  const pages = Math.floor(highest / perPage) + 1
  const levels = pages > 1 ? 2 : (options.levels ?? 1)
  const leaves = Array.from({ length: pages }, () => paged.alloc('Obtb', 4096))
  for (const { handle, object, access } of entries) {
    const index = handle / 4
    const at = (leaves[Math.floor(index / perPage)] as bigint) + BigInt((index % perPage) * entryBytes)
    writeEntry(builder, at, options.ids === true ? object : objects.headerOf(object), access)
  }
  let code = leaves[0] as bigint
  if (levels === 2) {
    const directory = paged.alloc('Obtb', 4096)
    for (const [i, leaf] of leaves.entries()) kernel.pointer(directory + BigInt(i * pointerBytes), leaf)
    code = directory | 1n
  }
  builder.put(table, '_HANDLE_TABLE.TableCode', code)
  builder.put(table, '_HANDLE_TABLE.NextHandleNeedingPool', pages * perPage * 4, 4)
  if (facts.has('_HANDLE_TABLE.HandleCount'))
    builder.put(table, '_HANDLE_TABLE.HandleCount', entries.length, 4)
  if (options.process !== undefined) builder.put(table, '_HANDLE_TABLE.QuotaProcess', options.process)
  if (options.pid !== undefined) builder.put(table, '_HANDLE_TABLE.UniqueProcessId', options.pid, 4)
  kernel.emptyList(builder.at(table, '_HANDLE_TABLE.HandleTableList'))
  return table
}

function writeEntry(builder: Builder, at: bigint, object: bigint, access: number): void {
  const { facts, kernel, pointerBytes } = builder
  if (!facts.has('_HANDLE_TABLE_ENTRY.ObjectPointerBits')) {
    // the lowest bit says that nobody holds the entry's lock
    builder.put(at, '_HANDLE_TABLE_ENTRY.Object', object | 1n)
    builder.put(at, '_HANDLE_TABLE_ENTRY.GrantedAccess', access, 4)
    return
  }
  const [, first = 0, count = 0] = facts.fact('_HANDLE_TABLE_ENTRY.ObjectPointerBits')
  const [accessAt, accessFirst = 0] = facts.fact('_HANDLE_TABLE_ENTRY.GrantedAccessBits')
  if (pointerBytes === 8) {
    // the address's own bits from bit 4 on; a reference count of 0x7fff below
    const bits = BigInt.asUintN(count, object >> 4n) << BigInt(first)
    kernel.integer(at, bits | 0xfffen | 1n, 8)
    kernel.integer(at + BigInt(accessAt), BigInt(access) << BigInt(accessFirst), 8)
  } else {
    kernel.integer(at, ((object >> 3n) << BigInt(first)) | 1n, 4)
    kernel.integer(at + BigInt(accessAt), access & 0x1ff_ffff, 4)
  }
}
