import { describe, expect, it } from 'vitest'
import { parseProcess } from '../../lab/truth-process.js'
import { parseSockets } from '../../lab/truth-sockets.js'
import { parseIomem, parseKernelLog, parseModules, parseMounts } from '../../lab/truth-system.js'
import { frameLookup, parseWitness } from '../../lab/witness.js'

const REPORT = `@page-bytes 16384
@file /proc/version
Linux version 6.1.0
@end
@process 42
@file /proc/42/stat
42 (a) b (c) S 7 42 42 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 2 0 431 0
@end
@file /proc/42/status
Name:\ta) b (c
Tgid:\t42
Uid:\t5\t6\t7\t8
Gid:\t1\t2\t3\t4
Threads:\t2
NSpid:\t42\t3
@end
cmdline 2f62696e2f78006120620000
environ 413d3100
exe /bin/x y
ns pid:[4026531836]
@file /proc/42/maps
00400000-00401000 r-xp 00002000 00:02 12                                 /bin/with space
@end
@file /proc/42/task/43/stat
43 (second) R 7 42 42 0 -1 64 0 0 0 0 0 0 0 0 20 0 2 0 433 0
@end
fd 3 /run/a file (deleted)
@file /proc/42/fdinfo/3
pos:\t4
flags:\t0100002
mnt_id:\t24
ino:\t121
@end
fd 4 socket:[77]
page 42 400 2 1f0 a1
page 42 500 1 25 40
`

describe("a lab guest's truth", () => {
  it('reads nested ranges of /proc/iomem, ends made exclusive', () => {
    expect(parseIomem('00001000-0009fbff : System RAM\n  00002000-00002fff : Kernel code')).toEqual([
      { start: 0x1000, end: 0x9fc00, name: 'System RAM', depth: 0 },
      { start: 0x2000, end: 0x3000, name: 'Kernel code', depth: 1 },
    ])
  })

  it('reads /proc/modules', () => {
    expect(parseModules('dummy 16384 2 one,two, Live 0xffffffffc0602000\n')).toEqual([
      {
        name: 'dummy',
        size: 16384,
        base: 0xffffffffc0602000n,
        references: 2,
        usedBy: ['one', 'two'],
        state: 'Live',
      },
    ])
  })

  it('reads a process whose name holds a parenthesis and spaces', () => {
    const [told] = parseWitness(REPORT).processes
    expect(told && parseProcess(told)).toEqual({
      pid: 42,
      tgid: 42,
      ppid: 7,
      name: 'a) b (c',
      state: 'S',
      uid: 5,
      uids: [5, 6, 7, 8],
      gids: [1, 2, 3, 4],
      flags: 2129984,
      kernelThread: true,
      startTicks: 431,
      threads: 2,
      threadList: [{ tid: 43, name: 'second', state: 'R', startTicks: 433 }],
      nsPids: [42, 3],
      commandLine: ['/bin/x', 'a b', ''],
      environment: ['A=1'],
      exe: '/bin/x y',
      namespaces: ['pid:[4026531836]'],
      maps: [
        {
          start: 0x400000n,
          end: 0x401000n,
          flags: 'r-xp',
          offset: 0x2000,
          device: '00:02',
          inode: 12,
          path: '/bin/with space',
        },
      ],
      files: [
        { fd: 3, target: '/run/a file (deleted)', position: 4, flags: 0o100002, mountId: 24, inode: 121 },
        { fd: 4, target: 'socket:[77]', position: Number.NaN, flags: Number.NaN, mountId: Number.NaN },
      ],
    })
  })

  it('reads runs of pages, and finds a page inside one', () => {
    const { pages, pageBytes, files } = parseWitness(REPORT)
    expect(pageBytes).toBe(16384)
    expect(files.get('/proc/version')).toBe('Linux version 6.1.0')
    expect(pages).toEqual([
      { pid: 42, page: 0x400, count: 2, frame: 0x1f0, swapped: false, shared: true, exclusive: true },
      { pid: 42, page: 0x500, count: 1, frame: 0x25, swapped: true, shared: false, exclusive: false },
    ])
    const frameOf = frameLookup(pages)
    expect([frameOf(42, 0x401), frameOf(42, 0x402), frameOf(42, 0x500), frameOf(1, 0x400)]).toEqual([
      0x1f1,
      undefined,
      undefined,
      undefined,
    ])
  })

  it('reads sockets, their addresses and who has them open', () => {
    const files = new Map([
      [
        '/proc/net/tcp',
        'head\n   0: 0100007F:10E1 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 77 1 x\n',
      ],
      [
        '/proc/net/tcp6',
        `head\n   0: ${'0'.repeat(24)}01000000:1F90 ${'0'.repeat(32)}:0000 0A 00000000:00000000 00:00000000 00000000     0        0 78 1 x\n`,
      ],
      [
        '/proc/net/unix',
        'head\nffff: 00000002 00000000 00010000 0001 01 79 /run/x\nffff: 00000003 00000000 00000000 0001 03 80\n',
      ],
    ])
    const [told] = parseWitness(REPORT).processes
    const process = told && parseProcess(told)
    expect(parseSockets(files, process === undefined ? [] : [process])).toEqual([
      {
        protocol: 'tcp',
        inode: 77,
        state: 10,
        local: { address: '127.0.0.1', port: 4321 },
        remote: { address: '0.0.0.0', port: 0 },
        uid: 1000,
        owners: [{ pid: 42, fd: 4 }],
      },
      {
        protocol: 'tcp6',
        inode: 78,
        state: 10,
        local: { address: '::1', port: 8080 },
        remote: { address: '::', port: 0 },
        uid: 0,
        owners: [],
      },
      { protocol: 'unix', inode: 79, state: 1, type: 1, path: '/run/x', owners: [] },
      { protocol: 'unix', inode: 80, state: 3, type: 1, owners: [] },
    ])
  })

  it('reads mounts and kernel messages', () => {
    const line = '24 21 0:5 /a /dev ro,nosuid shared:2 - devtmpfs dev rw,size=1k'
    expect(parseMounts(`${line}\n`)).toEqual([
      {
        id: 24,
        parent: 21,
        device: '0:5',
        root: '/a',
        path: '/dev',
        options: 'ro,nosuid',
        type: 'devtmpfs',
        source: 'dev',
        superOptions: 'rw,size=1k',
      },
    ])
    expect(parseKernelLog('6,1,2500,-;one; two\n SUBSYSTEM=pci\n30,2,2600,-;three')).toEqual([
      { priority: 6, sequence: 1, microseconds: 2500, text: 'one; two' },
      { priority: 30, sequence: 2, microseconds: 2600, text: 'three' },
    ])
  })
})
