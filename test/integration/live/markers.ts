/** Scans a running guest for its markers, and compares with what the guest says of them. */
import { lastValueFrom, toArray } from 'rxjs'
import { expect } from 'vitest'
import {
  openTarget,
  type ResidentMatchEvent,
  type ScanRequest,
  type SummaryEvent,
  scan,
} from '../../../src/index.js'
import type { LabGuest } from '../../lab/guest.js'
import type { Marker } from '../../lab/markers.js'

export interface FoundMarkers {
  readonly matches: readonly ResidentMatchEvent[]
  readonly summary: SummaryEvent
}

/** Markers that are one text at one place: a physical scan finds these. */
export function wholeMarkers(guest: LabGuest): Marker[] {
  return guest.truth.markers.filter(({ encoding, segments }) => encoding === 'utf8' && segments.length === 1)
}

export async function collectMarkers(
  target: string,
  guest: LabGuest,
  request: Partial<ScanRequest> = {},
): Promise<FoundMarkers> {
  using opened = await openTarget(target)
  const patterns = wholeMarkers(guest).map(({ text }) => ({ kind: 'text' as const, text }))
  const events = await lastValueFrom(
    scan(opened, { ...request, space: 'physical', patterns }).pipe(toArray()),
  )
  const matches = events.filter(event => event.type === 'match')
  return { matches, summary: events.at(-1) as SummaryEvent }
}

/** Every marker lies where the guest's own pagemap says. */
export function expectMarkers(guest: LabGuest, { matches }: FoundMarkers): void {
  const places = new Map<string, number[]>()
  for (const { rule, gpa } of matches) places.set(rule, [...(places.get(rule) ?? []), gpa])
  const markers = wholeMarkers(guest)
  expect(markers.length).toBeGreaterThan(20)
  for (const { text, segments } of markers) expect(places.get(text)).toContain(segments[0]?.gpa)
}
