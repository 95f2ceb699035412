import { describe, expect, it } from 'vitest'
import { parseAddress, parseCount, parseLength, parseRange } from '../../src/cli/numbers.js'

describe('numbers on the command line', () => {
  it.each([
    ['0', 0],
    ['4096', 4096],
    ['0x1f3000', 0x1f3000],
    ['0X1F', 31],
    ['4K', 4096],
    ['4k', 4096],
    ['4KiB', 4096],
    ['1M', 2 ** 20],
    ['2G', 2 ** 31],
    ['1T', 2 ** 40],
    ['0x10G', 16 * 2 ** 30],
    ['0x10000000000000', 2 ** 52],
  ])('reads %s as an address', (text, value) => {
    expect(parseAddress(text, 'the address')).toBe(value)
  })

  it.each(['', ' ', 'x', '-1', '1.5', '0x', '0xg', '1e3', '4Q', '1 2', '--4'])('refuses %j by name', text => {
    expect(() => parseAddress(text, 'the address')).toThrow(/^the address is not a number/)
  })

  it('refuses an address beyond 2^52', () => {
    expect(() => parseAddress('0x10000000000001', '--base')).toThrow(/^--base lies beyond 2\^52/)
    expect(() => parseAddress('99999999999999999999999999', '--base')).toThrow(/beyond/)
  })

  it('takes a length that no memory can hold as the largest one', () => {
    expect(parseLength('1152921504606846976', '--length')).toBe(2 ** 52)
  })

  it('refuses a length of 0', () => {
    expect(() => parseLength('0', '--length')).toThrow(/--length is 0/)
  })

  it('keeps counts between their bounds', () => {
    expect(parseCount('2', '--jobs', 1, 256)).toBe(2)
    expect(() => parseCount('0', '--jobs', 1, 256)).toThrow('--jobs must be between 1 and 256, not 0')
    expect(() => parseCount('257', '--jobs', 1, 256)).toThrow('--jobs must be between 1 and 256, not 257')
    expect(() => parseCount('0', '--limit', 1, Number.MAX_SAFE_INTEGER)).toThrow('at least 1')
  })

  it('reads ranges with an exclusive end', () => {
    expect(parseRange('0x1000-2M')).toEqual({ start: 0x1000, end: 2 ** 21 })
  })

  it.each(['1', '1-', '-1', '1-2-3', 'a-b', '5-5', '9-1'])('refuses the range %s', text => {
    expect(() => parseRange(text)).toThrow(/--range/)
  })
})
