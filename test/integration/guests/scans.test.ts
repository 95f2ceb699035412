/** Scans of processes and owners of matches, against where the guest planted its markers. */
import { lastValueFrom, toArray } from 'rxjs'
import { expect, it } from 'vitest'
import { scan } from '../../../src/coordinator/scan.js'
import type { MatchEvent, ScanEvent } from '../../../src/scan/events.js'
import type { PatternSpec } from '../../../src/scan/pattern-spec.js'
import type { SpaceChoice } from '../../../src/space/guest-spaces.js'
import { describeDump, type StoredTruth, useDump } from './dump.js'

type Marker = StoredTruth['markers'][number]

describeDump('virtual scans', () => {
  const dump = useDump()

  /** Markers with a text, all in one piece of virtual memory. */
  function texts(): Marker[] {
    return dump().truth.markers.filter(({ encoding, parts }) => {
      const joined = parts.every(
        (part, i) => i === 0 || BigInt(part.gva) === BigInt(parts[i - 1]!.gva) + BigInt(parts[i - 1]!.length),
      )
      return encoding !== 'counter' && joined
    })
  }

  function patternOf(marker: Marker): PatternSpec {
    const encoding = marker.encoding === 'utf16le' ? 'utf16le' : 'latin1'
    return { kind: 'bytes', hex: Buffer.from(marker.text, encoding).toString('hex') }
  }

  /** `hex pid va` of each place, sorted. */
  function places(markers: readonly Marker[]): string[] {
    return markers.map(marker => `${keyOf(marker)} ${marker.pid} ${marker.parts[0]?.gva}`).sort()
  }

  function keyOf(marker: Marker): string {
    const pattern = patternOf(marker)
    return pattern.kind === 'bytes' ? pattern.hex.slice(0, 160) : ''
  }

  async function run(markers: readonly Marker[], space: SpaceChoice, owners = false): Promise<ScanEvent[]> {
    const byKey = new Map(markers.map(marker => [keyOf(marker), patternOf(marker)]))
    const request = { patterns: [...byKey.values()], space, owners }
    const events = await lastValueFrom(scan(dump().target, request).pipe(toArray()))
    expect(events.filter(event => event.type === 'error')).toEqual([])
    return events
  }

  function matchesOf(events: readonly ScanEvent[]): MatchEvent[] {
    return events.filter(event => event.type === 'match')
  }

  it('finds every marker in every process that has it, at its address, also over scattered frames', async () => {
    const present = texts().filter(marker => marker.parts.every(part => part.gpa !== undefined))
    const matches = matchesOf(await run(texts(), 'processes'))
    expect(
      matches.map(({ rule, pid, va }) => `${rule.slice(0, 160)} ${pid} 0x${va?.toString(16)}`).sort(),
    ).toEqual(places(present))
    for (const { rule, pid, va, gpa } of matches) {
      const told = present.find(
        marker => marker.pid === pid && BigInt(marker.parts[0]!.gva) === va && rule.startsWith(keyOf(marker)),
      )
      expect(gpa, told?.name).toBe(told?.parts[0]?.gpa)
    }
  })

  it('finds in one process what stands there', async () => {
    const child = texts().filter(marker => marker.name === 'scatter-a-long')[1]
    const inside = texts().filter(marker => marker.pid === child?.pid)
    expect(inside.length).toBeGreaterThan(5)
    const matches = matchesOf(await run(texts(), { pid: child?.pid ?? 0 }))
    expect(
      matches.map(({ rule, pid, va }) => `${rule.slice(0, 160)} ${pid} 0x${va?.toString(16)}`).sort(),
    ).toEqual(places(inside))
  })

  it('tells what is swapped out', async () => {
    const swapped = texts().filter(marker => marker.name.startsWith('swapped-'))
    expect(swapped).toHaveLength(2)
    const events = await run(swapped, 'processes')
    for (const { name, pid, parts } of swapped) {
      const va = BigInt(parts[0]!.gva)
      const gap = events.find(
        event =>
          event.type === 'gap' && event.pid === pid && event.va <= va && va < event.va + BigInt(event.length),
      )
      expect(gap, name).toMatchObject({ reason: 'swapped' })
    }
  })

  it('names everybody who maps a physical match', async () => {
    const names = ['shared-two', 'shared-many', 'heap', 'file-shared']
    const markers = texts().filter(marker => names.includes(marker.name))
    const matches = matchesOf(await run(markers, 'physical', true))
    expect(matches).toHaveLength(names.length)
    const owned = matches.flatMap(({ rule, owners = [] }) =>
      owners
        .filter(owner => owner.pid !== 0)
        .map(owner => `${rule.slice(0, 160)} ${owner.pid} 0x${owner.va.toString(16)}`),
    )
    expect(owned.sort()).toEqual(places(markers))
  })
})
