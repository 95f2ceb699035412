/**
 * Sockets in the kernel's own tables: connected, waiting and listening ones of TCP, the bound ones of UDP, raw, ping, Unix, packet
 * and netlink sockets. Those that no descriptor leads to (TIME_WAIT, closed but not ended, the kernel's own) stand only there.
 */
import type { SymbolTable } from '../../../symbols/contract.js'
import type { Problems } from '../../problem.js'
import { structSpec } from '../../struct/layout.js'
import type { StructReader } from '../../struct/reader.js'
import { ChainBudget, type ChainTable, chainNodes } from './chains.js'
import { COMMON, NET, NETLINK_SOCK } from './structs.js'

const TCP_TABLE = structSpec('inet_hashinfo', {
  connected: 'ehash',
  connectedMask: 'ehash_mask',
  listening: 'lhash2',
  listeningMask: 'lhash2_mask',
  /** Until 5.18, and then the one whose chains go by the common node. */
  oldListening: 'listening_hash',
})
const CONNECTED_BUCKET = structSpec('inet_ehash_bucket', { chain: 'chain' })
const LISTENING_BUCKET = structSpec('inet_listen_hashbucket', { chain: ['nulls_head', 'head'] })
const UDP_TABLE = structSpec('udp_table', { buckets: 'hash', mask: 'mask' })
const UDP_BUCKET = structSpec('udp_hslot', { chain: ['head', 'nulls_head'] })
const RAW_TABLE = structSpec('raw_hashinfo', { buckets: 'ht' })
const PING_TABLE = structSpec('ping_table', { buckets: 'hash' })
const NETLINK_TABLE = structSpec('netlink_table', { hash: 'hash.tbl' })
const BUCKET_TABLE = structSpec('bucket_table', { size: 'size', nest: 'nest', buckets: 'buckets' })

/** UNIX_HASH_SIZE of include/net/af_unix.h, the same since the beginning of the table. */
const UNIX_BUCKETS = 512
/** MAX_LINKS of include/uapi/linux/netlink.h. */
const NETLINK_FAMILIES = 32
const MAX_BUCKETS = 2 ** 22

/** Where tables were found besides the symbols: of the protocols of sockets that are known already. */
export interface TableHints {
  readonly tcp: ReadonlySet<bigint>
  readonly udp: ReadonlySet<bigint>
  readonly raw: ReadonlySet<bigint>
  readonly namespaces: ReadonlySet<bigint>
}

/** Addresses of the `struct sock`s in the tables, each once. */
export function tableSockets(
  reader: StructReader,
  symbols: SymbolTable,
  hints: TableHints,
  problems: Problems,
): Set<bigint> {
  const found = new Set<bigint>()
  const nodeOffset = reader.layout(COMMON).offset('node')
  if (nodeOffset === undefined) {
    problems.add('unknown', 'sockets: the layout of sock_common is not known')
    return found
  }
  const budget = new ChainBudget()
  const take = (table: ChainTable | undefined, offset = nodeOffset): void => {
    if (table === undefined || budget.nodes <= 0 || budget.bytes <= 0) return
    for (const node of chainNodes(reader, table, problems, budget)) found.add(node - BigInt(offset))
  }
  const named = (name: string): bigint[] => {
    const address = symbols.addressOf(name)
    return address === undefined ? [] : [address]
  }
  const spaces = [...hints.namespaces].map(address => reader.record(NET, address))
  const linked = (name: 'tcp' | 'udp'): bigint[] => spaces.flatMap(space => space?.link(name) ?? [])
  for (const table of new Set([...named('tcp_hashinfo'), ...hints.tcp, ...linked('tcp')]))
    for (const chains of tcpTables(reader, table)) take(chains)
  for (const table of new Set([
    ...named('udp_table'),
    ...named('udplite_table'),
    ...hints.udp,
    ...linked('udp'),
  ]))
    take(udpTable(reader, table))
  for (const table of new Set([...named('raw_v4_hashinfo'), ...named('raw_v6_hashinfo'), ...hints.raw]))
    take(embedded(reader, 'raw sockets', table, RAW_TABLE))
  for (const table of named('ping_table')) take(embedded(reader, 'ping sockets', table, PING_TABLE))
  for (const table of named('unix_socket_table')) take(plain(reader, 'unix sockets', table, UNIX_BUCKETS))
  for (const space of spaces) {
    const unix = space?.link('unix')
    const packet = space?.addressOf('packet')
    if (unix !== undefined) take(plain(reader, 'unix sockets', unix, UNIX_BUCKETS))
    if (packet !== undefined) take(plain(reader, 'packet sockets', packet, 1))
  }
  const netlinkNode = reader.layout(NETLINK_SOCK).offset('node')
  for (const table of netlinkTables(reader, symbols)) take(table, netlinkNode)
  return found
}

