import { describe, expect, it } from 'vitest'
import { writeAvml } from '../../images/avml.js'
import { rangeHeader, writeLime, writePadded } from '../../images/lime.js'
import { openImage } from '../../images/open.js'
import { memoryBytes } from '../../images/runs.js'

const LIME = 0x4c694d45
const AVML = 0x4c4d5641
const bytes = memoryBytes(0x2000, 5)

describe('LiME', () => {
  it('joins ranges that touch in address into one run', () => {
    const { image } = openImage(writeLime([0, 0x2000, 0x6000].map(gpa => ({ gpa, bytes }))))
    expect(image.runs).toEqual([
      { gpa: 0, length: 0x4000 },
      { gpa: 0x6000, length: 0x2000 },
    ])
  })

  it('reads "padded" as raw: offset is address', () => {
    const { image, memory } = openImage(writePadded([{ gpa: 0x3000, bytes }]))
    expect(image.format).toBe('raw')
    expect(Buffer.from(memory.window(0x3000, 0x2000).bytes).equals(bytes)).toBe(true)
  })

  it('keeps a range that reaches past the end of the file, and tells what is missing', () => {
    const { image, memory } = openImage(writeLime([{ gpa: 0x1000, bytes }]).subarray(0, 32 + 0x1800))
    expect(image.runs).toEqual([{ gpa: 0x1000, length: 0x2000 }])
    expect(image.warnings).toHaveLength(1)
    expect(memory.spanAt(0x2800, 0x800)).toEqual({ kind: 'gap', length: 0x800, reason: 'truncated' })
  })

  it('takes zeros behind the last range as padding, with a warning', () => {
    const { image } = openImage(Buffer.concat([writeLime([{ gpa: 0, bytes }]), Buffer.alloc(512)]))
    expect(image.warnings).toEqual(['512 bytes of zeros behind the last LiME range'])
  })

  it.each([
    ['run backwards', [rangeHeader(LIME, 1, 0x2000n, 0x1000n)], /runs backwards/],
    ['reach past 2^52', [rangeHeader(LIME, 1, 0n, 2n ** 52n)], /past 2\^52/],
    ['reach past 2^64', [rangeHeader(LIME, 1, 0x1000n, 2n ** 64n - 1n)], /past 2\^52/],
    [
      'overlap',
      [writeLime([0, 0x1000].map(gpa => ({ gpa, bytes })))],
      /overlap: 0x0-0x1fff and 0x1000-0x2fff/,
    ],
    ['have another version', [rangeHeader(LIME, 2, 0n, 0xfffn)], /version=2/],
    ['are cut short', [rangeHeader(LIME, 1, 0n, 0xfffn).subarray(0, 20)], /cut short/],
    [
      'are followed by something else',
      [writeLime([{ gpa: 0, bytes }]), Buffer.alloc(64, 1)],
      /magic=0x1010101 .*truncate -s 8224/,
    ],
  ])('refuses ranges that %s', (_name, parts, message) => {
    expect(() => openImage(Buffer.concat(parts))).toThrow(expect.objectContaining({ code: 'image-corrupt' }))
    expect(() => openImage(Buffer.concat(parts))).toThrow(message)
  })
})

describe('AVML', () => {
  const image = writeAvml([{ gpa: 0x1000, bytes: memoryBytes(0x40000, 6) }])

  it('makes a wrong checksum a gap of that chunk only', () => {
    const broken = Buffer.from(image)
    broken[32 + 10 + 4] = (broken[32 + 10 + 4] as number) ^ 1
    const { memory } = openImage(broken)
    expect(memory.window(0x1000, 0x20000)).toEqual({
      bytes: new Uint8Array(0),
      stop: { reason: 'unreadable', length: 0x10000 },
    })
    expect(memory.window(0x11000, 0x20000).stop).toBeUndefined()
  })

  it('tells what a cut file lacks', () => {
    const { image: cut, memory } = openImage(image.subarray(0, Math.floor(image.length / 2)))
    expect(cut.runs).toEqual([{ gpa: 0x1000, length: 0x40000 }])
    expect(memory.spanAt(0x40000, 0x1000)).toEqual({ kind: 'gap', length: 0x1000, reason: 'truncated' })
  })

  it('refuses a chunk that passes the end of its range', () => {
    const lie = Buffer.from(image)
    lie.writeBigUInt64LE(0x1000n + 0xffffn, 16)
    lie.writeBigUInt64LE(0x1000n + 0x8000n, 16)
    expect(() => openImage(lie)).toThrow(/passes the end/)
  })

  it('refuses chunks of reserved types and of more than 64 KiB', () => {
    const reserved = Buffer.from(image)
    reserved[42] = 0x42
    expect(() => openImage(reserved)).toThrow(/reserved type 66/)
    const large = Buffer.from(image)
    large.set([0xff, 0xff, 0xff, 0xff, 0x0f], 32 + 10 + 8)
    expect(() => openImage(large)).toThrow(/out of bounds/)
  })

  it('refuses ranges that overlap', () => {
    const twice = Buffer.concat([image, writeAvml([{ gpa: 0x2000, bytes }])])
    expect(() => openImage(twice)).toThrow(/overlap/)
  })

  it('refuses another version', () => {
    expect(() => openImage(Buffer.concat([rangeHeader(AVML, 3, 0n, 1n)]))).toThrow(/version=3/)
  })
})
