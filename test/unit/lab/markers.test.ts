import { describe, expect, it } from 'vitest'
import { markerText, parseMarkers } from '../../lab/markers.js'

describe('markers of a lab guest', () => {
  it('make the same text from seed and name each time, and another for each name and seed', () => {
    const text = markerText(1n, 'heap')
    expect(text).toMatch(/^vmsift-marker:heap:[0-9a-f]{16};$/)
    expect(markerText(1n, 'heap')).toBe(text)
    expect(markerText(2n, 'heap')).not.toBe(text)
    expect(markerText(1n, 'stack').split(':')[2]).not.toBe(text.split(':')[2])
  })

  it('join parts that are physical neighbours into one segment', () => {
    const [marker] = parseMarkers('MARK joint-00 7 utf8 0x1ff8:8:0x2ffff8,0x9000:32:0x300000', 1n)
    expect(marker?.segments).toEqual([{ gpa: 0x2ffff8, length: 40 }])
    expect(marker?.length).toBe(40)
  })

  it('keep parts in far frames apart and parts without a frame out of the segments', () => {
    const [marker] = parseMarkers('MARK split 7 utf8 0x1ff8:8:0x5ff8,0x2000:9:0x9000,0x3000:4:-', 1n)
    expect(marker?.segments).toEqual([
      { gpa: 0x5ff8, length: 8 },
      { gpa: 0x9000, length: 9 },
    ])
    expect(marker?.parts[2]).toEqual({ gva: 0x3000n, length: 4 })
  })
})
