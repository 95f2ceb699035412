import { describe, expect, it } from 'vitest'
import { clip, escapeBytes, escapeText, oneLine, safeJson } from '../../src/cli/escape.js'
import { formatBytes, formatRate, formatSeconds, plural } from '../../src/cli/units.js'
import { hexdump } from '../../src/core/hexdump.js'

describe('escaping', () => {
  it('leaves nothing but printable ASCII of any bytes', () => {
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    expect(escapeBytes(all)).toMatch(/^[\x20-\x7e]*$/)
  })

  it('names line breaks and writes the rest as hexadecimal', () => {
    expect(escapeBytes(Buffer.from('a\n\x1b[31m\\\x00', 'latin1'))).toBe('a\\n\\x1b[31m\\\\\\x00')
  })

  it('escapes controls and what reorders text, and keeps letters', () => {
    expect(escapeText('ключ \u001b]0;x\u0007 \u202eabc\u009b')).toBe('ключ \\x1b]0;x\\x07 \\u{202e}abc\\x9b')
  })

  it('writes JSON that moves no cursor and means the same', () => {
    const value = { 'a\x7f': 'b\u009b2J\u202e\u2028\u{e0001}', list: ['\x1b', '\ud800', 'ключ', '\\u009b'] }
    const text = safeJson(value)
    expect(text).not.toMatch(/[^\x20-\x7eа-я]/)
    expect(JSON.parse(text)).toEqual(value)
  })

  it('makes one line of several', () => {
    expect(oneLine(' error:\n  line 2\t x\n')).toBe('error: line 2 x')
  })

  it('marks what it cuts', () => {
    expect(clip('abcdef', 4)).toBe('abc…')
    expect(clip('abcd', 4)).toBe('abcd')
  })
})

describe('hexdump', () => {
  it('prints address, sixteen bytes in pairs, and ASCII', () => {
    expect(hexdump(Buffer.from('0123456789abcdefXY\x7f'), 0x1f3000)).toBe(
      '0x001f3000: 3031 3233 3435 3637 3839 6162 6364 6566  0123456789abcdef\n' +
        '0x001f3010: 5859 7f                                  XY.\n',
    )
  })

  it('is right beyond 2^40', () => {
    expect(hexdump(Uint8Array.of(0x1b), 2 ** 44, 12)).toMatch(/^0x100000000000: 1b +\.\n$/)
  })
})

describe('figures', () => {
  it('uses powers of 1024 for sizes and of 1000 for rates', () => {
    expect([0, 1, 1023, 1536, 2 ** 30, 2 ** 40 * 1.5].map(formatBytes)).toEqual([
      '0 bytes',
      '1 byte',
      '1023 bytes',
      '1.50 KiB',
      '1.00 GiB',
      '1.50 TiB',
    ])
    expect([5e5, 2.5e8, 1.1e9, 12e9].map(formatRate)).toEqual([
      '0.5 MB/s',
      '250 MB/s',
      '1.10 GB/s',
      '12.0 GB/s',
    ])
  })

  it('shortens durations and counts', () => {
    expect([0.123, 12.3, 185, 7800].map(formatSeconds)).toEqual([
      '0.12 s',
      '12.3 s',
      '3 min 05 s',
      '2 h 10 min',
    ])
    expect(plural(1, 'match', 'matches')).toBe('1 match')
    expect(plural(12345, 'match', 'matches')).toBe('12,345 matches')
  })
})
