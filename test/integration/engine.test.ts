import { createHash } from 'node:crypto'
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  openTarget,
  type ScanEvent,
  type ScanRequest,
  scan,
  scanIterable,
  VmsiftError,
} from '../../src/index.js'
import { outcomeOf, scanFile } from '../helpers/scan-events.js'

const folder = mkdtempSync(join(tmpdir(), 'vmsift-engine-'))
const MIB = 2 ** 20
const MARK = 'vmsift-marker'

/** What a descriptor of this process points to. */
function linkOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return undefined // closed meanwhile
  }
}

/** Noise without the marker, the same on each run. */
function noise(bytes: number): Buffer {
  const block = Buffer.concat(
    Array.from({ length: 2048 }, (_, at) => createHash('sha256').update(String(at)).digest()),
  )
  return Buffer.alloc(bytes, block)
}

function imageWith(name: string, bytes: number, marks: readonly number[]): string {
  const image = noise(bytes)
  for (const at of marks) image.write(MARK, at)
  const path = join(folder, name)
  writeFileSync(path, image)
  return path
}

const patterns = [{ kind: 'text', text: MARK }] as const
const small = { blockBytes: 64 * 1024, partitionBytes: MIB }
// around block joints (64 KiB), partition joints (1 MiB), page joints and both ends
const MARKS = [0, 4090, 65_530, 100_000, MIB - 7, 2 * MIB - 1, 3 * MIB, 5 * MIB + 17, 8 * MIB - MARK.length]
const path = imageWith('eight', 8 * MIB, MARKS)
const addresses = (matches: readonly { gpa: number }[]): number[] =>
  matches.map(match => match.gpa).sort((a, b) => a - b)

describe('scan', () => {
  for (const jobs of [1, 2, 3])
    it(`finds every marker once at every joint, with ${jobs} workers`, async () => {
      const { matches, summary, gaps } = await scanFile(path, { patterns, jobs, tuning: small })
      expect(addresses(matches)).toEqual(MARKS)
      expect(gaps).toEqual([])
      expect(summary).toMatchObject({
        bytesTotal: 8 * MIB,
        bytesScanned: 8 * MIB,
        bytesUnread: 0,
        matches: MARKS.length,
        complete: true,
      })
    })

  it('is cold: nothing runs before it is subscribed to, and each subscription is a scan of its own', async () => {
    using target = await openTarget(path)
    const stream = scan(target, { patterns })
    for (let turn = 0; turn < 2; turn++) {
      const events: ScanEvent[] = []
      await new Promise<void>((resolve, reject) => {
        stream.subscribe({ next: event => events.push(event), complete: resolve, error: reject })
      })
      expect(outcomeOf(events).matches.length).toBe(MARKS.length)
    }
  })

  it('keeps context and data of each match', async () => {
    const { matches } = await scanFile(path, { patterns, contextBytes: 5 })
    const match = matches.find(each => each.gpa === 100_000)
    expect(Buffer.from(match?.data ?? []).toString()).toBe(MARK)
    expect(match?.context?.length).toBe(MARK.length + 10)
    const first = matches.find(each => each.gpa === 0)
    expect(first?.context?.length).toBe(MARK.length + 5)
  })

  it('delivers in ascending order when asked to, across partitions and workers', async () => {
    const request: ScanRequest = {
      patterns: [...patterns, { kind: 'bytes', hex: '00 ?0' }],
      jobs: 3,
      sort: true,
    }
    const { matches } = await scanFile(path, { ...request, tuning: small })
    expect(matches.map(match => match.gpa)).toEqual(addresses(matches))
    expect(matches.length).toBeGreaterThan(1000)
  })

  it('scans only the range asked for, and matches lie wholly inside', async () => {
    const range = { start: 4090 + 1, end: 2 * MIB - 1 + MARK.length - 1 }
    const { matches, summary } = await scanFile(path, { patterns, range, tuning: small })
    expect(addresses(matches)).toEqual([65_530, 100_000, MIB - 7])
    expect(summary.bytesTotal).toBe(range.end - range.start)
  })

  it('stops at the limit and says that it is not complete', async () => {
    const { matches, summary } = await scanFile(path, { patterns, limit: 3, tuning: small })
    expect(matches.length).toBe(3)
    expect(summary).toMatchObject({ matches: 3, complete: false })
  })

  it('ends with a summary when the signal is given, before and during the scan', async () => {
    const before = await scanFile(path, { patterns, signal: AbortSignal.abort(), tuning: small })
    expect(before.summary.complete).toBe(false)
    const abort = new AbortController()
    using target = await openTarget(path)
    const events: ScanEvent[] = []
    await new Promise<void>((resolve, reject) => {
      scan(target, {
        patterns: [{ kind: 'bytes', hex: '??' }],
        signal: abort.signal,
        tuning: small,
      }).subscribe({
        next(event) {
          events.push(event)
          if (events.length === 20_000) abort.abort()
        },
        complete: resolve,
        error: reject,
      })
    })
    const { summary, matches } = outcomeOf(events)
    expect(summary.complete).toBe(false)
    expect(summary.matches).toBe(matches.length)
    expect(summary.bytesScanned).toBeLessThan(8 * MIB)
  })

  it('refuses wrong numbers by name, as an error of the stream', async () => {
    for (const [request, code] of [
      [{ jobs: 0 }, 'bad-argument'],
      [{ limit: -1 }, 'bad-argument'],
      [{ range: { start: 5, end: 5 } }, 'bad-argument'],
      [{ range: { start: 2 ** 40, end: 2 ** 41 } }, 'out-of-range'],
      [{ patterns: [] }, 'bad-argument'],
    ] as const)
      await expect(scanFile(path, { patterns, ...request })).rejects.toMatchObject({
        name: 'VmsiftError',
        code,
      })
  })
})

