import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { splitDirectMap } from '../../../src/space/direct-map.js'
import { ExtentCollector, type ExtentColumns } from '../../../src/space/extents.js'
import { FrameUnion } from '../../../src/space/frame-union.js'
import { orderByPage } from '../../../src/space/page-order.js'
import { OwnerFinder, virtualAddress } from '../../../src/space/placement.js'
import { buildReverseMap, ReverseMap } from '../../../src/space/reverse-map.js'
import { mapSpaces } from '../../../src/space/virtual-plan.js'

const PAGE = 4096

function columns(extents: readonly (readonly [number, number, number])[]): ExtentColumns {
  return {
    vpn: Float64Array.from(extents, ([vpn]) => vpn),
    gpa: Float64Array.from(extents, ([, frame]) => frame * PAGE),
    length: Float64Array.from(extents, ([, , pages]) => pages * PAGE),
  }
}

const extents = fc.array(fc.tuple(fc.nat(1000), fc.nat(60), fc.integer({ min: 1, max: 40 })), {
  maxLength: 40,
})

describe('the reverse map', () => {
  it('finds for every page all extents that map it, and no other', () => {
    fc.assert(
      fc.property(fc.array(extents, { minLength: 1, maxLength: 4 }), spaces => {
        const map = new ReverseMap(buildReverseMap(spaces.map(columns)))
        for (let frame = 0; frame < 105; frame++) {
          map.find(frame * PAGE + 17)
          const found = [...map.hits.subarray(0, map.count)].map(
            entry =>
              `${map.data.space[entry]} ${map.data.vpn[entry]} ${map.data.start[entry]} ${map.data.end[entry]}`,
          )
          const expected = spaces.flatMap((list, space) =>
            list
              .filter(([, first, pages]) => frame >= first && frame < first + pages)
              .map(([vpn, first, pages]) => `${space} ${vpn} ${first * PAGE} ${(first + pages) * PAGE}`),
          )
          expect(found.sort()).toEqual(expected.sort())
        }
      }),
      { numRuns: 60 },
    )
  })

  it('unites what spaces map, each byte once, and counts what lies below an address', () => {
    fc.assert(
      fc.property(fc.array(extents, { minLength: 1, maxLength: 3 }), fc.nat(2), (spaces, left) => {
        const selected = Uint8Array.from(spaces, (_, index) => (index === left ? 0 : 1))
        const union = FrameUnion.of(buildReverseMap(spaces.map(columns)), selected)
        const mapped = new Set<number>()
        for (const [index, list] of spaces.entries())
          if (index !== left)
            for (const [, first, pages] of list) for (let i = 0; i < pages; i++) mapped.add(first + i)
        expect(union.bytes).toBe(mapped.size * PAGE)
        for (let frame = 0; frame <= 110; frame += 7)
          expect(union.bytesBelow(frame * PAGE)).toBe([...mapped].filter(one => one < frame).length * PAGE)
        const parts = union.clip({ gpa: 5 * PAGE, length: 50 * PAGE })
        const inside = [...mapped].filter(frame => frame >= 5 && frame < 55).length
        expect(parts.reduce((sum, { length }) => sum + length, 0)).toBe(inside * PAGE)
      }),
      { numRuns: 60 },
    )
  })

  it('scans short gaps between mapped frames along, but none that is no memory', () => {
    const union = FrameUnion.of(
      buildReverseMap([
        columns([
          [0, 1, 1],
          [9, 4, 1],
          [20, 40, 2],
        ]),
      ]),
      Uint8Array.of(1),
    )
    expect(union.runs([{ gpa: 0, length: 100 * PAGE }])).toEqual([
      { gpa: PAGE, length: 4 * PAGE },
      { gpa: 40 * PAGE, length: 2 * PAGE },
    ])
    const holed = [
      { gpa: 0, length: 3 * PAGE },
      { gpa: 4 * PAGE, length: 96 * PAGE },
    ]
    expect(union.runs(holed)[0]).toEqual({ gpa: PAGE, length: PAGE })
  })
})

