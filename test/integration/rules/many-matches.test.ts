/** Matches of rules are told many at a time: what must not be seen of that. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { lastValueFrom, take, toArray } from 'rxjs'
import { afterAll, describe, expect, it } from 'vitest'
import { ScanSession } from '../../../src/coordinator/session.js'
import { openTarget } from '../../../src/coordinator/target.js'
import { TOLD_TOGETHER } from '../../../src/coordinator/together.js'
import { type MatchEvent, type ScanEvent, scan, scanIterable } from '../../../src/index.js'
import { MAX_DATA_BYTES } from '../../../src/scan/events.js'
import { writeLime } from '../../images/lime.js'

const folder = mkdtempSync(join(tmpdir(), 'vmsift-many-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const RUN_BYTES = 2 << 20
const CUT_BYTES = 1000
const GPAS = [0x1000, 0x1000 + RUN_BYTES + 0x1000, 0x1000_0000]
const NEEDLES = ['needle', `<${'long'.repeat(30)}>`]
const patterns = [
  {
    kind: 'yara' as const,
    source: 'rule many { strings: $a = "needle" $b = /<[long]{100,200}>/ condition: any of them }',
  },
]

/** Needles at all distances, densely and far apart, and at both ends. */
function someMemory(seed: number): Buffer {
  const bytes = Buffer.alloc(RUN_BYTES, '.')
  let state = seed
  const random = (below: number): number => {
    state = (state * 1103515245 + 12345) % 2 ** 31
    return (state >>> 8) % below
  }
  for (let at = 0; at < RUN_BYTES - 200; at += 1 + random([8, 100, 3000, 20_000][random(4)] as number))
    at += bytes.write(NEEDLES[random(20) === 0 ? 1 : 0] as string, at)
  bytes.write('needle', RUN_BYTES - 6)
  return bytes
}

const MEMORY = GPAS.map((gpa, i) => ({ gpa, bytes: someMemory(i + 1) }))
const image = join(folder, 'image.lime')
const whole = writeLime(MEMORY)
// the end of the last run is missing
writeFileSync(image, whole.subarray(0, whole.length - CUT_BYTES))

/** Short, so that a difference can be shown. */
const digest = (bytes: Uint8Array): string =>
  `${bytes.length} ${createHash('sha1').update(bytes).digest('hex')}`

/** What is to be told, in order, found by hand. */
function expected(contextBytes = 0): object[] {
  return NEEDLES.flatMap((needle, i) =>
    MEMORY.flatMap(({ gpa, bytes }, run) => {
      const here = run === MEMORY.length - 1 ? bytes.subarray(0, -CUT_BYTES) : bytes
      const found: object[] = []
      for (let at = here.indexOf(needle); at >= 0; at = here.indexOf(needle, at + 1)) {
        const data = here.subarray(at, at + Math.min(needle.length, MAX_DATA_BYTES))
        const end = at + needle.length
        const context = Buffer.concat([
          here.subarray(Math.max(0, at - contextBytes), at),
          data,
          here.subarray(end, end + contextBytes),
        ])
        const own = { pattern: i === 0 ? '$a' : '$b', gpa: gpa + at, length: needle.length }
        found.push({
          ...own,
          data: data.toString('latin1'),
          ...(contextBytes > 0 && { context: digest(context) }),
        })
      }
      return found
    }),
  )
}

const isShort = (match: object): boolean => 'pattern' in match && match.pattern === '$a'

const told = (events: readonly ScanEvent[]): object[] =>
  events
    .filter((event): event is MatchEvent => event.type === 'match')
    .map(({ pattern, gpa, length, data, context }) => ({
      pattern,
      gpa,
      length,
      data: Buffer.from(data).toString('latin1'),
      ...(context && { context: digest(context) }),
    }))

async function eventsOf(request: Partial<Parameters<typeof scanIterable>[1]>): Promise<ScanEvent[]> {
  using target = await openTarget(image)
  const events: ScanEvent[] = []
  for await (const event of scanIterable(target, { patterns, jobs: 2, ...request })) events.push(event)
  return events
}

