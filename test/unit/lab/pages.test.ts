import { describe, expect, it } from 'vitest'
import { MATRIX, matrixGuest } from '../../lab/guests.js'
import { parseMarkers, placeMarkers } from '../../lab/markers.js'
import {
  PAGE_EXCLUSIVE,
  PAGE_PRESENT,
  PAGE_SHARED,
  PAGE_SWAPPED,
  readPages,
  writePages,
} from '../../lab/page-file.js'
import type { PageRun } from '../../lab/witness.js'

const RUNS: PageRun[] = [
  {
    pid: 7,
    page: 0x7ffff_ffff,
    count: 2,
    frame: 0x10_0000_0000,
    swapped: false,
    shared: true,
    exclusive: true,
  },
  { pid: 8, page: 3, count: 1, frame: 65, swapped: true, shared: false, exclusive: false },
]

describe("a lab guest's pages", () => {
  it('are written and read back, runs opened', () => {
    expect([...readPages(writePages(RUNS))]).toEqual([
      {
        pid: 7,
        flags: PAGE_PRESENT | PAGE_SHARED | PAGE_EXCLUSIVE,
        page: 0x7ffff_ffff,
        frame: 0x10_0000_0000,
      },
      {
        pid: 7,
        flags: PAGE_PRESENT | PAGE_SHARED | PAGE_EXCLUSIVE,
        page: 0x8_0000_0000,
        frame: 0x10_0000_0001,
      },
      { pid: 8, flags: PAGE_SWAPPED, page: 3, frame: 65 },
    ])
  })

  it('say where a marker lies now, whatever the guest said before', () => {
    const [marker] = parseMarkers('MARK heap 7 utf8 0x7fffffffff0:16:0x1000,0x80000000000:4:-', 1n)
    const runs = [
      { ...RUNS[0]!, page: 0x7fffffff, frame: 5, count: 1 },
      { ...RUNS[0]!, page: 0x80000000, frame: 9, count: 1 },
    ]
    const [placed] = placeMarkers(marker === undefined ? [] : [marker], runs, 4096)
    expect(placed?.parts.map(part => part.gpa)).toEqual([0x5ff0, 0x9000])
    expect(placed?.segments).toEqual([
      { gpa: 0x5ff0, length: 16 },
      { gpa: 0x9000, length: 4 },
    ])
  })

  it('of a long marker carry its text and the filler behind', () => {
    const [marker] = parseMarkers('MARK long 7 long 0x1000:60:-', 1n)
    expect(marker?.text).toMatch(/^vmsift-marker:long:[0-9a-f]{16};ahovcjqxelszgnubip/)
    expect(marker?.text).toHaveLength(60)
  })
})

describe('the matrix of guests', () => {
  it('has names that tell the guests apart, and says which there are', () => {
    expect(new Set(MATRIX.map(guest => guest.name)).size).toBe(MATRIX.length)
    expect(matrixGuest('i386-pae').kernel.architecture).toBe('i386')
    expect(() => matrixGuest('vax')).toThrow('no guest is named vax; there are: amd64-6.1 ')
  })
})