function tcpTables(reader: StructReader, address: bigint): ChainTable[] {
  const table = reader.record(TCP_TABLE, address)
  const bucket = reader.layout(CONNECTED_BUCKET)
  const listening = reader.layout(LISTENING_BUCKET)
  if (table === undefined) return []
  const tables: ChainTable[] = []
  const connected = table.link('connected')
  const mask = table.number('connectedMask') ?? 0
  const headOffset = bucket.offset('chain')
  if (connected !== undefined && headOffset !== undefined)
    tables.push({
      what: 'tcp connections',
      address: connected,
      buckets: bounded(mask),
      bucketBytes: bucket.sizeBytes,
      headOffset,
    })
  const listenOffset = listening.offset('chain')
  const old = table.addressOf('oldListening')
  if (listenOffset === undefined) return tables
  const shape = { what: 'tcp listeners', bucketBytes: listening.sizeBytes, headOffset: listenOffset }
  if (old !== undefined) {
    const bytes = table.layout.member('oldListening')?.bytes ?? 0
    tables.push({ ...shape, address: old, buckets: Math.floor(bytes / Math.max(1, listening.sizeBytes)) })
  } else {
    const start = table.link('listening')
    if (start !== undefined)
      tables.push({ ...shape, address: start, buckets: bounded(table.number('listeningMask') ?? 0) })
  }
  return tables
}

function udpTable(reader: StructReader, address: bigint): ChainTable | undefined {
  const table = reader.record(UDP_TABLE, address)
  const bucket = reader.layout(UDP_BUCKET)
  const start = table?.link('buckets')
  const headOffset = bucket.offset('chain')
  if (start === undefined || headOffset === undefined) return undefined
  const buckets = bounded(table?.number('mask') ?? 0)
  return { what: 'udp sockets', address: start, buckets, bucketBytes: bucket.sizeBytes, headOffset }
}

/** A mask is one less than the number of buckets, a power of two. */
function bounded(mask: number): number {
  return Math.min(mask + 1, MAX_BUCKETS)
}

/** A table inside a structure: an array of plain heads. */
function embedded(
  reader: StructReader,
  what: string,
  address: bigint,
  spec: typeof RAW_TABLE | typeof PING_TABLE,
): ChainTable | undefined {
  const member = reader.layout(spec).member('buckets')
  if (member === undefined) return undefined
  return plain(reader, what, address + BigInt(member.offset), Math.floor(member.bytes / reader.pointerBytes))
}

/** An array of heads that are nothing but a pointer. */
function plain(reader: StructReader, what: string, address: bigint, buckets: number): ChainTable {
  return { what, address, buckets, bucketBytes: reader.pointerBytes, headOffset: 0 }
}

/** Netlink sockets hang in one resizable hash table a family (include/linux/rhashtable.h). */
function netlinkTables(reader: StructReader, symbols: SymbolTable): ChainTable[] {
  const variable = symbols.addressOf('nl_table')
  const first = variable === undefined ? undefined : reader.pointer(variable)
  const layout = reader.layout(NETLINK_TABLE)
  if (first === undefined || layout.sizeBytes === 0) return []
  const tables: ChainTable[] = []
  for (let family = 0; family < NETLINK_FAMILIES; family++) {
    const hash = reader.record(NETLINK_TABLE, first + BigInt(family * layout.sizeBytes))?.link('hash')
    const table = hash === undefined ? undefined : reader.record(BUCKET_TABLE, hash)
    const buckets = table?.addressOf('buckets')
    // a nested table is a tree for the time of an emergency
    if (table === undefined || buckets === undefined || (table.number('nest') ?? 0) !== 0) continue
    tables.push(plain(reader, 'netlink sockets', buckets, Math.min(table.number('size') ?? 0, MAX_BUCKETS)))
  }
  return tables
}
