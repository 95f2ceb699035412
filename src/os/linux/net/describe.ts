/** From a `struct sock` to what is told of it. */

import type { StructReader } from '../../struct/reader.js'
import { decodeText, type StructRecord } from '../../struct/record.js'
import { INODE } from '../path/structs.js'
import { ipv4Text, ipv6Text } from './addresses.js'
import {
  type Endpoint,
  NEW_SYN_RECV,
  type SocketInfo,
  socketKind,
  socketState,
  socketType,
  TIME_WAIT,
} from './socket-info.js'
import {
  COMMON,
  INET_SOCK,
  NET,
  NETLINK_SOCK,
  PACKET_SOCK,
  PROTOCOL,
  SOCK,
  SOCKET_ALLOC,
  TIME_WAIT_SOCK,
  UNIX_ADDRESS,
  UNIX_SOCK,
} from './structs.js'

type Common = StructRecord<keyof (typeof COMMON)['members']>

/** A socket without its owners. */
export type BareSocket = Omit<SocketInfo, 'owners' | 'sources'>

const INET = 2
const INET6 = 10
/** Longest `sockaddr_un`. */
const MAX_UNIX_NAME_BYTES = 110
const MAX_PROTOCOL_NAME_BYTES = 32

/** Describes sockets of one kernel; keeps names of protocols and namespaces. */
export class SocketDescriber {
  readonly #reader: StructReader
  readonly #protocols = new Map<bigint, string | undefined>()
  readonly #namespaces = new Map<bigint, number | undefined>()

  constructor(reader: StructReader) {
    this.#reader = reader
  }

  /** Undefined when nothing is in memory there. */
  describe(address: bigint): BareSocket | undefined {
    const common = this.#reader.record(COMMON, address)
    const family = common?.number('family')
    if (common === undefined || family === undefined) return undefined
    const ownState = common.number('state')
    const waits =
      (family === INET || family === INET6) && (ownState === TIME_WAIT || ownState === NEW_SYN_RECV)
    const waited =
      ownState === TIME_WAIT ? this.#reader.record(TIME_WAIT_SOCK, address)?.number('state') : undefined
    const sock = waits ? undefined : this.#reader.record(SOCK, address)
    const type = waits ? 1 : sock?.number('type')
    const protocol = waits ? 6 : sock?.number('protocol')
    const kind = socketKind(family, type, protocol)
    return {
      kind,
      address,
      family,
      ...some('type', socketType(type)),
      ...some('protocol', protocol),
      ...some('protocolName', waits ? undefined : this.#protocolName(common.link('protocol'))),
      ...some('state', socketState(waits ? (waited ?? ownState) : ownState)),
      inode: this.#inodeOf(sock?.link('socket')) ?? 0,
      ...some('uid', sock?.number('uid')),
      ...some('namespace', this.#namespaceNumber(common.link('namespace'))),
      ...this.#ends(common, family, waits),
      ...this.#extras(kind, address),
    }
  }

  #ends(common: Common, family: number, waits: boolean): { local?: Endpoint; remote?: Endpoint } {
    if (family !== INET && family !== INET6) return {}
    const six = family === INET6
    const text = six ? ipv6Text : ipv4Text
    const local = common.bytes(six ? 'local6' : 'local')
    const remote = common.bytes(six ? 'remote6' : 'remote')
    const inet = waits ? undefined : this.#reader.record(INET_SOCK, common.address)
    const port = bigEndian16(inet?.number('localPort')) ?? common.number('localPort')
    const remotePort = bigEndian16(common.number('remotePort'))
    return {
      ...(local === undefined || port === undefined ? {} : { local: { address: text(local), port } }),
      ...(remote === undefined || remotePort === undefined
        ? {}
        : { remote: { address: text(remote), port: remotePort } }),
    }
  }

  #extras(kind: SocketInfo['kind'], address: bigint): Partial<BareSocket> {
    if (kind === 'unix') return this.#unix(address)
    if (kind === 'netlink') {
      const netlink = this.#reader.record(NETLINK_SOCK, address)
      return { ...some('portId', netlink?.number('port')), ...some('groups', this.#groups(netlink)) }
    }
    if (kind !== 'packet') return {}
    const packet = this.#reader.record(PACKET_SOCK, address)
    return {
      ...some('protocol', bigEndian16(packet?.number('ethertype'))),
      ...some('device', packet?.number('device')),
    }
  }

  #groups(netlink: StructRecord<keyof (typeof NETLINK_SOCK)['members']> | undefined): number | undefined {
    const groups = netlink?.link('groups')
    return groups === undefined ? undefined : this.#reader.u32(groups)
  }

  #unix(address: bigint): Partial<BareSocket> {
    const unix = this.#reader.record(UNIX_SOCK, address)
    const name = unix?.link('address')
    const peer = unix?.link('peer')
    const peerSock = peer === undefined ? undefined : this.#reader.record(SOCK, peer)
    return {
      ...some('path', name === undefined ? undefined : this.#unixName(name)),
      ...some('peerInode', this.#inodeOf(peerSock?.link('socket'))),
    }
  }

  #unixName(address: bigint): string | undefined {
    const record = this.#reader.record(UNIX_ADDRESS, address)
    const length = record?.number('bytes')
    const name = record?.addressOf('name')
    if (length === undefined || name === undefined || length <= 2) return undefined
    // the family takes two bytes
    const bytes = this.#reader.bytes(name + 2n, Math.min(length, MAX_UNIX_NAME_BYTES) - 2)
    if (bytes === undefined) return undefined
    const abstract = bytes[0] === 0
    const end = abstract || bytes.at(-1) !== 0 ? bytes.length : bytes.length - 1
    return decodeText(bytes.subarray(0, end)).replaceAll('\0', '@')
  }

  #inodeOf(socket: bigint | undefined): number | undefined {
    if (socket === undefined) return undefined
    const alloc = this.#reader.container(SOCKET_ALLOC, 'socket', socket)
    const offset = this.#reader.layout(SOCKET_ALLOC).offset('inode')
    if (alloc === undefined || offset === undefined) return undefined
    return this.#reader.record(INODE, alloc + BigInt(offset))?.number('number')
  }

  #protocolName(address: bigint | undefined): string | undefined {
    if (address === undefined) return undefined
    if (!this.#protocols.has(address)) {
      if (this.#protocols.size > 4096) this.#protocols.clear()
      const name = this.#reader.record(PROTOCOL, address)?.text('name')
      this.#protocols.set(address, name?.slice(0, MAX_PROTOCOL_NAME_BYTES))
    }
    return this.#protocols.get(address)
  }

  #namespaceNumber(address: bigint | undefined): number | undefined {
    if (address === undefined) return undefined
    if (!this.#namespaces.has(address)) {
      if (this.#namespaces.size > 4096) this.#namespaces.clear()
      this.#namespaces.set(address, this.#reader.record(NET, address)?.number('number'))
    }
    return this.#namespaces.get(address)
  }
}

function bigEndian16(value: number | undefined): number | undefined {
  return value === undefined ? undefined : ((value & 0xff) << 8) | ((value >> 8) & 0xff)
}

function some<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: V })
}