describe('a worker that fails', () => {
  for (const kind of ['throw', 'exit'] as const) {
    it(`is replaced when it ${kind}s: no match is lost, none told twice`, async () => {
      const fault = { kind, gpa: MIB - 100, attempts: 1 }
      const request = { patterns: [...patterns, { kind: 'bytes', hex: '00 ??' } as const], jobs: 2 }
      const failed = await scanFile(path, { ...request, tuning: { ...small, fault } })
      const clean = await scanFile(path, { ...request, tuning: small })
      const key = (match: { rule: string; gpa: number }): string => `${match.rule} ${match.gpa}`
      expect(failed.matches.map(key).sort()).toEqual(clean.matches.map(key).sort())
      expect(failed.errors).toEqual([])
      expect(failed.summary).toMatchObject({ complete: true, bytesScanned: 8 * MIB, bytesUnread: 0 })
    })

    it(`costs only its partition when it ${kind}s again: the range is told, the rest is scanned`, async () => {
      const fault = { kind, gpa: MIB - 100, attempts: 9 }
      const { matches, errors, gaps, summary } = await scanFile(path, {
        patterns,
        jobs: 2,
        tuning: { ...small, fault },
      })
      expect(errors.length).toBe(1)
      expect(errors[0]?.error.message).toMatch(/^0x[0-9a-f]+-0x100000 was given up after 2 attempts/)
      expect(gaps).toEqual([
        { type: 'gap', gpa: errors[0]?.gpa, length: MIB - (errors[0]?.gpa ?? 0), reason: 'error' },
      ])
      const gapStart = gaps[0]?.gpa ?? 0
      expect(addresses(matches)).toEqual(MARKS.filter(at => at < gapStart || at >= MIB))
      expect(summary.bytesScanned + summary.bytesUnread).toBe(8 * MIB)
      expect(summary.bytesFailed).toBe(summary.bytesUnread)
    })
  }

  it('does not block a sorted scan', async () => {
    const fault = { kind: 'exit', gpa: 100, attempts: 1 } as const
    const request = { patterns: [{ kind: 'bytes', hex: '0?' } as const], jobs: 2, sort: true }
    const { matches } = await scanFile(path, { ...request, tuning: { ...small, fault } })
    expect(matches.map(match => match.gpa)).toEqual(addresses(matches))
    expect(new Set(matches.map(match => match.gpa)).size).toBe(matches.length)
  })
})

describe('a consumer', () => {
  it('that is slow holds the workers back, and loses nothing', async () => {
    using target = await openTarget(path)
    let seen = 0
    let most = 0
    for await (const event of scanIterable(target, {
      patterns: [{ kind: 'bytes', hex: '??' }],
      jobs: 2,
      tuning: small,
    })) {
      if (event.type !== 'match') continue
      seen++
      if (seen % 500_000 === 0) {
        await new Promise(resolve => setTimeout(resolve, 20))
        most = Math.max(most, process.memoryUsage().arrayBuffers)
      }
    }
    expect(seen).toBe(8 * MIB)
    expect(most).toBeLessThan(100 * MIB)
  })

  it('that leaves early ends the scan and its threads', async () => {
    using target = await openTarget(path)
    const held = (): number => readdirSync('/proc/self/fd').filter(fd => linkOf(fd) === path).length
    const before = held()
    for await (const event of scanIterable(target, { patterns, tuning: small }))
      if (event.type === 'match') break
    expect(held()).toBe(before)
  })

  it('that unsubscribes hears nothing more', async () => {
    using target = await openTarget(path)
    let after = 0
    await new Promise<void>(resolve => {
      let done = false
      const subscription = scan(target, {
        patterns: [{ kind: 'bytes', hex: '??' }],
        tuning: small,
      }).subscribe(() => {
        if (done) after++
        else {
          done = true
          queueMicrotask(() => subscription.unsubscribe())
          setTimeout(resolve, 300)
        }
      })
    })
    expect(after).toBeLessThanOrEqual(8192)
  })
})

