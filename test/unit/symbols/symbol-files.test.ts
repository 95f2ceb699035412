import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { VmsiftError } from '../../../src/core/errors.js'
import { loadSymbolFile, parseSymbolFile } from '../../../src/symbols/load.js'
import { parseSystemMap } from '../../../src/symbols/system-map.js'
import { decompressXz } from '../../../src/symbols/xz.js'
import { writeBtf } from '../../images/btf.js'
import { findProgram } from '../../lab/command.js'

const SYSTEM_MAP = `0000000000000000 D __per_cpu_start
0000000000012340 d cpu_info
ffffffff81000000 T _text
ffffffff81000000 T _stext
ffffffff81001234 t helper
ffffffff81002000 t helper
ffffffff82a00000 D init_task
`

const ISF = {
  metadata: { format: '6.2.0' },
  base_types: {
    int: { size: 4, signed: true, kind: 'int', endian: 'little' },
    'long unsigned int': { size: 8, signed: false, kind: 'int', endian: 'little' },
    char: { size: 1, signed: true, kind: 'char', endian: 'little' },
    pointer: { size: 8, signed: false, kind: 'int', endian: 'little' },
  },
  user_types: {
    list_head: {
      size: 16,
      kind: 'struct',
      fields: {
        next: { type: { kind: 'pointer', subtype: { kind: 'struct', name: 'list_head' } }, offset: 0 },
        prev: { type: { kind: 'pointer', subtype: { kind: 'struct', name: 'list_head' } }, offset: 8 },
      },
    },
    unnamed_1: {
      size: 8,
      kind: 'union',
      fields: { stack: { type: { kind: 'base', name: 'long unsigned int' }, offset: 0 } },
    },
    loop: {
      size: 8,
      kind: 'struct',
      fields: {
        a: { type: { kind: 'struct', name: 'loop' }, offset: 0, anonymous: true },
        b: { type: { kind: 'struct', name: 'loop' }, offset: 0, anonymous: true },
      },
    },
    task_struct: {
      size: 128,
      kind: 'struct',
      fields: {
        pid: { type: { kind: 'base', name: 'int' }, offset: 0 },
        tasks: { type: { kind: 'struct', name: 'list_head' }, offset: 8 },
        comm: { type: { kind: 'array', count: 16, subtype: { kind: 'base', name: 'char' } }, offset: 24 },
        unnamed_field_0: { type: { kind: 'union', name: 'unnamed_1' }, offset: 40, anonymous: true },
        flag: {
          type: { kind: 'bitfield', bit_position: 9, bit_length: 2, type: { kind: 'base', name: 'int' } },
          offset: 48,
        },
      },
    },
  },
  enums: { pid_type: { size: 4, base: 'unsigned int', constants: { PIDTYPE_PID: 0, PIDTYPE_TGID: 1 } } },
  symbols: {
    init_task: { address: 'BIG', type: { kind: 'struct', name: 'task_struct' } },
    cpu_info: { address: 0x12340 },
    linux_banner: {
      address: 1,
      constant_data: Buffer.from('Linux version 6.1.0 (x)\n\0').toString('base64'),
    },
  },
}
// An address that no JavaScript number holds.
const ISF_TEXT = JSON.stringify(ISF).replace('"BIG"', '18446744071607746881')

