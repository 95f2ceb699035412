/** Scans of processes and owners of matches, against where the guest planted its markers. */
import { lastValueFrom, toArray } from 'rxjs'
import { expect, it } from 'vitest'
import { scan } from '../../../src/coordinator/scan.js'
import { Swap } from '../../../src/os/linux/swap.js'
import type { MatchEvent, ScanEvent, SummaryEvent } from '../../../src/scan/events.js'
import type { PatternSpec } from '../../../src/scan/pattern-spec.js'
import type { SpaceChoice } from '../../../src/space/guest-spaces.js'
import { PAGE_SWAPPED } from '../../lab/page-file.js'
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
    const present = texts().filter(
      marker => marker.parts.every(part => part.gpa !== undefined) || isHeld(marker),
    )
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
    const inside = texts().filter(
      marker =>
        marker.pid === child?.pid && (marker.parts.every(part => part.gpa !== undefined) || isHeld(marker)),
    )
    expect(inside.length).toBeGreaterThan(5)
    const matches = matchesOf(await run(texts(), { pid: child?.pid ?? 0 }))
    expect(
      matches.map(({ rule, pid, va }) => `${rule.slice(0, 160)} ${pid} 0x${va?.toString(16)}`).sort(),
    ).toEqual(places(inside))
  })

  /** Area and slot of a marker's page, as pagemap has them: none where the kernel's types don't tell where they are. */
  function slotOf({ pid, parts }: Marker): { area: number; slot: number } {
    const { guest, pages } = dump()
    const page = Math.floor(Number(BigInt(parts[0]!.gva)) / 2 ** guest.kernel.paging.pageShift)
    for (const record of pages())
      if (record.pid === pid && record.page === page && (record.flags & PAGE_SWAPPED) !== 0)
        return { area: record.frame % 32, slot: Math.floor(record.frame / 32) }
    throw new Error(`page 0x${page.toString(16)} of ${pid} is not swapped out`)
  }

  /** Whether the marker's page is in zram, and the kernel's types are there to read it. */
  function isHeld({ name }: Marker): boolean {
    const { guest } = dump()
    if (name !== 'swapped-zram' || guest.kernel.types.sizeOf('swap_info_struct') === undefined) return false
    const swap = new Swap(guest.kernel, guest.memory)
    const area = swap.areas.find(one => one.path === '/dev/zram0')
    return area !== undefined && swap.pageAt({ area, offset: 1 }).missing !== 'no-types'
  }

  function swappedMarkers(): Marker[] {
    const swapped = texts().filter(marker => marker.name.startsWith('swapped-'))
    expect(swapped).toHaveLength(2)
    return swapped
  }

  function expectWhole(events: readonly ScanEvent[]): SummaryEvent {
    const summary = events.at(-1)
    if (summary?.type !== 'summary') throw new Error('the last event is no summary')
    expect(summary.bytesScanned + summary.bytesUnread).toBe(summary.bytesTotal)
    expect(summary.bytesFailed).toBe(0)
    return summary
  }

  it('finds what zram holds, in its process and at its address', async () => {
    const swapped = swappedMarkers()
    const held = swapped.filter(isHeld)
    if (held.length === 0) return
    for (const space of ['processes', { pid: held[0]!.pid }] as const) {
      const events = await run(swapped, space)
      const found = matchesOf(events).map(({ pid, va, gpa, swap }) => ({ pid, va, gpa, swap }))
      expect(found).toEqual(
        held.map(marker => ({
          pid: marker.pid,
          va: BigInt(marker.parts[0]!.gva),
          gpa: undefined,
          swap: { area: '/dev/zram0', slot: slotOf(marker).slot },
        })),
      )
      expect(expectWhole(events).spaces?.swappedBytes).toBeGreaterThan(0)
    }
  })

  it('tells what is swapped out and not to be had, with its area and slot', async () => {
    const swapped = swappedMarkers()
    const { guest } = dump()
    const named = guest.kernel.types.sizeOf('swap_info_struct') !== undefined
    const pageBytes = 2 ** guest.kernel.paging.pageShift
    for (const marker of swapped.filter(one => !isHeld(one))) {
      const va = BigInt(marker.parts[0]!.gva)
      for (const space of ['processes', { pid: marker.pid }] as const) {
        const events = await run(swapped, space)
        const gap = events.find(
          event =>
            event.type === 'gap' &&
            event.pid === marker.pid &&
            event.va <= va &&
            va < event.va + BigInt(event.length),
        )
        if (gap?.type !== 'gap' || gap.va === undefined) throw new Error(`${marker.name} is no gap`)
        expect(gap, marker.name).toMatchObject({ reason: 'swapped' })
        expectWhole(events)
        if (!named) continue
        const first = slotOf(marker).slot - Math.floor(Number(va - gap.va) / pageBytes)
        const area = marker.name === 'swapped-zram' ? '/dev/zram0' : '/dev/ram0'
        expect(gap.swap, marker.name).toEqual({ area, slot: first })
      }
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
