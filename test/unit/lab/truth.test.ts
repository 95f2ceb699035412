import { describe, expect, it } from 'vitest'
import { parseIomem, parseModules, parseProcesses } from '../../lab/truth.js'

describe("a lab guest's truth", () => {
  it('reads nested ranges of /proc/iomem, ends made exclusive', () => {
    expect(parseIomem('00001000-0009fbff : System RAM\n  00002000-00002fff : Kernel code')).toEqual([
      { start: 0x1000, end: 0x9fc00, name: 'System RAM', depth: 0 },
      { start: 0x2000, end: 0x3000, name: 'Kernel code', depth: 1 },
    ])
  })

  it('reads /proc/modules', () => {
    expect(parseModules('dummy 16384 0 - Live 0xffffffffc0602000\n')).toEqual([
      { name: 'dummy', size: 16384, base: 0xffffffffc0602000n },
    ])
  })

  it('reads a process whose name holds a parenthesis and spaces', () => {
    const text =
      '@process\n42 (a) b (c) S 7 42 42 0\nUid:\t5\t5\t5\t5\nThreads:\t3\n' +
      '00400000-00401000 r-xp 00000000 00:02 12                                 /bin/with space\n'
    expect(parseProcesses(text)).toEqual([
      {
        pid: 42,
        ppid: 7,
        name: 'a) b (c',
        state: 'S',
        uid: 5,
        threads: 3,
        maps: [{ start: 0x400000n, end: 0x401000n, flags: 'r-xp', path: '/bin/with space' }],
      },
    ])
  })
})
