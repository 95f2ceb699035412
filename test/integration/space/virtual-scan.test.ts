/** Virtual spaces through the whole engine: real page tables in a file, real threads. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { FoundSpaces } from '../../../src/coordinator/guest-spaces.js'
import type { ScanRequest } from '../../../src/coordinator/request.js'
import { pagingMode } from '../../../src/paging/modes.js'
import { scanFile } from '../../helpers/scan-events.js'
import { PageTables } from '../../images/page-tables.js'
import { SparseMemory } from '../../images/page-tables-memory.js'

const PAGE = 4096
const FRAMES = 1024
const folder = mkdtempSync(join(tmpdir(), 'vmsift-spaces-'))
afterAll(() => rmSync(folder, { recursive: true }))

interface Layout {
  /** Text at a physical address. */
  readonly texts?: readonly (readonly [gpa: number, text: string])[]
  /** By process: pages as [virtual page, frame]. */
  readonly processes: readonly (readonly (readonly [number, number])[])[]
  readonly kernel?: readonly (readonly [bigint, number])[]
  readonly areas?: readonly (readonly number[] | undefined)[]
  /** Bytes of the file, when it is cut short. */
  readonly cut?: number
}

/** A raw image with page tables from frame 512 on. */
function imageOf(name: string, layout: Layout): { path: string; spaces: FoundSpaces } {
  const mode = pagingMode('x86_64')
  const memory = new SparseMemory([{ gpa: 0, length: FRAMES * PAGE }])
  for (const [gpa, text] of layout.texts ?? []) memory.write(gpa, Buffer.from(text))
  let next = 512 * PAGE
  const tablesOf = (): PageTables => {
    const tables = new PageTables(mode, memory, next)
    return tables
  }
  const processes = layout.processes.map((pages, index) => {
    const tables = tablesOf()
    for (const [vpn, frame] of pages) tables.map(BigInt(vpn) * 4096n, frame * PAGE, { user: true })
    next = tables.end
    const areas = layout.areas?.[index]
    return {
      pid: index + 1,
      name: `p${index + 1}`,
      dtb: tables.root,
      ...(areas && { areas: Float64Array.from(areas) }),
    }
  })
  const kernel = tablesOf()
  for (let frame = 0; frame < FRAMES; frame++)
    kernel.map(0xffff_8880_0000_0000n + BigInt(frame * PAGE), frame * PAGE)
  for (const [va, frame] of layout.kernel ?? []) kernel.map(va, frame * PAGE)
  const bytes = Buffer.alloc(FRAMES * PAGE)
  for (let frame = 0; frame < FRAMES; frame++)
    bytes.set(memory.window(frame * PAGE, PAGE).bytes, frame * PAGE)
  const path = join(folder, `${name}.img`)
  writeFileSync(path, bytes.subarray(0, layout.cut))
  return { path, spaces: { base: 0, spaces: { mode, kernelDtb: kernel.root, processes } } }
}

function request(spaces: FoundSpaces, more: Partial<ScanRequest> = {}): ScanRequest {
  return {
    patterns: [{ kind: 'text', text: 'needle' }],
    space: 'processes',
    ...more,
    tuning: { spaces, ...more.tuning },
  }
}

const TWO = imageOf('two', {
  texts: [
    [10 * PAGE + 100, 'needle'],
    [12 * PAGE - 3, 'nee'],
    [20 * PAGE, 'dle'],
    [30 * PAGE + PAGE - 3, 'needle'],
  ],
  processes: [
    [
      [100, 10],
      [101, 11],
      [102, 20],
      // contiguous in memory, but not here
      [200, 30],
      [201, 10],
      [202, 31],
    ],
    [
      [300, 11],
      [301, 20],
      [305, 10],
    ],
  ],
  areas: [
    [100, 103, 200, 204],
    [300, 310],
  ],
  kernel: [[0xffff_c900_0000_0000n, 10]],
})

function told({ pid, va, gpa }: { pid?: number; va?: bigint; gpa: number }): string {
  return `${pid} 0x${va?.toString(16)} 0x${gpa.toString(16)}`
}