describe('more matches than are told together', () => {
  const ALL = expected()

  it('are told once each, in order, with their bytes, as they stand in memory with holes and a missing end', async () => {
    expect(ALL.length).toBeGreaterThan(4 * TOLD_TOGETHER)
    expect(told(await eventsOf({}))).toEqual(ALL)
  })

  it.each([1, 100, 5000])('have what stands around them: %i bytes', async contextBytes => {
    expect(told(await eventsOf({ contextBytes }))).toEqual(expected(contextBytes))
  })

  it('are sorted by address where that is asked for', async () => {
    const sorted = [...ALL].sort(
      (a, b) => (a as MatchEvent & { gpa: number }).gpa - (b as { gpa: number }).gpa,
    )
    expect(told(await eventsOf({ sort: true }))).toEqual(sorted)
  })

  it.each([
    1,
    TOLD_TOGETHER - 1,
    TOLD_TOGETHER,
    TOLD_TOGETHER + 1,
    ALL.length - 1,
    ALL.length,
    ALL.length + 1,
  ])('end at a limit of %i', async limit => {
    for (const sort of [false, true]) {
      const events = await eventsOf({ limit, sort })
      const matches = Math.min(limit, ALL.length)
      expect(told(events)).toHaveLength(matches)
      expect(events.at(-1)).toMatchObject({ type: 'summary', matches, complete: limit >= ALL.length })
    }
  })
})

describe('a consumer of many matches', () => {
  it('may leave among those that are told together', async () => {
    using target = await openTarget(image)
    const wanted = TOLD_TOGETHER + 7
    const seen: ScanEvent[] = []
    for await (const event of scanIterable(target, { patterns })) if (seen.push(event) === wanted) break
    expect(seen).toHaveLength(wanted)
    const taken = await lastValueFrom(scan(target, { patterns }).pipe(take(wanted), toArray()))
    expect(told(taken)).toEqual(told(seen))
  })

  it('is heard when it cancels among them: what was found is told', async () => {
    const controller = new AbortController()
    using target = await openTarget(image)
    const events: ScanEvent[] = []
    for await (const event of scanIterable(target, { patterns, signal: controller.signal }))
      if (events.push(event) === TOLD_TOGETHER + 7) controller.abort()
    expect(told(events)).toEqual(expected())
    expect(events.at(-1)).toMatchObject({ type: 'summary', complete: false })
  })

  it.each([false, true])(
    'that has not read all that was found before is told all of it first, sorted: %s',
    async sort => {
      const controller = new AbortController()
      using target = await openTarget(image)
      const both = [...patterns, { kind: 'text' as const, text: 'needle' }]
      const request = { patterns: both, signal: controller.signal, sort, jobs: 2 }
      const events: ScanEvent[] = []
      for await (const event of scanIterable(target, request)) {
        if (events.push(event) === 1) await sleep(200)
        if (!sort && events.length === 1) controller.abort()
      }
      const matches = told(events)
      expect(events.at(-1)).toMatchObject({ type: 'summary', matches: matches.length, complete: sort })
      if (sort) expect(matches).toHaveLength(expected().length + expected().filter(isShort).length)
    },
  )

  it('gets no more before it has taken what it has', async () => {
    using target = await openTarget(image)
    const pieces: { readonly matches: number; readonly taken: () => void }[] = []
    const session = new ScanSession(target, { patterns }, (events, taken) => {
      const matches = [...events].filter(({ type }) => type === 'match').length
      if (matches === 0) taken()
      else pieces.push({ matches, taken })
    })
    const run = session.run()
    let [most, all] = [0, 0]
    for (let ended = false; !ended; ) {
      ended = await Promise.race([run.then(() => true), sleep(20, false)])
      expect(pieces.length).toBeLessThanOrEqual(1)
      const piece = pieces.pop()
      most = Math.max(most, piece?.matches ?? 0)
      all += piece?.matches ?? 0
      piece?.taken()
    }
    expect(most).toBeLessThanOrEqual(TOLD_TOGETHER)
    expect(all).toBe(expected().length)
  })

  it('lets other things happen while much is told', async () => {
    const many = join(folder, 'many.raw')
    writeFileSync(many, Buffer.alloc(3_000_000, 'abcdef'))
    using target = await openTarget(many, { format: 'raw' })
    const source = 'rule r { strings: $a = "ab" condition: $a }'
    let matches = 0
    const subscription = scan(target, { patterns: [{ kind: 'yara', source }] }).subscribe(event => {
      if (event.type === 'match' && matches++ === 0) setTimeout(() => subscription.unsubscribe())
    })
    await new Promise<void>(resolve => subscription.add(resolve))
    expect(matches).toBeLessThan(500_000)
  })
})
