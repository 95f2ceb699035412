/** Sockets: those that descriptors lead to, and those in the kernel's own tables, marked with where they were found. As /proc/net/* lists them. */
import { hex } from '../../core/address.js'
import { type Listing, Problems } from '../problem.js'
import { StructReader } from '../struct/reader.js'
import { walkList } from '../walk/list.js'
import { type FileSlot, fileKind, fileSlots, SlotBudget } from './files.js'
import type { LinuxKernel } from './kernel.js'
import { type BareSocket, SocketDescriber } from './net/describe.js'
import type { SocketInfo, SocketOwner } from './net/socket-info.js'
import { COMMON, NET, PROTOCOL, SOCKET, SOCKET_ALLOC } from './net/structs.js'
import { type TableHints, tableSockets } from './net/tables.js'
import { INODE } from './path/structs.js'

export type { Endpoint, SocketInfo, SocketKind, SocketOwner } from './net/socket-info.js'

/** A process whose descriptors are looked at. */
export interface SocketHolder {
  readonly pid: number
  /** Kernel virtual address of its `task_struct`. */
  readonly address: bigint
}

/** Sockets that are listed. */
const MAX_SOCKETS = 2 ** 18
/** Entries of the tables that are none; after these the rest is left. */
const MAX_BROKEN = 1024
/** AF_MAX grows by one every few years; it is 46 in 7.2. */
const MAX_FAMILY = 64
const MAX_NAMESPACES = 2 ** 14

/**
 * The sockets of the guest: first those of the processes given, then those that only the kernel's tables hold. One entry a socket,
 * however many descriptors lead to it.
 */
export function sockets(
  kernel: LinuxKernel,
  processes: Iterable<SocketHolder>,
  reader = new StructReader(kernel),
): Listing<SocketInfo> {
  const problems = new Problems()
  const owners = heldSockets(reader, processes, problems)
  const describer = new SocketDescriber(reader)
  const inTables = tableSockets(
    reader,
    kernel.symbols,
    hintsOf(kernel, reader, owners.keys(), problems),
    problems,
  )
  const items: SocketInfo[] = []
  let broken = 0
  const add = (address: bigint, holders: readonly SocketOwner[], sources: SocketInfo['sources']): void => {
    if (items.length >= MAX_SOCKETS || broken >= MAX_BROKEN) return
    const bare: BareSocket | undefined = describer.describe(address)
    if (bare === undefined) problems.add('absent', `sockets: ${hex(address)} is not in memory`, address)
    else if (isSocket(bare)) items.push({ ...bare, owners: holders, sources })
    else {
      problems.add('broken', `sockets: ${hex(address)} is no socket`, address)
      broken++
    }
  }
  for (const [address, holders] of owners)
    add(address, holders, inTables.has(address) ? ['file', 'table'] : ['file'])
  for (const address of inTables) if (!owners.has(address)) add(address, [], ['table'])
  if (items.length >= MAX_SOCKETS || broken >= MAX_BROKEN)
    problems.add('cut', `sockets: cut at ${items.length}, ${broken} were none`)
  return { items, problems: problems.list }
}

/** Whether family and state can be a socket's: a broken chain leads through anything. */
function isSocket({ family, state }: BareSocket): boolean {
  return family > 0 && family <= MAX_FAMILY && state !== undefined
}

/** `struct sock`s that descriptors lead to, and which. */
function heldSockets(
  reader: StructReader,
  processes: Iterable<SocketHolder>,
  problems: Problems,
): Map<bigint, SocketOwner[]> {
  const socks = new Map<bigint, SocketOwner[]>()
  if (!reader.layout(SOCKET_ALLOC).has('inode') || !reader.layout(SOCKET).has('sock')) {
    problems.add('unknown', 'sockets: the layout of sockets is not known')
    return socks
  }
  const known = new Map<bigint, bigint | undefined>()
  const budget = new SlotBudget()
  for (const { pid, address } of processes) {
    if (budget.slots <= 0 || budget.files <= 0) break
    for (const slot of fileSlots(reader, address, problems, budget)) {
      const { fd, address: file } = slot
      if (!known.has(file)) known.set(file, sockOfFile(reader, slot, problems))
      const sock = known.get(file)
      if (sock === undefined) continue
      const holders = socks.get(sock)
      if (holders === undefined) socks.set(sock, [{ pid, fd }])
      else holders.push({ pid, fd })
    }
  }
  return socks
}

function sockOfFile(
  reader: StructReader,
  { file, address }: FileSlot,
  problems: Problems,
): bigint | undefined {
  const inode = file?.link('inode')
  if (inode === undefined || fileKind(reader.record(INODE, inode)?.number('mode')) !== 'socket')
    return undefined
  const alloc = reader.container(SOCKET_ALLOC, 'inode', inode)
  const offset = reader.layout(SOCKET_ALLOC).offset('socket')
  const socket =
    alloc === undefined || offset === undefined ? undefined : reader.record(SOCKET, alloc + BigInt(offset))
  const sock = socket?.link('sock')
  if (sock !== undefined && reader.isKernelAddress(sock)) return sock
  problems.add('broken', `sockets: file ${hex(address)} leads to no socket`, address)
  return undefined
}

/** Namespaces, and hash tables that the protocols of known sockets point to: for kernels whose symbols don't name them. */
function hintsOf(
  kernel: LinuxKernel,
  reader: StructReader,
  socks: Iterable<bigint>,
  problems: Problems,
): TableHints {
  const hints = {
    tcp: new Set<bigint>(),
    udp: new Set<bigint>(),
    raw: new Set<bigint>(),
    namespaces: new Set(namespaces(kernel, reader, problems)),
  }
  const protocols = new Set<bigint>()
  for (const sock of socks) {
    const common = reader.record(COMMON, sock)
    const space = common?.link('namespace')
    const protocol = common?.link('protocol')
    if (space !== undefined && hints.namespaces.size < MAX_NAMESPACES) hints.namespaces.add(space)
    if (protocol === undefined || protocols.has(protocol) || protocols.size > 1024) continue
    protocols.add(protocol)
    const record = reader.record(PROTOCOL, protocol)
    const table = record?.link('tables')
    const name = record?.text('name') ?? ''
    if (table === undefined || !reader.isKernelAddress(table)) continue
    if (/^TCP(v6)?$/.test(name)) hints.tcp.add(table)
    else if (/^UDP(-Lite)?(v6)?$/.test(name)) hints.udp.add(table)
    else if (/^RAW(v6)?$/.test(name)) hints.raw.add(table)
  }
  return hints
}

function namespaces(kernel: LinuxKernel, reader: StructReader, problems: Problems): bigint[] {
  const found: bigint[] = []
  const initial = kernel.symbols.addressOf('init_net')
  if (initial !== undefined) found.push(initial)
  const head = kernel.symbols.addressOf('net_namespace_list')
  if (head === undefined) return found
  const nodes = walkList(reader, head, problems, { what: 'network namespaces', max: MAX_NAMESPACES })
  for (const node of nodes) {
    const net = reader.container(NET, 'list', node)
    if (net !== undefined) found.push(net)
  }
  return found
}