describe('a scan of processes', () => {
  const everything = [
    '1 0x64064 0xa064',
    '1 0x65ffd 0xbffd',
    '1 0xc9064 0xa064',
    '2 0x12cffd 0xbffd',
    '2 0x131064 0xa064',
  ]

  it('tells every process and address of a match, with pages that are scattered or shared', async () => {
    const { matches, summary } = await scanFile(TWO.path, request(TWO.spaces, { sort: true }))
    expect(matches.map(told)).toEqual(everything)
    expect(summary).toMatchObject({ matches: 5, complete: true, spaces: { processes: 2, truncated: 0 } })
  })

  it('covers each frame once, and absent pages of mapped areas with pid and address', async () => {
    const { gaps, summary } = await scanFile(TWO.path, request(TWO.spaces))
    expect(gaps).toEqual([
      { type: 'gap', pid: 1, va: 203n * 4096n, length: PAGE, reason: 'not-present' },
      { type: 'gap', pid: 2, va: 302n * 4096n, length: 3 * PAGE, reason: 'not-present' },
      { type: 'gap', pid: 2, va: 306n * 4096n, length: 4 * PAGE, reason: 'not-present' },
    ])
    expect(summary).toMatchObject({
      bytesScanned: 5 * PAGE,
      bytesUnread: 8 * PAGE,
      bytesTotal: 13 * PAGE,
      bytesFailed: 0,
    })
  })

  it('is of one process when one is asked for', async () => {
    const { matches, gaps } = await scanFile(TWO.path, request(TWO.spaces, { space: { pid: 2 }, sort: true }))
    expect(matches.map(told)).toEqual(everything.slice(3))
    expect(gaps).toHaveLength(2)
  })

  it('gives the same when a thread dies in the midst of it', async () => {
    for (const kind of ['throw', 'exit'] as const) {
      const tuning = { fault: { kind, gpa: 11 * PAGE, attempts: 1 }, blockBytes: PAGE, spaces: TWO.spaces }
      const { matches, errors } = await scanFile(TWO.path, request(TWO.spaces, { sort: true, tuning }))
      expect(matches.map(told)).toEqual(everything)
      expect(errors).toEqual([])
    }
  })

  it('looks around joints also where a frame was given up', async () => {
    const tuning = {
      fault: { kind: 'throw', gpa: 11 * PAGE, attempts: 2 },
      blockBytes: PAGE,
      partitionBytes: PAGE,
      spaces: TWO.spaces,
    } as const
    const { matches, errors, summary } = await scanFile(TWO.path, request(TWO.spaces, { sort: true, tuning }))
    expect(matches.map(told)).toEqual(everything)
    expect(errors).toHaveLength(1)
    expect(summary.bytesScanned + summary.bytesUnread).toBe(summary.bytesTotal)
    expect(summary.bytesFailed).toBeGreaterThan(0)
  })

  it('stops at a limit', async () => {
    for (const sort of [false, true]) {
      const { matches, summary } = await scanFile(TWO.path, request(TWO.spaces, { sort, limit: 2 }))
      expect(matches).toHaveLength(2)
      expect(summary.complete).toBe(false)
    }
  })

  it('evaluates YARA rules in each process', async () => {
    const source = 'rule both { strings: $a = "needle" condition: #a > 1 }'
    const patterns = [{ kind: 'yara', source }] as const
    const { matches, events, summary } = await scanFile(TWO.path, request(TWO.spaces, { patterns }))
    expect(events.filter(event => event.type === 'rule').map(event => event.pid)).toEqual([1, 2])
    expect(matches.map(told).sort()).toEqual(everything)
    expect(summary.bytesTotal).toBe(13 * PAGE)
  })

  it('tells frames that the image lost once, and ends stretches there', async () => {
    const { path, spaces } = imageOf('lost', {
      texts: [[9 * PAGE - 6, 'needle']],
      processes: [
        [
          [50, 8],
          [51, 1000],
        ],
        [[60, 1000]],
      ],
    })
    const whole = await scanFile(
      path,
      request(spaces, { patterns: [{ kind: 'regex', source: 'needle\\z' }] }),
    )
    expect(whole.matches).toEqual([])
    // the same memory, of which the last frames are gone
    const cut = imageOf('cut', {
      texts: [[9 * PAGE - 6, 'needle']],
      processes: [[[50, 8]], [[50, 8]]],
      cut: 600 * PAGE,
    })
    const found = await scanFile(
      cut.path,
      request(cut.spaces, { patterns: [{ kind: 'regex', source: 'needle\\z' }] }),
    )
    expect(found.matches.map(({ pid }) => pid).sort()).toEqual([1, 2])
  })

  it('refuses a range, and spaces that are none', async () => {
    const range = { start: 0, end: PAGE }
    await expect(scanFile(TWO.path, request(TWO.spaces, { range }))).rejects.toThrow(/guest physical/)
    await expect(scanFile(TWO.path, request(TWO.spaces, { space: { pid: 0 } }))).rejects.toThrow(
      /space must be/,
    )
  })

  it('says that no system was recognised', async () => {
    const patterns = [{ kind: 'text', text: 'needle' }] as const
    await expect(scanFile(TWO.path, { patterns, space: 'processes' })).rejects.toThrow(/no operating system/)
  })
})

