/** Pages that were swapped out, through the whole engine: page tables in a file, with a swap area of which this test knows the pages. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { FoundSpaces } from '../../../src/coordinator/guest-spaces.js'
import type { ScanRequest } from '../../../src/coordinator/request.js'
import { absentDecoder } from '../../../src/paging/absent.js'
import { pagingMode } from '../../../src/paging/modes.js'
import type { SwapSource } from '../../../src/space/swap-source.js'
import { scanFile } from '../../helpers/scan-events.js'
import { PageTables } from '../../images/page-tables.js'
import { SparseMemory } from '../../images/page-tables-memory.js'

const PAGE = 4096
const FRAMES = 64
/** Above memory, at the first multiple of a GiB but one. */
const MADE_UP = 2 ** 31
const folder = mkdtempSync(join(tmpdir(), 'vmsift-swapped-'))
afterAll(() => rmSync(folder, { recursive: true }))

const AREAS = [
  { name: '/dev/zram0', inMemory: true },
  { name: '/dev/sda2', inMemory: false },
]

/** A swap entry of x86-64 Linux: the offset is inverted. */
function entryOf(type: number, slot: number): bigint {
  return (BigInt(type) << 59n) | ((~BigInt(slot) & 0x3_ffff_ffff_ffffn) << 9n)
}

/** Slots of the first area that have bytes, and how often each was asked for. */
function swapOf(pages: ReadonlyMap<number, Buffer>, asked: number[] = []): SwapSource {
  const decoder = absentDecoder('linux-x86-64')
  return {
    areas: AREAS,
    learn: () => {},
    place: entry => {
      const slot = decoder.slot(entry)
      return slot === undefined || slot.type >= AREAS.length
        ? undefined
        : { area: slot.type, slot: slot.offset }
    },
    page: ({ area, slot }) => {
      asked.push(slot)
      return area === 0 ? pages.get(slot) : undefined
    },
  }
}

type Page = readonly [vpn: number, frame: number] | readonly [vpn: number, type: number, slot: number]

function imageOf(
  name: string,
  texts: readonly (readonly [number, string])[],
  processes: readonly (readonly Page[])[],
): { path: string; spaces: FoundSpaces['spaces'] } {
  const mode = pagingMode('x86_64')
  const memory = new SparseMemory([{ gpa: 0, length: FRAMES * PAGE }])
  for (const [gpa, text] of texts) memory.write(gpa, Buffer.from(text))
  let next = 16 * PAGE
  const found = processes.map((pages, index) => {
    const tables = new PageTables(mode, memory, next)
    const areas: number[] = []
    for (const page of pages) {
      const va = BigInt(page[0]) * 4096n
      if (page.length === 2) tables.map(va, page[1] * PAGE, { user: true })
      else tables.write(tables.entryAddress(va, mode.indexBits.length - 1), entryOf(page[1], page[2]))
      areas.push(page[0], page[0] + 1)
    }
    next = tables.end
    return { pid: index + 1, name: `p${index + 1}`, dtb: tables.root, areas: Float64Array.from(areas) }
  })
  const bytes = Buffer.alloc(FRAMES * PAGE)
  for (let frame = 0; frame < FRAMES; frame++)
    bytes.set(memory.window(frame * PAGE, PAGE).bytes, frame * PAGE)
  const path = join(folder, `${name}.img`)
  writeFileSync(path, bytes)
  return { path, spaces: { mode, processes: found, absent: 'linux-x86-64' } }
}

function pageWith(...texts: readonly (readonly [number, string])[]): Buffer {
  const page = Buffer.alloc(PAGE)
  for (const [at, text] of texts) page.write(text, at)
  return page
}

// a frame, two pages in zram, a frame: a needle across each joint; the second process shares a slot
const PAGES = new Map([
  [7, pageWith([0, 'dle'], [100, 'needle'], [PAGE - 2, 'ne'])],
  [3, pageWith([0, 'edle'], [PAGE - 5, 'needl'])],
])
const IMAGE = imageOf(
  'joints',
  [
    [6 * PAGE - 3, 'nee'],
    [9 * PAGE, 'e'],
    [9 * PAGE + 50, 'needle'],
  ],
  [
    [
      [100, 5],
      [101, 0, 7],
      [102, 0, 3],
      [103, 9],
    ],
    [
      [200, 0, 7],
      [201, 1, 10],
      [202, 1, 11],
      [203, 1, 30],
      [204, 0, 99],
    ],
  ],
)

function request(swap: SwapSource, more: Partial<ScanRequest> = {}): ScanRequest {
  const { tuning, ...rest } = more
  return {
    patterns: [{ kind: 'text', text: 'needle' }],
    space: 'processes',
    sort: true,
    ...rest,
    tuning: { spaces: { base: 0, spaces: IMAGE.spaces, swap: () => swap }, ...tuning },
  }
}

const AT_ZRAM = { area: '/dev/zram0' }
const SWAPPED = [
  { pid: 1, va: 101n * 4096n + 100n, swap: { ...AT_ZRAM, slot: 7 } },
  { pid: 1, va: 102n * 4096n - 2n, swap: { ...AT_ZRAM, slot: 7 } },
  { pid: 1, va: 103n * 4096n - 5n, swap: { ...AT_ZRAM, slot: 3 } },
  { pid: 2, va: 200n * 4096n + 100n, swap: { ...AT_ZRAM, slot: 7 } },
]

