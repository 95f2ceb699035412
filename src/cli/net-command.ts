/** `vmsift net`: the sockets of the guest. */
import { hex } from '../core/address.js'
import type { Endpoint, SocketInfo } from '../os/linux/sockets.js'
import { listCommand } from './list-command.js'

const HELP = `
As /proc/net/tcp, udp, unix, netlink and packet print them, with the processes that hold each; sockets that no process
holds (TIME_WAIT) come from the kernel's own tables.

Examples:
  vmsift net memory.lime
  vmsift net memory.lime --json | jq 'select(.state == "LISTEN")'`

export const define = listCommand<SocketInfo>({
  description: 'List sockets.',
  help: HELP,
  list: guest => guest.sockets(),
  json: socket => ({
    kind: socket.kind,
    type: socket.type,
    state: socket.state ?? null,
    local: socket.local ?? null,
    remote: socket.remote ?? null,
    path: socket.path,
    inode: socket.inode,
    uid: socket.uid ?? null,
    owners: socket.owners,
    sources: socket.sources,
    family: socket.family,
    protocol: socket.protocol,
    protocolName: socket.protocolName,
    namespace: socket.namespace,
    peerInode: socket.peerInode,
    portId: socket.portId,
    groups: socket.groups,
    device: socket.device,
    address: hex(socket.address),
  }),
  columns: () => [
    { title: 'KIND', text: ({ kind }) => kind },
    { title: 'STATE', text: ({ state }) => state ?? '' },
    { title: 'LOCAL', text: socket => endpoint(socket.local) ?? socket.path ?? '' },
    { title: 'REMOTE', text: socket => endpoint(socket.remote) ?? '' },
    { title: 'INODE', text: ({ inode }) => String(inode), right: true },
    { title: 'UID', text: ({ uid }) => String(uid ?? ''), right: true },
    { title: 'HELD BY', text: ({ owners }) => owners.map(({ pid, fd }) => `${pid} (fd ${fd})`).join(', ') },
  ],
})

function endpoint(end: Endpoint | undefined): string | undefined {
  if (end === undefined) return undefined
  return end.address.includes(':') ? `[${end.address}]:${end.port}` : `${end.address}:${end.port}`
}
