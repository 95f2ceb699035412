import { describe, expect, it } from 'vitest'
import { lzoInto } from '../../../src/formats/codecs.js'
import { Lz4Error, lz4Decompress } from '../../../src/formats/lz4.js'
import { LzoError, lzo1xDecompress } from '../../../src/formats/lzo.js'

const target = (bytes: number): Uint8Array => new Uint8Array(bytes)

describe('lz4 blocks', () => {
  it('copies literals, and what repeats', () => {
    // "abcd", 8 bytes from 4 back, then "end"
    const block = Buffer.from([0x44, ...Buffer.from('abcd'), 4, 0, 0x30, ...Buffer.from('end')])
    const room = target(32)
    expect(Buffer.from(room.subarray(0, lz4Decompress(block, room))).toString()).toBe('abcdabcdabcdend')
  })

  it('reads lengths beyond fifteen', () => {
    const literals = Buffer.alloc(300, 'x')
    const block = Buffer.from([0xff, 255, 30, ...literals, 1, 0, 255, 255, 16, 0x10, 0x79])
    const room = target(4096)
    const length = lz4Decompress(block, room)
    expect(length).toBe(300 + 15 + 255 + 255 + 16 + 4 + 1)
    expect(Buffer.from(room.subarray(0, length - 1)).every(byte => byte === 0x78)).toBe(true)
  })

  it.each([
    ['is empty', []],
    ['is cut in its literals', [0x50, 1, 2]],
    ['copies from before its start', [0x10, 1, 2, 0, 0x00]],
    ['copies from nowhere', [0x10, 1, 0, 0, 0x00]],
    ['copies past the room', [0x1f, 1, 1, 0, 255, 255, 255, 0]],
    ['has a length without end', [0xf0, ...Array<number>(100).fill(255)]],
  ])('refuses a block that %s', (_what, block) => {
    expect(() => lz4Decompress(Uint8Array.from(block), target(64))).toThrow(Lz4Error)
  })

  it('ends with an error or within its room, whatever the bytes', () => {
    let state = 1
    for (let round = 0; round < 20_000; round++) {
      const block = Uint8Array.from({ length: 1 + (round % 40) }, () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0
        return state >>> 24
      })
      const room = target(256)
      try {
        expect(lz4Decompress(block, room)).toBeLessThanOrEqual(256)
      } catch (error) {
        expect(error).toBeInstanceOf(Lz4Error)
      }
    }
  })
})

describe('lzo-rle', () => {
  /** Version 1, four literals, a run of zeros with one literal behind it, the end. */
  const stream = (zeros: number): Uint8Array =>
    Uint8Array.from([
      ...[17, 1, 21, ...Buffer.from('abcd')],
      ...[0x18 | ((zeros - 4) & 7), 0xfd, 0xff, (zeros - 4) >> 3, 0x78],
      ...[17, 0, 0],
    ])

  it.each([4, 5, 11, 12, 100, 2051])('writes a run of %d zeros', zeros => {
    const room = target(5 + zeros).fill(0xa5)
    lzoInto(stream(zeros), room)
    expect(Buffer.from(room)).toEqual(Buffer.from(`abcd${'\0'.repeat(zeros)}x`))
  })

  it('refuses a run that passes the room', () => {
    expect(() => lzo1xDecompress(stream(100), target(50))).toThrow(LzoError)
  })

  it('takes no such run in a stream of version 0', () => {
    const old = stream(100)
    old[1] = 0
    expect(() => lzo1xDecompress(old, target(4096))).toThrow(LzoError)
  })
})