describe('a scan of the kernel', () => {
  it('tells each match once, outside the direct map where it can', async () => {
    const { matches, summary } = await scanFile(
      TWO.path,
      request(TWO.spaces, { space: 'kernel', sort: true }),
    )
    expect(matches.map(told)).toEqual(['0 0xffff88800001effd 0x1effd', '0 0xffffc90000000064 0xa064'])
    expect(summary.bytesTotal).toBe(FRAMES * PAGE)
  })

  it('tells a match of variable length once, also near the end of a mapping', async () => {
    const { path, spaces } = imageOf('kernel', {
      texts: [
        [41 * PAGE - 8, 'needle'],
        [51 * PAGE - 8, 'needle'],
        [51 * PAGE - 2, 'zzz'],
      ],
      processes: [],
      kernel: [
        [0xffff_c900_0000_0000n, 40],
        [0xffff_c900_0010_0000n, 50],
      ],
    })
    const patterns = [{ kind: 'regex', source: 'needle(?:zzz)?' }] as const
    const { matches } = await scanFile(path, request(spaces, { space: 'kernel', patterns, sort: true }))
    expect(matches.map(match => `${told(match)} ${match.length}`)).toEqual([
      // goes on in the direct map only
      '0 0xffff888000032ff8 0x32ff8 9',
      '0 0xffffc90000000ff8 0x28ff8 6',
      '0 0xffffc90000100ff8 0x32ff8 6',
    ])
  })
})

describe('YARA rules in the kernel', () => {
  it('match across frames of which one is told elsewhere', async () => {
    const { path, spaces } = imageOf('kernel-rules', {
      texts: [
        // into a frame that is told at its own address, and out of it
        [61 * PAGE - 3, 'needle'],
        [62 * PAGE - 3, 'needle'],
        [71 * PAGE - 3, 'needle'],
        [61 * PAGE + 50, 'needle'],
      ],
      processes: [],
      kernel: [
        [0xffff_c900_0000_0000n, 61],
        [0xffff_c900_0010_0000n, 70],
        [0xffff_c900_0010_1000n, 71],
      ],
    })
    const patterns = [
      { kind: 'yara', source: 'rule r { strings: $a = "needle" condition: #a == 4 }' },
    ] as const
    const { matches, events } = await scanFile(
      path,
      request(spaces, { space: 'kernel', patterns, sort: true }),
    )
    expect(events.filter(event => event.type === 'rule').map(event => event.pid)).toEqual([0])
    expect(matches.map(told)).toEqual([
      '0 0xffff88800003cffd 0x3cffd',
      '0 0xffff88800003dffd 0x3dffd',
      '0 0xffffc90000000032 0x3d032',
      '0 0xffffc90000100ffd 0x46ffd',
    ])
  })
})

describe('owners', () => {
  it('are told of matches in physical memory, also in a range', async () => {
    const range = { start: 10 * PAGE, end: 11 * PAGE }
    const asked = request(TWO.spaces, { space: 'physical', owners: true, range })
    const { matches } = await scanFile(TWO.path, asked)
    expect(matches).toHaveLength(1)
    expect(matches[0]?.owners).toEqual([
      { pid: 0, process: 'kernel', va: 0xffff_c900_0000_0064n },
      { pid: 1, process: 'p1', va: 0x64064n },
      { pid: 1, process: 'p1', va: 0xc9064n },
      { pid: 2, process: 'p2', va: 0x131064n },
    ])
  })
})

describe('hostile page tables', () => {
  it('that point at themselves or map all of memory over and over end the enumeration, and are told', async () => {
    const { path, spaces } = imageOf('hostile', { processes: [[[1, 1]]] })
    const mode = spaces.spaces.mode
    const memory = new SparseMemory([{ gpa: 0, length: FRAMES * PAGE }])
    const entry = Buffer.alloc(8)
    // every entry of the table at 8 points at the table itself: 2^36 pages, all of them frame 8
    entry.writeBigUInt64LE(BigInt(8 * PAGE) | 7n)
    for (let i = 0; i < 512; i++) memory.write(8 * PAGE + i * 8, entry)
    const bytes = Buffer.alloc(FRAMES * PAGE)
    bytes.set(memory.window(8 * PAGE, PAGE).bytes, 8 * PAGE)
    bytes.write('needle', 9 * PAGE)
    writeFileSync(path, bytes)
    const processes = [{ pid: 1, name: 'p', dtb: 8 * PAGE }]
    const hints: string[] = []
    const started = performance.now()
    const outcome = await scanFile(path, {
      ...request({ base: 0, spaces: { mode, processes } }),
      onHint: line => hints.push(line),
    })
    expect(outcome.summary.spaces?.truncated).toBe(1)
    expect(outcome.summary.complete).toBe(false)
    expect(hints.join()).toMatch(/more than is sensible/)
    expect(performance.now() - started).toBeLessThan(60_000)
  }, 90_000)
})
