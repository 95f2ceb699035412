import { deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { bufferSource } from '../../../src/core/bytes.js'
import { parseImage } from '../../../src/formats/detect.js'
import type { ParseOptions } from '../../../src/formats/image.js'
import { writeElf } from '../../images/elf.js'
import { writeKdump } from '../../images/kdump.js'
import { writeLime } from '../../images/lime.js'
import { memoryBytes } from '../../images/runs.js'

const RUNS = [{ gpa: 0x1000, bytes: memoryBytes(0x2000, 1) }]
const parse = (bytes: Uint8Array, options: ParseOptions = {}) => parseImage(bufferSource(bytes), options)
const start = (magic: string, at = 0): Buffer => {
  const bytes = Buffer.alloc(8192)
  bytes.write(magic, at, 'latin1')
  return bytes
}

describe('detection', () => {
  it('takes what is nothing known as raw, at the base given', () => {
    expect(parse(Buffer.alloc(4097, 1)).runs).toEqual([{ gpa: 0, length: 4097 }])
    expect(parse(Buffer.alloc(10, 1), { base: 0x4000_0000 }).runs).toEqual([{ gpa: 0x4000_0000, length: 10 }])
  })

  it('refuses an empty file', () => {
    expect(() => parse(Buffer.alloc(0))).toThrow(expect.objectContaining({ code: 'target-empty' }))
  })

  it('refuses a base for a format that says where its memory lies', () => {
    expect(() => parse(writeLime(RUNS), { base: 4096 })).toThrow(
      expect.objectContaining({ code: 'bad-argument' }),
    )
  })

  it('refuses a base that reaches past 2^52', () => {
    expect(() => parse(Buffer.alloc(4096), { base: 2 ** 52 - 1 })).toThrow(/2\^52/)
  })

  it('lets a person override it', () => {
    expect(parse(writeLime(RUNS), { format: 'raw' }).format).toBe('raw')
    expect(() => parse(Buffer.alloc(4096), { format: 'lime' })).toThrow(
      expect.objectContaining({ code: 'image-corrupt' }),
    )
    expect(() => parse(Buffer.alloc(4096), { format: 'elf' })).toThrow(/not ELF/)
    expect(() => parse(Buffer.alloc(4096), { format: 'kdump' })).toThrow(/not kdump/)
  })
})

describe('compressed files', () => {
  it.each([
    ['gzip', gzipSync(RUNS[0]?.bytes ?? ''), 'gzip -dc FILE > FILE.raw'],
    ['xz', start('\xfd7zXZ\0'), 'xz -dc FILE'],
    ['zstd', start('\x28\xb5\x2f\xfd'), 'zstd -dc FILE'],
    ['bzip2', start('BZh91AY&SY'), 'bzip2 -dc FILE'],
    ['lz4', start('\x04\x22\x4d\x18'), 'lz4 -dc FILE'],
    ['lzop', start('\x89LZO\0\r\n\x1a\n'), 'lzop -dc FILE'],
    ['zip', start('PK\x03\x04'), 'unzip FILE'],
    ['7z', start('7z\xbc\xaf\x27\x1c'), '7z x FILE'],
    ['zlib', deflateSync(writeLime(RUNS)), 'zlib-flate -uncompress < FILE'],
  ])('are refused with the command that unpacks them: %s', (name, bytes, command) => {
    expect(() => parse(bytes)).toThrow(
      expect.objectContaining({ code: 'target-compressed', message: expect.stringContaining(command) }),
    )
    expect(() => parse(bytes)).toThrow(new RegExp(`^${name}`))
    expect(parse(bytes, { format: 'raw' }).format).toBe('raw')
  })

  it('are named as the person named them, quoted for a shell', () => {
    const bytes = gzipSync('x')
    expect(() => parse(bytes, { name: 'dump.raw.gz' })).toThrow(/gzip -dc dump\.raw\.gz > dump\.raw$/)
    expect(() => parse(bytes, { name: "it's $HOME.gz" })).toThrow(
      /gzip -dc 'it'\\''s \$HOME\.gz' > 'it'\\''s \$HOME'$/,
    )
  })

  it('does not mistake memory for a zlib stream', () => {
    expect(parse(start('\x78\x9c')).format).toBe('raw')
    expect(parse(deflateSync(Buffer.alloc(9000, 3))).format).toBe('raw')
  })
})

describe('formats that are not read', () => {
  it.each([
    ['MDMP', 0],
    ['hibr', 0],
    ['DISKDUMP', 0],
    ['\xd0\xbe\xd2\xbe', 0],
    ['\xd2\xbe\xd2\xbe', 0],
    ['QEVM', 0],
    ['LibvirtQemudSave', 0],
    ['QFI\xfb', 0],
    ['KDMV', 0],
    ['vhdxfile', 0],
    ['\x7f\x10\xda\xbe', 64],
    ['\x7fVirtualBox SavedState V2', 0],
  ])('are refused by name, never scanned as raw: %j', (magic, at) => {
    expect(() => parse(start(magic, at))).toThrow(expect.objectContaining({ code: 'target-unsupported' }))
    expect(parse(start(magic, at), { format: 'raw' }).format).toBe('raw')
  })

  it('refuses an ELF file that is no core, a big-endian one, a Xen core, and the core of a process', () => {
    const bigEndian = writeElf(RUNS)
    bigEndian[5] = 2
    const xen = writeElf([], { extendedNumbering: true, notes: Buffer.from('\0.xen_p2m\0') })
    xen.writeUInt16LE(1, 60)
    xen.writeUInt16LE(0, 62)
    // Section 0 stands in for the table of names: its sh_offset is where the notes lie.
    xen.writeBigUInt64LE(BigInt(64 + 64 + 56), 64 + 24)
    const processCore = writeElf(RUNS, {
      extra: () => [1n, 2n].map(offset => ({ paddr: 0n, offset, fileBytes: 10n, memoryBytes: 10n })),
    })
    processCore.writeBigUInt64LE(0n, 64 + 3 * 56 + 24)
    for (const bytes of [writeElf(RUNS, { type: 2 }), bigEndian, xen, processCore])
      expect(() => parse(bytes)).toThrow(expect.objectContaining({ code: 'target-unsupported' }))
  })

  it('refuses one part of a split kdump, saying how to join the parts', () => {
    expect(() => parse(writeKdump(RUNS, { split: true }))).toThrow(/makedumpfile --reassemble/)
  })
})