describe('an image that changes while it is scanned', () => {
  const scanWhile = async (
    name: string,
    change: (path: string) => void,
  ): Promise<ReturnType<typeof outcomeOf>> => {
    const victim = imageWith(name, 8 * MIB, MARKS)
    using target = await openTarget(victim)
    const events: ScanEvent[] = []
    let changed = false
    for await (const event of scanIterable(target, {
      patterns: [...patterns, { kind: 'bytes', hex: '00' }],
      jobs: 2,
      tuning: small,
    })) {
      events.push(event)
      if (changed || event.type !== 'match') continue
      changed = true
      change(victim)
    }
    return outcomeOf(events)
  }

  it('and is truncated: what is gone is told as truncated, the rest is scanned', async () => {
    const { summary, gaps } = await scanWhile('truncated', victim => truncateSync(victim, 6 * MIB + 100))
    expect(gaps).toEqual([{ type: 'gap', gpa: 6 * MIB + 100, length: 2 * MIB - 100, reason: 'truncated' }])
    expect(summary).toMatchObject({ complete: true, bytesScanned: 6 * MIB + 100, bytesFailed: 2 * MIB - 100 })
  })

  it('and is replaced: the image that was opened is scanned to its end', async () => {
    const other = imageWith('other', MIB, [])
    const { summary, matches } = await scanWhile('replaced', victim => renameSync(other, victim))
    expect(addresses(matches.filter(match => match.rule === MARK))).toEqual(MARKS)
    expect(summary).toMatchObject({ complete: true, bytesScanned: 8 * MIB, bytesUnread: 0 })
  })

  it('by a process that keeps it open for writing: it is read by copying', async () => {
    const victim = imageWith('written', 8 * MIB, MARKS)
    const writer = openSync(victim, 'r+')
    const { matches, gaps } = await scanFile(victim, { patterns, tuning: small })
    closeSync(writer)
    expect(addresses(matches)).toEqual(MARKS)
    expect(gaps).toEqual([])
  })
})

describe('a sparse image of 1 TiB', () => {
  const TIB = 2 ** 40
  const sparse = join(folder, 'sparse')
  const fd = openSync(sparse, 'w')
  for (const at of [0, TIB / 2 - 5, TIB - MARK.length]) writeSync(fd, MARK, at)
  closeSync(fd)

  it('is scanned in seconds, its markers found at start, middle and end', async () => {
    const { matches, summary } = await scanFile(sparse, { patterns })
    expect(addresses(matches)).toEqual([0, TIB / 2 - 5, TIB - MARK.length])
    expect(summary).toMatchObject({ bytesTotal: TIB, bytesScanned: TIB, bytesUnread: 0, complete: true })
    expect(summary.seconds).toBeLessThan(30)
  })

  it('does not lose a pattern that matches zeros', async () => {
    const zeros = [{ kind: 'bytes', hex: '00 00 00 00' }] as const
    const range = { start: TIB - MIB, end: TIB }
    const { summary } = await scanFile(sparse, { patterns: zeros, range })
    expect(summary.matches).toBe(MIB - MARK.length - 3)
    const { matches } = await scanFile(sparse, { patterns: [{ kind: 'bytes', hex: '00 00 76 6d 73' }] })
    expect(addresses(matches)).toEqual([TIB / 2 - 7, TIB - MARK.length - 2])
  })
})

describe('openTarget', () => {
  it('may be closed while a scan runs: the scan goes on to its end; a new one is refused', async () => {
    const target = await openTarget(path)
    const ended = new Promise<ScanEvent[]>((resolve, reject) => {
      const events: ScanEvent[] = []
      scan(target, { patterns, tuning: small }).subscribe({
        next: event => events.push(event),
        complete: () => resolve(events),
        error: reject,
      })
    })
    target[Symbol.dispose]()
    expect(outcomeOf(await ended).matches.length).toBe(MARKS.length)
    await expect(scanIterable(target, { patterns })[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'bad-argument',
    })
  })

  it('says what is wrong with a target, and what to do', async () => {
    writeFileSync(join(folder, 'empty'), '')
    for (const [name, code] of [
      ['missing', 'target-not-found'],
      ['empty', 'target-empty'],
      ['.', 'target-unreadable'],
    ] as const)
      await expect(openTarget(join(folder, name))).rejects.toMatchObject({ code })
    expect(VmsiftError).toBeDefined()
  })
})
