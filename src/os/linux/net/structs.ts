/** What the socket code reads (include/net/sock.h, inet_sock.h, af_unix.h; net/netlink/af_netlink.h, net/packet/internal.h). */
import { structSpec } from '../../struct/layout.js'

/** The start of every socket, also of those that only wait: `struct sock_common`. */
export const COMMON = structSpec('sock_common', {
  family: 'skc_family',
  state: 'skc_state',
  remote: 'skc_daddr',
  local: 'skc_rcv_saddr',
  remote6: 'skc_v6_daddr',
  local6: 'skc_v6_rcv_saddr',
  /** Big-endian. */
  remotePort: 'skc_dport',
  localPort: 'skc_num',
  device: 'skc_bound_dev_if',
  namespace: 'skc_net.net',
  protocol: 'skc_prot',
  node: ['skc_node', 'skc_nulls_node'],
})

/** A whole socket. */
export const SOCK = structSpec('sock', {
  type: 'sk_type',
  protocol: 'sk_protocol',
  socket: 'sk_socket',
  uid: ['sk_uid.val', 'sk_uid'],
})

/** What stands in for a socket whose end is only waited for; `state` is the one it was in. */
export const TIME_WAIT_SOCK = structSpec('inet_timewait_sock', { state: 'tw_substate' })

/** The socket that a process holds, and the inode it lives with. */
export const SOCKET = structSpec('socket', { type: 'type', sock: 'sk', file: 'file' })
/** Where that inode lies. */
export const SOCKET_ALLOC = structSpec('socket_alloc', { socket: 'socket', inode: 'vfs_inode' })

/** Of `struct inet_sock`: the local port, big-endian. */
export const INET_SOCK = structSpec('inet_sock', { localPort: 'inet_sport' })

/** A Unix socket. */
export const UNIX_SOCK = structSpec('unix_sock', { address: 'addr', peer: 'peer' })
/** Its name: a `sockaddr_un` of `bytes` bytes. */
export const UNIX_ADDRESS = structSpec('unix_address', { bytes: 'len', name: 'name' })

/** A netlink socket; `node` hangs in the table of its protocol. */
export const NETLINK_SOCK = structSpec('netlink_sock', {
  port: 'portid',
  groupCount: 'ngroups',
  groups: 'groups',
  node: 'node',
})

/** A packet socket; `ethertype` is big-endian. */
export const PACKET_SOCK = structSpec('packet_sock', { ethertype: 'num', device: 'ifindex' })

/** What a kind of socket can: `tables` is the hash table of its protocol (a union). */
export const PROTOCOL = structSpec('proto', { name: 'name', tables: 'h' })

/** A network namespace. */
export const NET = structSpec('net', {
  list: 'list',
  number: ['ns.inum', 'ns.ns_id'],
  tcp: 'ipv4.tcp_death_row.hashinfo',
  udp: 'ipv4.udp_table',
  unix: 'unx.table.buckets',
  packet: 'packet.sklist',
})