const dir = mkdtempSync(join(tmpdir(), 'vmsift-symbols-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

describe('a System.map', () => {
  const symbols = parseSystemMap(Buffer.from(SYSTEM_MAP), { kaslrOffset: 0x20000000n })

  it('gives names and addresses, moved by KASLR but for per-CPU offsets', () => {
    expect(symbols.addressOf('init_task')).toBe(0xffffffffa2a00000n)
    expect(symbols.addressOf('cpu_info')).toBe(0x12340n)
    expect(symbols.addressOf('nothing')).toBeUndefined()
    expect(symbols.size).toBe(7)
    expect([...symbols.entries()][2]).toEqual({ name: '_text', type: 'T', address: 0xffffffffa1000000n })
  })

  it('gives all of one name, in order', () => {
    expect(symbols.all('helper').map(s => s.address)).toEqual([0xffffffffa1001234n, 0xffffffffa1002000n])
  })

  it('gives the nearest symbol at or below an address', () => {
    expect(symbols.nearest(0xffffffffa1001240n)).toMatchObject({ symbol: { name: 'helper' }, offset: 12 })
    expect(symbols.nearest(0xffffffffa1000000n)).toMatchObject({ symbol: { name: '_stext' }, offset: 0 })
    expect(parseSystemMap(Buffer.from('c1000000 T _text\n')).nearest(5n)).toBeUndefined()
  })

  it('is refused with the line that is no symbol', () => {
    expect(() => parseSystemMap(Buffer.from(`${SYSTEM_MAP}not a symbol\n`), { name: 'my.map' })).toThrow(
      /line 8 of my\.map is no symbol: "not a symbol"/,
    )
  })

  it('of 32 bits, with carriage returns and without a last newline, is read', () => {
    const narrow = parseSystemMap(Buffer.from('c1000000 T _text\r\nc1000010 t f'), {
      kaslrOffset: 0x1000000n,
    })
    expect([...narrow.entries()].map(s => [s.name, s.address])).toEqual([
      ['_text', 0xc2000000n],
      ['f', 0xc2000010n],
    ])
  })
})

describe('what /proc/kallsyms prints', () => {
  it('has modules behind the kernel, and is never moved', () => {
    const text = `${SYSTEM_MAP}ffffffffc0001000 t init\t[virtio]\nffffffffc0000000 T probe\t[virtio]\n`
    const symbols = parseSystemMap(Buffer.from(text), { kaslrOffset: 0x1000n })
    expect(symbols.source).toBe('kallsyms text')
    expect(symbols.all('probe')).toEqual([
      { name: 'probe', type: 'T', address: 0xffffffffc0000000n, module: 'virtio' },
    ])
    expect(symbols.nearest(0xffffffffc0000fffn)?.symbol.name).toBe('probe')
  })

  it('without addresses is refused with what to do', () => {
    expect(() => parseSystemMap(Buffer.from('0000000000000000 T _text\n'))).toThrow(/shows them to root only/)
  })
})

describe('an ISF', () => {
  const file = parseSymbolFile(Buffer.from(ISF_TEXT), { kaslrOffset: 0x1000n })

  it('gives exact addresses, moved by KASLR', () => {
    expect(file.symbols?.addressOf('init_task')).toBe(18446744071607746881n + 0x1000n)
    expect(file.symbols?.addressOf('cpu_info')).toBe(0x12340n)
    expect(file.symbols?.addressOf('constructor')).toBeUndefined()
    expect(file.banner).toBe('Linux version 6.1.0 (x)')
  })

  it('gives layouts', () => {
    const { types } = file
    expect(types?.sizeOf('task_struct')).toBe(128)
    expect(types?.sizeOf('toString')).toBeUndefined()
    expect(types?.member('task_struct', 'tasks.prev')).toEqual({
      offset: 16,
      bytes: 8,
      pointer: true,
      typeName: 'list_head',
    })
    expect(types?.member('task_struct', 'comm')).toEqual({ offset: 24, bytes: 16, signed: true, count: 16 })
    expect(types?.member('task_struct', 'stack')).toEqual({ offset: 40, bytes: 8 })
    expect(types?.member('task_struct', 'flag')).toEqual({
      offset: 49,
      bytes: 1,
      bits: { first: 1, count: 2 },
      signed: true,
    })
    expect(types?.members('task_struct')).toEqual(['pid', 'tasks', 'comm', 'stack', 'flag'])
    expect(types?.enumerator('PIDTYPE_TGID')).toBe(1)
  })

  it('with structures that contain themselves ends', () => {
    expect(file.types?.member('loop', 'x')).toBeUndefined()
    expect(file.types?.members('loop')).toEqual([])
  })

  it('that is broken is refused', () => {
    const refused = (text: string) => () => parseSymbolFile(Buffer.from(text), { name: 'x.json' })
    expect(refused('{"symbols":{}')).toThrow(/x\.json is no JSON/)
    expect(refused('{"symbols":{}}')).toThrow(/x\.json is no ISF/)
    expect(refused('{"symbols":{"a":{}},"user_types":{}}')).toThrow(/symbol "a" has no address/)
  })
})

describe('a symbol file', () => {
  const at = (name: string, bytes: string | Buffer): string => {
    writeFileSync(join(dir, name), bytes)
    return join(dir, name)
  }

  it('is told by its bytes', async () => {
    expect((await loadSymbolFile(at('a', SYSTEM_MAP))).source).toBe('System.map')
    expect((await loadSymbolFile(at('b', ISF_TEXT))).source).toBe('isf')
    const btf = writeBtf([{ kind: 'int', name: 'int', bytes: 4 }])
    expect((await loadSymbolFile(at('c', btf))).types?.sizeOf('int')).toBe(4)
    await expect(loadSymbolFile(at('d', 'hello'))).rejects.toThrow(/d is no symbol file/)
    await expect(loadSymbolFile(at('e', ''))).rejects.toThrow(/e is no symbol file/)
    await expect(loadSymbolFile(join(dir, 'none'))).rejects.toMatchObject({ code: 'target-not-found' })
    await expect(loadSymbolFile(dir)).rejects.toMatchObject({ code: 'target-unreadable' })
  })

  describe.skipIf(findProgram('xz') === undefined)('that xz compressed', () => {
    const xz = (path: string, ...options: string[]) => execFileSync('xz', ['-k', '-c', ...options, path])

    it('is decompressed', async () => {
      const path = at('g.json', ISF_TEXT)
      for (const options of [[], ['-T2', '--block-size=1KiB'], ['-Ccrc32'], ['-Cnone']])
        expect((await loadSymbolFile(at('g.json.xz', xz(path, ...options)))).symbols?.size).toBe(3)
    })

    it('is refused when it is cut short, broken or too large', async () => {
      const whole = xz(at('h', Buffer.alloc(1 << 20, 'text')))
      for (const broken of [
        whole.subarray(0, 40),
        whole.subarray(0, -4),
        Buffer.concat([whole, Buffer.from('tail')]),
      ])
        await expect(decompressXz(broken, 'h.xz')).rejects.toBeInstanceOf(VmsiftError)
      const flipped = Buffer.from(whole)
      flipped[40] = (flipped[40] as number) ^ 1
      await expect(decompressXz(flipped, 'h.xz')).rejects.toThrow(/can't decompress h\.xz/)
      await expect(decompressXz(whole, 'h.xz', 1000)).rejects.toThrow(/more than 1000 bytes/)
    })
  })
})

describe('JSON that a parser would hold twenty gigabytes for', () => {
  const refused = (text: string) => expect(() => parseSymbolFile(Buffer.from(text), { name: 'x.json' }))
  const file = (more: string) => `{"symbols":{},"user_types":{},"more":${more}}`

  it('is refused by its levels and values, before it is parsed', () => {
    refused(`{"symbols":${'['.repeat(1 << 20)}`).toThrow(/more than 256 levels/)
    refused(`{"symbols":[${'1,'.repeat(4_000_001)}0]}`).toThrow(/more than 4000000 values/)
    refused(`{"symbols":[${'[],'.repeat(2_000_001)}0]}`).toThrow(/more than 4000000 values/)
  })

  it('is told from brackets in strings', () => {
    const text = JSON.stringify(`${'[{,'.repeat(1000)}\\"${'['.repeat(1000)}`)
    expect(parseSymbolFile(Buffer.from(file(text))).source).toBe('isf')
    expect(parseSymbolFile(Buffer.from(file(`${'['.repeat(200)}${']'.repeat(200)}`))).source).toBe('isf')
    // a string without an end is no JSON, and no reason to read further
    refused(file('"')).toThrow(/is no JSON/)
  })
})