describe('pages that memory holds compressed', () => {
  it('are scanned with their neighbours, in every process that has them', async () => {
    const asked: number[] = []
    const { matches, swapped, summary } = await scanFile(IMAGE.path, request(swapOf(PAGES, asked)))
    expect(matches.map(({ pid, va, gpa }) => ({ pid, va, gpa }))).toEqual([
      { pid: 1, va: 101n * 4096n - 3n, gpa: 6 * PAGE - 3 },
      { pid: 1, va: 103n * 4096n + 50n, gpa: 9 * PAGE + 50 },
    ])
    expect(swapped.map(({ pid, va, swap }) => ({ pid, va, swap }))).toEqual(SWAPPED)
    expect(swapped.every(match => match.gpa === undefined)).toBe(true)
    // a slot that two processes share is read once
    expect(asked.sort()).toEqual([3, 7, 99].sort())
    expect(summary).toMatchObject({
      bytesScanned: 4 * PAGE,
      bytesUnread: 4 * PAGE,
      bytesTotal: 8 * PAGE,
      bytesFailed: 0,
      spaces: { swappedBytes: 2 * PAGE },
    })
  })

  it('are scanned by YARA rules too', async () => {
    const source = 'rule five { strings: $a = "needle" condition: #a == 5 }'
    const { events, swapped } = await scanFile(
      IMAGE.path,
      request(swapOf(PAGES), { patterns: [{ kind: 'yara', source }] }),
    )
    expect(events.filter(event => event.type === 'rule').map(({ pid }) => pid)).toEqual([1])
    expect(swapped.map(({ va }) => va)).toEqual(SWAPPED.slice(0, 3).map(({ va }) => va))
  })

  it('have owners', async () => {
    const { swapped } = await scanFile(IMAGE.path, request(swapOf(PAGES), { owners: true }))
    expect(swapped[0]?.owners?.map(({ pid, va }) => [pid, va])).toEqual([
      [1, 101n * 4096n + 100n],
      [2, 200n * 4096n + 100n],
    ])
  })

  it('that could not be scanned are gaps of the processes, not of physical memory', async () => {
    const fault = { kind: 'throw', gpa: MADE_UP, attempts: 2 } as const
    const tuning = { fault, blockBytes: PAGE, partitionBytes: PAGE }
    const { gaps, errors, summary } = await scanFile(IMAGE.path, request(swapOf(PAGES), { tuning }))
    expect(errors).toHaveLength(1)
    expect(errors[0]?.error.message).toMatch(/held compressed/)
    const failed = gaps.filter(gap => gap.reason === 'error')
    expect(failed.map(({ gpa, pid, va }) => ({ gpa, pid, va }))).toEqual([
      { gpa: undefined, pid: 1, va: 101n * 4096n },
      { gpa: undefined, pid: 2, va: 200n * 4096n },
    ])
    expect(summary.bytesScanned + summary.bytesUnread).toBe(summary.bytesTotal)
    expect(summary.bytesFailed).toBeGreaterThan(0)
  })

  it('are the same when a thread dies in the midst of it', async () => {
    const fault = { kind: 'exit', gpa: MADE_UP + PAGE, attempts: 1 } as const
    const tuning = { fault, blockBytes: PAGE }
    const { swapped, errors } = await scanFile(IMAGE.path, request(swapOf(PAGES), { tuning }))
    expect(errors).toEqual([])
    expect(swapped.map(({ pid, va, swap }) => ({ pid, va, swap }))).toEqual(SWAPPED)
  })
})

describe('pages that are elsewhere', () => {
  it('are gaps that name area and slot, one for slots that follow each other', async () => {
    const { gaps } = await scanFile(IMAGE.path, request(swapOf(PAGES)))
    expect(gaps.map(({ pid, va, length, reason, swap }) => ({ pid, va, length, reason, swap }))).toEqual([
      {
        pid: 2,
        va: 201n * 4096n,
        length: 2 * PAGE,
        reason: 'swapped',
        swap: { area: '/dev/sda2', slot: 10 },
      },
      { pid: 2, va: 203n * 4096n, length: PAGE, reason: 'swapped', swap: { area: '/dev/sda2', slot: 30 } },
      { pid: 2, va: 204n * 4096n, length: PAGE, reason: 'swapped', swap: { area: '/dev/zram0', slot: 99 } },
    ])
  })

  it('are gaps without a slot where nothing tells the areas', async () => {
    const none: SwapSource = { ...swapOf(PAGES), place: () => undefined }
    const { gaps, summary } = await scanFile(IMAGE.path, request(none))
    expect(gaps).toEqual([
      { type: 'gap', pid: 1, va: 101n * 4096n, length: 2 * PAGE, reason: 'swapped' },
      { type: 'gap', pid: 2, va: 200n * 4096n, length: 5 * PAGE, reason: 'swapped' },
    ])
    expect(summary.bytesUnread).toBe(7 * PAGE)
  })
})

describe('more swap than is sensible', () => {
  it('is bounded by the memory there is, and what is left out is told', async () => {
    const slots = FRAMES * 8 + 20
    const pages: Page[] = Array.from({ length: slots }, (_, i) => [1000 + i, 0, i + 1] as const)
    const big = imageOf('big', [], [pages])
    const swap: SwapSource = { ...swapOf(new Map()), page: () => pageWith([10, 'needle']) }
    const hints: string[] = []
    const { swapped, gaps, summary } = await scanFile(big.path, {
      patterns: [{ kind: 'text', text: 'needle' }],
      space: 'processes',
      onHint: line => hints.push(line),
      tuning: { spaces: { base: 0, spaces: big.spaces, swap: () => swap } },
    })
    expect(swapped).toHaveLength(FRAMES * 8)
    expect(gaps).toMatchObject([
      { reason: 'swapped', length: 20 * PAGE, swap: { area: '/dev/zram0', slot: FRAMES * 8 + 1 } },
    ])
    expect(hints.join()).toMatch(/20 pages that memory may hold compressed/)
    expect(summary.bytesScanned + summary.bytesUnread).toBe(summary.bytesTotal)
  })
})
