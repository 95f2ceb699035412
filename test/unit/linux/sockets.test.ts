import { describe, expect, it, test } from 'vitest'
import { ipv4Text, ipv6Text } from '../../../src/os/linux/net/addresses.js'
import { chainNodes } from '../../../src/os/linux/net/chains.js'
import { sockets } from '../../../src/os/linux/sockets.js'
import { Problems } from '../../../src/os/problem.js'
import { StructReader } from '../../../src/os/struct/reader.js'
import { type StructLayout, symbolsOf } from '../../images/kernel-memory.js'
import { FILE_LAYOUTS, MadeUpKernel } from '../../images/linux-files.js'

const LAYOUTS: Readonly<Record<string, StructLayout>> = {
  ...FILE_LAYOUTS,
  sock_common: {
    bytes: 64,
    members: {
      skc_daddr: [0, 4],
      skc_rcv_saddr: [4, 4],
      skc_dport: [8, 2],
      skc_num: [10, 2],
      skc_family: [12, 2],
      skc_state: [14, 1],
      skc_node: [16, 16],
      'skc_net.net': [32, 8],
      skc_prot: [40, 8],
    },
  },
  sock: {
    bytes: 128,
    members: { sk_type: [64, 2], sk_protocol: [66, 2], sk_socket: [72, 8], 'sk_uid.val': [80, 4] },
  },
  inet_sock: { bytes: 160, members: { inet_sport: [130, 2] } },
  inet_timewait_sock: { bytes: 160, members: { tw_substate: [64, 1] } },
  unix_sock: { bytes: 160, members: { addr: [128, 8], peer: [136, 8] } },
  unix_address: { bytes: 8, members: { len: [4, 4], name: [8, 0] } },
  socket: { bytes: 32, members: { sk: [0, 8], file: [8, 8] } },
  socket_alloc: { bytes: 160, members: { socket: [0, 32], vfs_inode: [32, 128] } },
  inet_hashinfo: {
    bytes: 48,
    members: { ehash: [0, 8], ehash_mask: [8, 4], lhash2: [16, 8], lhash2_mask: [24, 4] },
  },
  inet_ehash_bucket: { bytes: 8, members: { chain: [0, 8] } },
  inet_listen_hashbucket: { bytes: 16, members: { nulls_head: [8, 8] } },
  // the same memory by all the names that the writer uses
  tcp_sock: {
    bytes: 160,
    members: {
      remote: [0, 4],
      local: [4, 4],
      remotePort: [8, 2],
      num: [10, 2],
      family: [12, 2],
      state: [14, 1],
      next: [16, 8],
      type: [64, 2],
      protocol: [66, 2],
      socket: [72, 8],
      uid: [80, 4],
      sport: [130, 2],
      addr: [128, 8],
      peer: [136, 8],
    },
  },
}

const LOCALHOST = 0x0100_007f
const big = (port: number): number => ((port & 0xff) << 8) | (port >> 8)

function setUp() {
  const hash = 0xffff_8880_7000_0000n
  const guest = new MadeUpKernel(LAYOUTS, { tcp_hashinfo: hash })
  const heads = guest.bytes(new Uint8Array(16 * 8).fill(1))
  const listening = guest.bytes(new Uint8Array(4 * 16))
  guest.memory.write(hash, new Uint8Array(64))
  guest.memory.pointer(hash, heads)
  guest.memory.number(hash + 8n, 15, 4)
  guest.memory.pointer(hash + 16n, listening)
  guest.memory.number(hash + 24n, 3, 4)
  const tcp = (members: Readonly<Record<string, number | bigint>>): bigint =>
    guest.make('tcp_sock', { family: 2, type: 1, protocol: 6, next: 1n, local: LOCALHOST, ...members })
  const hang = (bucket: number, sock: bigint): void =>
    guest.memory.pointer(heads + BigInt(bucket * 8), sock + 16n)
  return { guest, heads, listening, tcp, hang }
}

/** A descriptor that leads to the socket. */
function holder(guest: MadeUpKernel, sock: bigint, inode: number): bigint {
  const alloc = guest.make('socket_alloc')
  guest.set('socket', alloc, { sk: sock })
  guest.set('inode', alloc + 32n, { i_mode: 0o140777, i_ino: inode })
  guest.set('tcp_sock', sock, { socket: alloc })
  return guest.make('file', { f_inode: alloc + 32n, 'f_path.dentry': guest.dentry('TCP', 0n) })
}

test('a connection that two processes hold is one socket with two owners, found in the table too', () => {
  const { guest, tcp, hang } = setUp()
  const sock = tcp({
    state: 1,
    num: 7001,
    sport: big(7001),
    remote: LOCALHOST,
    remotePort: big(443),
    uid: 33,
  })
  hang(5, sock)
  const file = holder(guest, sock, 4711)
  const processes = [
    { pid: 10, address: guest.task({ 3: file }) },
    { pid: 11, address: guest.task({ 4: file }) },
  ]
  const { items, problems } = sockets(guest.kernel, processes)
  expect(problems).toEqual([])
  expect(items).toEqual([
    {
      kind: 'tcp',
      address: sock,
      family: 2,
      type: 'stream',
      protocol: 6,
      state: 'ESTABLISHED',
      inode: 4711,
      uid: 33,
      local: { address: '127.0.0.1', port: 7001 },
      remote: { address: '127.0.0.1', port: 443 },
      owners: [
        { pid: 10, fd: 3 },
        { pid: 11, fd: 4 },
      ],
      sources: ['file', 'table'],
    },
  ])
})

