import { closeSync, mkdtempSync, openSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openTarget, type ScanEvent, type ScanRequest, scan, scanIterable } from '../../src/index.js'
import { outcomeOf, scanFile } from '../helpers/scan-events.js'
import { writeLime } from '../images/lime.js'

const folder = mkdtempSync(join(tmpdir(), 'vmsift-regression-'))
const MIB = 2 ** 20
const every = [{ kind: 'bytes', hex: '??' }] as const

function file(name: string, bytes: Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}

const dense = file('dense', Buffer.alloc(3 * MIB, 'abcdefgh'))

describe('a sorted scan', () => {
  it('with more workers than two ends on dense matches: the head is never overtaken in the queue', async () => {
    using target = await openTarget(dense)
    const tuning = { blockBytes: 64 * 1024, partitionBytes: 256 * 1024 }
    let last = -1
    let seen = 0
    for await (const event of scanIterable(target, { patterns: every, jobs: 4, sort: true, tuning })) {
      if (event.type !== 'match') continue
      if (event.gpa! <= last) throw new Error(`out of order: ${event.gpa!} behind ${last}`)
      last = event.gpa!
      seen++
    }
    expect(seen).toBe(3 * MIB)
  })
})

describe('a slow consumer', () => {
  it('holds back small partitions too: unread batches belong to the slot, not to the partition', async () => {
    using target = await openTarget(dense)
    const tuning = { blockBytes: 16 * 1024, partitionBytes: 16 * 1024 }
    let seen = 0
    let ahead = 0
    for await (const event of scanIterable(target, {
      patterns: every,
      jobs: 1,
      progressSeconds: 0.02,
      tuning,
    })) {
      if (event.type === 'progress') ahead = Math.max(ahead, event.bytesDone - seen)
      if (event.type !== 'match') continue
      seen++
      if (seen % 8192 === 0) await new Promise(resolve => setTimeout(resolve, 5))
    }
    expect(seen).toBe(3 * MIB)
    expect(ahead).toBeLessThan(MIB)
  })
})

describe('zeros that are skipped', () => {
  it('do not lose an assertion at the start of memory', async () => {
    const sparse = join(folder, 'sparse')
    closeSync(openSync(sparse, 'w'))
    truncateSync(sparse, 4 * MIB)
    const fd = openSync(sparse, 'r+')
    writeSync(fd, 'end', 4 * MIB - 3)
    closeSync(fd)
    const patterns = [
      { kind: 'regex', source: '^\\x00\\x00' },
      { kind: 'regex', source: '\\A\\x00{4}' },
    ] as const
    const { matches } = await scanFile(sparse, { patterns })
    expect(matches.map(({ gpa, length }) => [gpa, length])).toEqual([
      [0, 2],
      [0, 4],
    ])
  })
})

describe('a partition that is given up', () => {
  it('may hold any number of runs', async () => {
    const runs = Array.from({ length: 150_000 }, (_, at) => ({ gpa: at * 64, bytes: Buffer.alloc(16) }))
    const path = file('many.lime', writeLime(runs))
    const tuning = { fault: { kind: 'throw', gpa: 0, attempts: 9 } } as const
    const { summary, errors } = await scanFile(path, { patterns: [{ kind: 'text', text: 'x' }], tuning })
    expect(errors.length).toBe(1)
    expect(summary).toMatchObject({ bytesTotal: 150_000 * 16, bytesUnread: 150_000 * 16 })
  })
})

describe('progress', () => {
  it('never goes backwards, not even when a partition is tried again', async () => {
    const tuning = { blockBytes: 64 * 1024, fault: { kind: 'throw', gpa: 2 * MIB, attempts: 1 } } as const
    const { events } = await scanFile(dense, { patterns: every, progressSeconds: 0.01, tuning })
    const done = events.flatMap(event => (event.type === 'progress' ? [event.bytesDone] : []))
    expect(done).toEqual([...done].sort((a, b) => a - b))
    expect(done.at(-1)).toBeLessThanOrEqual(3 * MIB)
  })
})

describe('wrong numbers from a library caller', () => {
  const wrong: [string, Partial<ScanRequest>][] = [
    ['a fractional block', { tuning: { blockBytes: 0.5 } }],
    ['no block', { tuning: { blockBytes: Number.NaN } }],
    ['an empty partition', { tuning: { partitionBytes: 0 } }],
    ['a fractional range', { range: { start: 0.5, end: 10 } }],
    ['progress without an interval', { progressSeconds: Number.NaN }],
    ['progress once in a lifetime', { progressSeconds: 1e9 }],
    ['patterns that are no list', { patterns: undefined as unknown as [] }],
  ]
  for (const [name, request] of wrong)
    it(`are refused: ${name}`, async () => {
      await expect(scanFile(dense, { patterns: every, ...request })).rejects.toMatchObject({
        code: 'bad-argument',
      })
    })
})

describe('threads that die at every attempt', () => {
  it('cost one partition, and the scan comes to its end', async () => {
    using target = await openTarget(dense)
    const tuning = { blockBytes: 64 * 1024, fault: { kind: 'exit', gpa: 0, attempts: 9 } } as const
    const events: ScanEvent[] = []
    await new Promise<void>((resolve, reject) => {
      scan(target, { patterns: [{ kind: 'text', text: 'zz' }], jobs: 2, tuning }).subscribe({
        next: event => events.push(event),
        complete: resolve,
        error: reject,
      })
    })
    expect(outcomeOf(events).errors.length).toBe(1)
  })
})
