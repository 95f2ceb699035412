/** Sockets as the guest's /proc/net tells them. */
import type { GuestProcess } from './truth-process.js'

export interface SocketAddress {
  readonly address: string
  readonly port: number
}

export interface GuestSocket {
  /** `tcp`, `tcp6`, `udp`, `udp6`, `raw`, `unix`. */
  readonly protocol: string
  readonly inode: number
  /** The kernel's number: TCP_LISTEN is 10, TCP_ESTABLISHED 1; of a unix socket SS_UNCONNECTED 1, SS_CONNECTED 3. */
  readonly state: number
  readonly local?: SocketAddress
  readonly remote?: SocketAddress
  readonly uid?: number
  /** Of a unix socket: SOCK_STREAM 1, SOCK_DGRAM 2. */
  readonly type?: number
  /** Of a unix socket; an abstract name starts with `@`. */
  readonly path?: string
  /** Who has it open; none for sockets of the kernel's own. */
  readonly owners: readonly { readonly pid: number; readonly fd: number }[]
}

const PROTOCOLS = ['tcp', 'tcp6', 'udp', 'udp6', 'raw', 'unix']

/** From the files of /proc/net by path, and the processes' open files. */
export function parseSockets(
  files: ReadonlyMap<string, string>,
  processes: readonly GuestProcess[],
): GuestSocket[] {
  const owners = new Map<number, { pid: number; fd: number }[]>()
  for (const { pid, files: open } of processes) {
    for (const { fd, target } of open) {
      const inode = Number(/^socket:\[(\d+)\]$/.exec(target)?.[1] ?? Number.NaN)
      if (Number.isNaN(inode)) continue
      owners.set(inode, [...(owners.get(inode) ?? []), { pid, fd }])
    }
  }
  return PROTOCOLS.flatMap(protocol =>
    (files.get(`/proc/net/${protocol}`) ?? '')
      .split('\n')
      .slice(1)
      .filter(line => line !== '')
      .map(line => line.trim().split(/\s+/))
      .map(fields => (protocol === 'unix' ? unixSocket(fields) : internetSocket(protocol, fields)))
      .filter(socket => !Number.isNaN(socket.inode))
      .map(socket => ({ ...socket, owners: owners.get(socket.inode) ?? [] })),
  )
}

type Unowned = Omit<GuestSocket, 'owners'>

/** `sl local remote state tx:rx tr:when retransmits uid timeout inode ...` */
function internetSocket(protocol: string, fields: readonly string[]): Unowned {
  return {
    protocol,
    inode: fields[9] === undefined ? Number.NaN : Number(fields[9]),
    state: Number.parseInt(fields[3] ?? '', 16),
    local: parseAddress(fields[1] ?? ''),
    remote: parseAddress(fields[2] ?? ''),
    uid: Number(fields[7]),
  }
}

/** `address: references protocol flags type state inode path` */
function unixSocket(fields: readonly string[]): Unowned {
  const path = fields[7]
  return {
    protocol: 'unix',
    inode: fields[6] === undefined ? Number.NaN : Number(fields[6]),
    state: Number.parseInt(fields[5] ?? '', 16),
    type: Number.parseInt(fields[4] ?? '', 16),
    ...(path === undefined ? {} : { path }),
  }
}

/** Addresses are printed as words in the machine's order: `0100007F:10E1` is 127.0.0.1:4321. */
function parseAddress(text: string): SocketAddress {
  const [hex = '', port = ''] = text.split(':')
  const bytes = Buffer.from(hex, 'hex')
  for (let at = 0; at + 4 <= bytes.length; at += 4) bytes.subarray(at, at + 4).reverse()
  const groups = bytes.toString('hex').match(/.{4}/g) ?? []
  const address =
    bytes.length === 4 ? bytes.join('.') : new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
  return { address, port: Number.parseInt(port, 16) }
}