test('what waits for its end stands only in the table, in the state it was in', () => {
  const { guest, tcp, hang } = setUp()
  const waiting = tcp({ state: 6, num: 80, type: 5, protocol: 0xffff, uid: 12 })
  hang(0, waiting)
  expect(sockets(guest.kernel, []).items).toMatchObject([
    { kind: 'tcp', state: 'FIN_WAIT2', inode: 0, owners: [], sources: ['table'], local: { port: 80 } },
  ])
})

test('a listener that only a descriptor leads to is marked so', () => {
  const { guest, tcp } = setUp()
  const file = holder(guest, tcp({ state: 10, num: 22, sport: big(22) }), 5)
  const { items } = sockets(guest.kernel, [{ pid: 1, address: guest.task({ 0: file }) }])
  expect(items).toMatchObject([{ state: 'LISTEN', sources: ['file'] }])
})

test('chains that run in a circle or into each other end, each socket once', () => {
  const { guest, tcp, hang, heads } = setUp()
  const one = tcp({ state: 1 })
  const two = tcp({ state: 1, next: one + 16n })
  guest.set('tcp_sock', one, { next: two + 16n })
  for (let bucket = 0; bucket < 16; bucket++) hang(bucket, bucket % 2 === 0 ? one : two)
  guest.memory.pointer(heads + 8n, 0x1000n)
  const { items, problems } = sockets(guest.kernel, [])
  expect(items).toHaveLength(2)
  expect(new Set(problems.map(({ kind }) => kind))).toEqual(new Set(['loop', 'broken']))
})

test('a table of four billion buckets is cut and costs no time', () => {
  const { guest, tcp, hang } = setUp()
  hang(2, tcp({ state: 1 }))
  guest.memory.number(0xffff_8880_7000_0008n, 0xffff_ffff, 4)
  const started = performance.now()
  const { items } = sockets(guest.kernel, [])
  expect(items.length).toBeGreaterThanOrEqual(1)
  expect(performance.now() - started).toBeLessThan(5000)
})

test('a file that claims to be a socket but leads to none is told', () => {
  const { guest } = setUp()
  const inode = guest.make('socket_alloc')
  guest.set('inode', inode + 32n, { i_mode: 0o140777 })
  const file = guest.make('file', { f_inode: inode + 32n, 'f_path.dentry': guest.dentry('TCP', 0n) })
  const { items, problems } = sockets(guest.kernel, [{ pid: 1, address: guest.task({ 0: file }) }])
  expect(items).toEqual([])
  expect(problems.map(({ kind }) => kind)).toEqual(['broken'])
})

test.each([
  ['/run/x.sock\0', '/run/x.sock'],
  ['/no/zero', '/no/zero'],
  ['\0abstract\0name', '@abstract@name'],
])('a unix socket named %j is shown as %j', (name, shown) => {
  const { guest } = setUp()
  const bytes = Buffer.alloc(10 + name.length)
  bytes.writeUInt32LE(2 + name.length, 4)
  bytes.write(name, 10, 'latin1')
  const sock = guest.make('tcp_sock', { family: 1, type: 2, state: 7, addr: guest.bytes(bytes) })
  const file = holder(guest, sock, 5)
  const { items } = sockets(guest.kernel, [{ pid: 1, address: guest.task({ 0: file }) }])
  expect(items).toMatchObject([{ kind: 'unix', type: 'dgram', path: shown, inode: 5 }])
})

test('entries of the table that are no sockets are told, and left out', () => {
  const { guest, tcp, hang } = setUp()
  hang(1, tcp({ state: 1, family: 999 }))
  hang(2, tcp({ state: 200 }))
  const { items, problems } = sockets(guest.kernel, [])
  expect(items).toEqual([])
  expect(problems.map(({ kind }) => kind)).toEqual(['broken', 'broken'])
})

test('a kernel whose types lack sockets has none, and says so', () => {
  const guest = new MadeUpKernel()
  const { items, problems } = sockets({ ...guest.kernel, symbols: symbolsOf({}) }, [])
  expect(items).toEqual([])
  expect(problems.map(({ kind }) => kind)).toEqual(['unknown', 'unknown'])
})

describe('addresses', () => {
  it.each([
    ['00000000000000000000000000000000', '::'],
    ['00000000000000000000000000000001', '::1'],
    ['fe800000000000000000000000010002', 'fe80::1:2'],
    ['20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
    ['20010db8000100020003000400050006', '2001:db8:1:2:3:4:5:6'],
    ['20010000000100020003000400050006', '2001:0:1:2:3:4:5:6'],
    ['00000000000000000000ffff0a000001', '::ffff:10.0.0.1'],
    ['00010000000000000000000000000000', '1::'],
  ])('writes %s as %s', (bytes, text) => expect(ipv6Text(Buffer.from(bytes, 'hex'))).toBe(text))

  it('writes four bytes with dots', () => expect(ipv4Text(Uint8Array.of(10, 0, 255, 1))).toBe('10.0.255.1'))
})

test('a table in memory that is not there has no nodes, and says so', () => {
  const { guest } = setUp()
  const problems = new Problems()
  const table = { what: 'x', address: 0xffff_9000_0000_0000n, buckets: 4, bucketBytes: 8, headOffset: 0 }
  expect(chainNodes(new StructReader(guest.kernel), table, problems)).toEqual([])
  expect(problems.list.map(({ kind }) => kind)).toEqual(['absent'])
})