describe('owners', () => {
  it('are told by pid and address, the kernel first, and without its direct map', () => {
    const tables = [
      { dtb: 1, owners: [{ pid: 9, process: 'nine' }] },
      // two processes that share their memory
      {
        dtb: 2,
        owners: [
          { pid: 4, process: 'four' },
          { pid: 3, process: 'three' },
        ],
      },
    ]
    const kernel = columns([
      [-0x8000, 0, 64],
      [-0x100, 7, 1],
    ])
    const map = mapSpaces(tables, {
      kernel,
      processes: [
        columns([
          [5, 7, 2],
          [50, 7, 1],
        ]),
        columns([[80, 6, 3]]),
      ],
    })
    const owners = new OwnerFinder(map).ownersOf(7 * PAGE + 16)
    expect(owners).toEqual([
      { pid: 0, process: 'kernel', va: 0xffff_ffff_fff0_0010n },
      { pid: 3, process: 'three', va: 0x5_1010n },
      { pid: 4, process: 'four', va: 0x5_1010n },
      { pid: 9, process: 'nine', va: 0x5010n },
      { pid: 9, process: 'nine', va: 0x3_2010n },
    ])
  })

  it('have exact addresses in the highest pages and in five levels', () => {
    expect(virtualAddress(-1, 4095)).toBe(0xffff_ffff_ffff_ffffn)
    expect(virtualAddress(2 ** 44 - 1, 1)).toBe(0x00ff_ffff_ffff_f001n)
    expect(virtualAddress(-(2 ** 44), 3)).toBe(0xff00_0000_0000_0003n)
  })
})

describe('the direct map', () => {
  it('is the difference of addresses under which most memory is mapped', () => {
    const kernel = columns([
      [-900, 0, 10],
      [-880, 20, 30],
      [-500, 3, 25],
      [-100, 4, 20],
    ])
    const { direct, other } = splitDirectMap(kernel)
    expect([...direct.vpn]).toEqual([-900, -880])
    expect([...other.vpn]).toEqual([-500, -100])
  })
})

describe('extents', () => {
  it('join what is contiguous in both spaces, and leave out what is no memory', () => {
    const collector = new ExtentCollector([
      { gpa: 0, length: 10 * PAGE },
      { gpa: 12 * PAGE + 100, length: 3 * PAGE },
    ])
    collector.add(100, 4 * PAGE, PAGE)
    collector.add(101, 5 * PAGE, 2 * PAGE)
    collector.add(103, 9 * PAGE, 8 * PAGE)
    collector.add(111, 40 * PAGE, PAGE)
    const { vpn, gpa, length, truncated } = collector.finish()
    expect([...vpn]).toEqual([100, 103, 107])
    // a page of which only the end is memory is left out, one of which only the start is, is not
    expect([...gpa]).toEqual([4 * PAGE, 9 * PAGE, 13 * PAGE])
    expect([...length]).toEqual([3 * PAGE, PAGE, 2 * PAGE + 100])
    expect(truncated).toBe(false)
  })

  it('end at a bound, and say so', () => {
    const collector = new ExtentCollector([{ gpa: 0, length: 100 * PAGE }], 2)
    expect(collector.add(1, 10 * PAGE, PAGE)).toBe(true)
    expect(collector.add(2, 20 * PAGE, PAGE)).toBe(true)
    expect(collector.add(3, 30 * PAGE, PAGE)).toBe(false)
    expect(collector.finish().truncated).toBe(true)
  })
})

describe('sorting by page', () => {
  it('gives the order of a stable sort', () => {
    const address = fc.oneof(
      fc.nat(2 ** 20),
      fc.double({ min: 0, max: 2 ** 52, noNaN: true }).map(Math.floor),
    )
    fc.assert(
      fc.property(fc.array(address, { maxLength: 300 }), addresses => {
        const order = orderByPage(Float64Array.from(addresses), addresses.length)
        const expected = [...addresses.keys()].sort(
          (a, b) => Math.floor(addresses[a]! / PAGE) - Math.floor(addresses[b]! / PAGE) || a - b,
        )
        expect([...order]).toEqual(expected)
      }),
      { numRuns: 200 },
    )
  })
})
