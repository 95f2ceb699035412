import { deflateSync } from 'node:zlib'
import { compressSync } from 'snappy'
import { describe, expect, it } from 'vitest'
import {
  type Codec,
  lzoInto,
  snappyInto,
  storedInto,
  zlibInto,
  zstdInto,
} from '../../../src/formats/codecs.js'
import { crc32c, maskedCrc32c } from '../../../src/formats/crc32c.js'
import { CAPTURED_LZO1X_1, CAPTURED_LZO1X_999, CAPTURED_ZSTD, capturedPage } from '../../images/captured.js'
import { lzoCompress, zstdCompress } from '../../images/compress.js'
import { memoryBytes } from '../../images/runs.js'

const BOMB = Buffer.alloc(1 << 20)
const CODECS: readonly (readonly [name: string, codec: Codec, pack: (bytes: Buffer) => Buffer])[] = [
  ['stored', storedInto, bytes => bytes],
  ['zlib', zlibInto, bytes => deflateSync(bytes)],
  ['snappy', snappyInto, bytes => compressSync(bytes)],
  ['lzo', lzoInto, lzoCompress],
  ['zstd', zstdInto, zstdCompress],
]

describe.each(CODECS)('%s', (_name, codec, pack) => {
  it('fills the target exactly', () => {
    for (let seed = 0; seed < 40; seed++) {
      const page = memoryBytes(4096, seed)
      const target = new Uint8Array(4096)
      codec(pack(page), target)
      expect(page.equals(target)).toBe(true)
    }
  })

  it('refuses a bomb, a block too short, and nothing at all, without touching what lies behind the target', () => {
    const room = new Uint8Array(8192).fill(0xa5)
    const target = room.subarray(0, 4096)
    for (const packed of [pack(BOMB), pack(Buffer.alloc(4095, 7)), Buffer.alloc(0), Buffer.from([0])])
      expect(() => codec(packed, target)).toThrow(expect.objectContaining({ code: 'image-corrupt' }))
    expect(room.subarray(4096).every(byte => byte === 0xa5)).toBe(true)
  })
})

describe('blocks of real encoders', () => {
  it.each([
    ['libzstd', zstdInto, CAPTURED_ZSTD],
    ['lzo1x_1', lzoInto, CAPTURED_LZO1X_1],
    ['lzo1x_999', lzoInto, CAPTURED_LZO1X_999],
  ] as const)('decompresses a page of %s', (_name, codec, packed) => {
    const target = new Uint8Array(4096)
    codec(Buffer.from(packed, 'base64'), target)
    expect(capturedPage().equals(target)).toBe(true)
  })
})

describe('crc32c', () => {
  it('gives the check value of the Rocksoft model', () =>
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283))

  it('gives the vectors of RFC 3720 B.4', () => {
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa)
    expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43)
    expect(crc32c(Buffer.from(Array.from({ length: 32 }, (_, i) => i)))).toBe(0x46dd794e)
  })

  it('masks as framing_format.txt says', () => {
    const crc = crc32c(Buffer.from('abc'))
    expect(maskedCrc32c(Buffer.from('abc'))).toBe((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0)
  })
})
