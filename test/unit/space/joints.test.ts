import { describe, expect, it } from 'vitest'
import type { PhysicalMemory } from '../../../src/core/memory.js'
import { compileScan } from '../../../src/patterns/compile.js'
import { ExtentCollector } from '../../../src/space/extents.js'
import { JointPlanner } from '../../../src/space/joint-plan.js'
import { mapSpaces, type SpaceMap } from '../../../src/space/virtual-plan.js'
import { type PlacedMatch, scanSpaces } from '../../helpers/spaces.js'

const PAGE = 4096
const CUT = { blockBytes: 65536, jointBytes: 1 << 20 }

/** Frames with text at their edges; frame 0 is left empty. */
function memoryOf(frames: readonly (readonly [start: string, end: string])[]): PhysicalMemory {
  const bytes = Buffer.alloc((frames.length + 1) * PAGE, 0x0a)
  for (const [index, [start, end]] of frames.entries()) {
    bytes.write(start, (index + 1) * PAGE, 'latin1')
    bytes.write(end, (index + 2) * PAGE - end.length, 'latin1')
  }
  return {
    runs: [{ gpa: 0, length: bytes.length }],
    spanAt: (_gpa, limit) => ({ kind: 'data', length: limit }),
    window: (gpa, length) => ({ bytes: bytes.subarray(gpa, gpa + length) }),
    [Symbol.dispose]: () => {},
  }
}

/** Spaces as lists of [page, frame]. */
function mapOf(
  memory: PhysicalMemory,
  spaces: readonly (readonly [number, number])[][],
  kernel?: readonly (readonly [number, number])[],
): SpaceMap {
  const extentsOf = (pages: readonly (readonly [number, number])[]) => {
    const collector = new ExtentCollector(memory.runs)
    for (const [vpn, frame] of pages) collector.add(vpn, frame * PAGE, PAGE)
    return collector.finish()
  }
  const tables = spaces.map((_, index) => ({
    dtb: index,
    owners: [{ pid: index + 1, process: `p${index + 1}` }],
  }))
  return mapSpaces(tables, { ...(kernel && { kernel: extentsOf(kernel) }), processes: spaces.map(extentsOf) })
}

function told(matches: readonly PlacedMatch[]): string[] {
  return matches.map(({ pid, va, length }) => `${pid} 0x${va.toString(16)} ${length}`).sort()
}

describe('joints of pages', () => {
  it('hold matches of each process, at its own address, and nothing that is contiguous in memory only', async () => {
    const memory = memoryOf([
      ['', 'nee'],
      ['dle', 'nee'],
      ['xxx', ''],
    ])
    const map = mapOf(memory, [
      [
        [16, 1],
        [17, 2],
        [18, 3],
      ],
      [
        [32, 2],
        [33, 1],
      ],
      [
        [48, 1],
        [50, 2],
      ],
      [
        [64, 2],
        [65, 2],
      ],
    ])
    const compiled = await compileScan([{ kind: 'text', text: 'needle' }])
    for (const keep of [false, true])
      expect(told(scanSpaces(memory, map, 'processes', compiled, { ...CUT, keep }))).toEqual([
        '1 0x10ffd 6',
        '4 0x40ffd 6',
      ])
    expect(told(scanSpaces(memory, map, { pid: 4 }, compiled, CUT))).toEqual(['4 0x40ffd 6'])
  })

  it('are not joined with each other: what ends one stretch does not go on in the next', async () => {
    // the last bytes of two stretches lie side by side when they are scanned
    const memory = memoryOf([
      ['', 'xxab'],
      ['', 'cdex'],
      ['', 'abcd'],
      ['', 'exxx'],
    ])
    const map = mapOf(memory, [
      [
        [16, 1],
        [18, 2],
        [20, 3],
        [22, 4],
      ],
    ])
    const compiled = await compileScan([
      { kind: 'text', text: 'abcde' },
      { kind: 'text', text: 'x' },
    ])
    const found = scanSpaces(memory, map, 'processes', compiled, CUT)
    expect(told(found.filter(({ pattern }) => pattern === 0))).toEqual([])
    expect(found.filter(({ pattern }) => pattern === 1)).toHaveLength(6)
  })

  it('are one region however many processes have them', () => {
    const planner = new JointPlanner({ behindBytes: 0, aheadBytes: 11, shortestBytes: 12 })
    const library = [5, 9, 7, 30, 2]
    for (let process = 0; process < 50; process++)
      planner.add(process, {
        vpn: Float64Array.from(library, (_, i) => 1000 * process + i),
        gpa: Float64Array.from(library, frame => frame * PAGE),
        length: Float64Array.from(library, () => PAGE),
      })
    const table = planner.finish()
    expect(table.flags).toHaveLength(4)
    expect(table.base[4]).toBe(4 * 22)
    expect(table.occurrenceSpace).toHaveLength(200)
  })

  it('cut long chains alike wherever they come up', () => {
    const planner = new JointPlanner({ behindBytes: 1, aheadBytes: 4097, shortestBytes: 3 })
    const library = Array.from({ length: 3000 }, (_, i) => 100 + ((i * 7919) % 3001) * 2)
    for (let process = 0; process < 20; process++) {
      // something of the process's own lies directly before the library
      const own = Array.from({ length: 1 + process }, (_, i) => 10_000 + process * 100 + i * 2)
      const frames = [...own, ...library]
      planner.add(process, {
        vpn: Float64Array.from(frames, (_, i) => 100_000 * process + i),
        gpa: Float64Array.from(frames, frame => frame * PAGE),
        length: Float64Array.from(frames, () => PAGE),
      })
    }
    const { base } = planner.finish()
    // 20 times the library would be 246 MB
    expect(base.at(-1)).toBeLessThan(1.8 * library.length * PAGE + 20 * 60 * PAGE)
  })
})

describe('the kernel', () => {
  it('is told of once: outside the direct map where it has such an address', async () => {
    const memory = memoryOf([
      ['', 'nee'],
      ['dle needle', ''],
      ['', 'needle'],
      ['nee', 'dle'],
      ['dle', 'x'],
    ])
    const direct = Array.from({ length: 6 }, (_, frame) => [-0x1000 + frame, frame] as const)
    // frame 3 is mapped elsewhere too, and 4 and 5 in another order
    const map = mapOf(memory, [], [...direct, [-0x100, 3], [-0x80, 5], [-0x7f, 4]])
    const compiled = await compileScan([{ kind: 'text', text: 'needle' }])
    for (const keep of [false, true])
      expect(told(scanSpaces(memory, map, 'kernel', compiled, { ...CUT, keep }))).toEqual(
        [
          // over the joint of frames 1 and 2, and inside 2: in the direct map only
          '0 0xffffffffff001ffd 6',
          '0 0xffffffffff002004 6',
          // at the end of frame 3
          '0 0xfffffffffff00ffa 6',
        ].sort(),
      )
  })
})
