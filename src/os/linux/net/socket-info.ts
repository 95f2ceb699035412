/** One socket, as it is listed. */

/** An internet address and a port. For raw sockets the local port is the IP protocol, as /proc/net/raw has it. */
export interface Endpoint {
  readonly address: string
  readonly port: number
}

/** A descriptor that leads to a socket. */
export interface SocketOwner {
  readonly pid: number
  readonly fd: number
}

/** The file of /proc/net that lists the socket, or `other`: `protocolName` then says more. */
export type SocketKind =
  | 'tcp'
  | 'tcp6'
  | 'udp'
  | 'udp6'
  | 'udplite'
  | 'udplite6'
  | 'raw'
  | 'raw6'
  | 'icmp'
  | 'icmp6'
  | 'unix'
  | 'netlink'
  | 'packet'
  | 'other'

/** What could be read of a socket; absent is what it has not or what could not be read. */
export interface SocketInfo {
  readonly kind: SocketKind
  /** Kernel virtual address of its `struct sock` (or the stand-in of one that only waits). */
  readonly address: bigint
  /** `AF_*`: 1 unix, 2 inet, 10 inet6, 16 netlink, 17 packet. */
  readonly family: number
  readonly type?: 'stream' | 'dgram' | 'raw' | 'seqpacket'
  /** IP protocol; netlink: the netlink family; packet: the Ethernet type. */
  readonly protocol?: number
  /** As the kernel calls it: `TCPv6`, `UNIX-STREAM`. */
  readonly protocolName?: string
  readonly local?: Endpoint
  readonly remote?: Endpoint
  /** `ESTABLISHED`, `LISTEN`, `TIME_WAIT`, ...; `CLOSE` also for what has no connection. */
  readonly state?: string
  /** 0: no descriptor leads to it (any more). */
  readonly inode: number
  readonly uid?: number
  /** Inode number of its network namespace. */
  readonly namespace?: number
  /** Unix: its name; `@` stands for NUL, as in /proc/net/unix. */
  readonly path?: string
  /** Unix: inode of the other end. */
  readonly peerInode?: number
  /** Netlink: port and the first 32 groups. */
  readonly portId?: number
  readonly groups?: number
  /** Index of the network device it is bound to. */
  readonly device?: number
  readonly owners: readonly SocketOwner[]
  /** Where it was found: through descriptors, in the kernel's own tables, or both. Sockets without a name are in no table. */
  readonly sources: readonly ('file' | 'table')[]
}

const TYPES = new Map([
  [1, 'stream'],
  [2, 'dgram'],
  [3, 'raw'],
  [5, 'seqpacket'],
] as const)

/** `SOCK_*` of include/linux/net.h. */
export function socketType(type: number | undefined): SocketInfo['type'] {
  return type === undefined ? undefined : TYPES.get(type as 1)
}

/** `TCP_*` of include/net/tcp_states.h; other protocols use a few of them. */
const STATES = [
  undefined,
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'CLOSING',
  // TCP_NEW_SYN_RECV is shown as SYN_RECV, /proc does the same
  'SYN_RECV',
] as const

/** States in which a small stand-in takes the socket's place. */
export const TIME_WAIT = 6
export const NEW_SYN_RECV = 12

export function socketState(state: number | undefined): string | undefined {
  return state === undefined ? undefined : STATES[state]
}

/** By family, type and protocol. */
export function socketKind(
  family: number,
  type: number | undefined,
  protocol: number | undefined,
): SocketKind {
  if (family === 1) return 'unix'
  if (family === 16) return 'netlink'
  if (family === 17) return 'packet'
  if (family !== 2 && family !== 10) return 'other'
  const six = family === 10
  if (type === 3) return six ? 'raw6' : 'raw'
  if (type === 1 && protocol === 6) return six ? 'tcp6' : 'tcp'
  if (type !== 2) return 'other'
  if (protocol === 17) return six ? 'udp6' : 'udp'
  if (protocol === 136) return six ? 'udplite6' : 'udplite'
  if (protocol === 1) return 'icmp'
  return protocol === 58 ? 'icmp6' : 'other'
}
