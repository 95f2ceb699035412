/** Suite 8: the worker's path through page tables, numbers only, over generated 4-level tables. */

import { CachedWalker } from '../../src/paging/cached-walker.js'
import { collectExtents } from '../../src/paging/collect-extents.js'
import { ExtentColumns } from '../../src/paging/extent-columns.js'
import type { PagingMode } from '../../src/paging/mode.js'
import { pagingMode } from '../../src/paging/modes.js'
import { TableCache } from '../../src/paging/table-cache.js'
import { Tlb } from '../../src/paging/tlb.js'
import { Walker } from '../../src/paging/walker.js'
import { PageTables } from '../../test/images/page-tables.js'
import { SparseMemory } from '../../test/images/page-tables-memory.js'
import { alternate } from '../measure.js'
import { seeded } from '../random.js'
import { type Measure, ratioOf } from '../report.js'
import type { Bench } from '../suite.js'

const SUITE = 'translate: one thread, million addresses/s; LibVMI as measured on a machine of this kind'
const PAGE = 4096
const GIB = 2 ** 30
const SMALL_PAGES = GIB / PAGE
const LARGE_PAGES = 512
const LARGE = 2 ** 21
/** Addresses that LibVMI's cache was measured with. */
const HOT = 128
const HOT_ROUNDS = 80_000

/** A GiB in small pages, scattered over physical memory, and another one in large pages. */
class Space {
  readonly mode: PagingMode = pagingMode('x86_64')
  readonly memory = new SparseMemory([{ gpa: 0, length: 4 * GIB }])
  readonly root: number
  /** Page numbers of the small pages, in no order. */
  readonly shuffled = new Float64Array(SMALL_PAGES)
  /** Where each of them lies. */
  readonly targets = new Float64Array(SMALL_PAGES)

  constructor() {
    const tables = new PageTables(this.mode, this.memory, 3 * GIB)
    const base = 0x7f00_0000_0000n
    const frames = shuffle(SMALL_PAGES, 1)
    for (let i = 0; i < SMALL_PAGES; i++) tables.map(base + BigInt(i * PAGE), frames[i]! * PAGE)
    for (let i = 0; i < LARGE_PAGES; i++)
      tables.map(base + BigInt(GIB + i * LARGE), GIB + ((i * 7) % LARGE_PAGES) * LARGE, {}, 2)
    const order = shuffle(SMALL_PAGES, 2)
    for (let i = 0; i < SMALL_PAGES; i++) {
      this.shuffled[i] = Number(base / 4096n) + order[i]!
      this.targets[i] = frames[order[i]!]! * PAGE
    }
    this.root = tables.root
  }

  walker(): Walker {
    const walker = new Walker(new TableCache(this.memory), this.mode)
    walker.use(this.root)
    return walker
  }
}

export async function translate(bench: Bench): Promise<void> {
  const space = new Space()
  const hot = space.shuffled.slice(0, HOT)
  const hotTargets = sum(space.targets.slice(0, HOT)) * HOT_ROUNDS
  const all = sum(space.targets)

  const cached = new CachedWalker(space.walker(), new Tlb(space.mode))
  cached.use(space.root)
  const wide = new CachedWalker(space.walker(), new Tlb(space.mode))
  wide.use(space.root)
  const walker = space.walker()
  const cold = space.walker()
  const columns = new ExtentColumns()
  const [hits, walks, colds, wides, lists] = await alternate(
    [
      { name: 'cached', run: () => check(findAll(cached, hot, HOT_ROUNDS), hotTargets) },
      { name: 'hot', run: () => check(walkAll(walker, hot, HOT_ROUNDS), hotTargets) },
      {
        name: 'cold',
        run: () => {
          cold.tables.clear()
          check(walkAll(cold, space.shuffled, 1), all)
        },
      },
      {
        name: 'wide',
        run: () => {
          wide.flush()
          check(findAll(wide, space.shuffled, 1), all)
        },
      },
      {
        name: 'list',
        run: () => {
          cold.tables.clear()
          columns.clear()
          collectExtents(cold, -(2 ** 35), 2 ** 35, columns)
          check(sum(columns.pages.subarray(0, columns.size)), SMALL_PAGES + LARGE_PAGES * (LARGE / PAGE))
        },
      },
    ],
    bench.rounds,
  )
  const rates = (name: string, count: number, seconds: readonly number[]): Measure => ({
    name,
    unit: 'M/s',
    values: seconds.map(value => count / value / 1e6),
  })
  const line = (name: string, ours: Measure, libvmi: number, goal: number): void =>
    bench.report.add({
      suite: SUITE,
      name,
      measures: [ours, { name: 'LibVMI', unit: 'M/s', values: [libvmi] }],
      ratio: ratioOf(ours, { ...ours, values: [libvmi] }),
      goal: { text: `≥ ${goal} M/s`, met: ratioOf(ours, { ...ours, values: [goal] }) >= 1 },
    })
  line('cached, 128 addresses', rates('vmsift', HOT * HOT_ROUNDS, hits!.seconds), 21.1, 50)
  line('walk, 128 addresses', rates('vmsift', HOT * HOT_ROUNDS, walks!.seconds), 10.3, 20)
  line('walk, 1 GiB of targets, cold', rates('vmsift', SMALL_PAGES, colds!.seconds), 2.4, 5)
  line('cached, 1 GiB, cold', rates('vmsift', SMALL_PAGES, wides!.seconds), 0.47, 5)
  const ours: Measure = { name: 'vmsift', unit: 'ms', values: lists!.seconds.map(value => value * 1000) }
  const theirs: Measure = { name: 'LibVMI', unit: 'ms', values: [10.4] }
  bench.report.add({
    suite: SUITE,
    name: 'list 262 656 mapped pages',
    measures: [ours, theirs],
    ratio: ratioOf(ours, theirs),
    goal: { text: '< 10 ms', met: ratioOf(ours, { ...ours, values: [10] }) < 1 },
  })
}

function walkAll(walker: Walker, vpns: Float64Array, rounds: number): number {
  let total = 0
  for (let round = 0; round < rounds; round++)
    for (let i = 0; i < vpns.length; i++) {
      walker.walk(vpns[i]!)
      total += walker.gpa
    }
  return total
}

function findAll(walker: CachedWalker, vpns: Float64Array, rounds: number): number {
  let total = 0
  for (let round = 0; round < rounds; round++)
    for (let i = 0; i < vpns.length; i++) {
      walker.find(vpns[i]!)
      total += walker.gpa
    }
  return total
}

function check(found: number, expected: number): void {
  if (found !== expected) throw new Error(`addresses add up to ${found}, not to ${expected}`)
}

function sum(values: Float64Array): number {
  let total = 0
  for (const value of values) total += value
  return total
}

/** Numbers below `count` in an order that `seed` decides. */
function shuffle(count: number, seed: number): Uint32Array {
  const random = seeded(seed)
  const order = Uint32Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const other = random.below(i + 1)
    const kept = order[i]!
    order[i] = order[other]!
    order[other] = kept
  }
  return order
}
