/** One real guest, dumped in every format: each says the same as the guest itself and as independent tools. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lastValueFrom, toArray } from 'rxjs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type GapEvent,
  openTarget,
  type PatternSpec,
  type ResidentMatchEvent,
  type ScanTuning,
  type SummaryEvent,
  scan,
  type Target,
} from '../../src/index.js'
import { labAvailable } from '../lab/available.js'
import { findProgram, runCommand } from '../lab/command.js'
import { ALL_DUMP_FORMATS, type DumpFormat, dumpFileName, EXCLUDING_FORMATS } from '../lab/dump.js'
import { bootLabGuest, type LabGuest } from '../lab/guest.js'
import type { Marker } from '../lab/markers.js'

const MEMORY_MB = 256
const MEMORY_BYTES = MEMORY_MB << 20
/** Strings every Linux guest holds, rare and frequent ones. */
const COMMON = ['Linux version', 'swapper/0', 'GPL', 'BOOT_IMAGE', 'vmsift-marker:', '/bin/busybox']

interface Found {
  readonly matches: readonly ResidentMatchEvent[]
  readonly gaps: readonly GapEvent[]
  readonly summary: SummaryEvent
}

const lab = await labAvailable()
const title = `a real guest's memory${lab.ok ? '' : ` (skipped: ${lab.reason})`}`

describe.skipIf(!lab.ok)(title, () => {
  let guest: LabGuest
  let dir: string
  let rawPath: string
  let available: readonly DumpFormat[]
  let rawFound: Found

  beforeAll(async () => {
    guest = await bootLabGuest({ memoryMb: MEMORY_MB })
    await guest.pause()
    available = await guest.formats()
    dir = await mkdtemp(join(tmpdir(), 'vmsift-formats-'))
    rawPath = join(dir, dumpFileName('raw'))
    await guest.dump('raw', rawPath)
    rawFound = await scanFile(rawPath, allPatterns(guest))
  })

  afterAll(async () => {
    await guest?.[Symbol.asyncDispose]()
    if (dir !== undefined) await rm(dir, { recursive: true, force: true })
  })

  it('carries markers at every kind of boundary', () => {
    const markers = textMarkers(guest)
    expect(markers.filter(m => crosses(m, 4096)).length).toBeGreaterThan(60)
    expect(markers.filter(m => crosses(m, 2 << 20)).length).toBeGreaterThan(5)
    expect(markers.filter(m => crosses(m, 4 << 20)).length).toBeGreaterThan(2)
    expect(markers.filter(m => crosses(m, 16 << 20)).length).toBeGreaterThan(0)
    expect(markers.find(m => m.name === 'split-frames')?.segments).toHaveLength(2)
  })

  for (const format of ALL_DUMP_FORMATS) {
    it(`finds every marker once, where the guest says it is: ${format}`, async ({ skip }) => {
      if (!available.includes(format)) skip(`this QEMU or makedumpfile can't write ${format}`)
      const path = join(dir, dumpFileName(format))
      if (format !== 'raw') await guest.dump(format, path)
      try {
        const found = await scanFile(path, allPatterns(guest))
        expectCoverage(found)
        if (EXCLUDING_FORMATS.has(format)) expectExcluded(guest, found, rawFound)
        else {
          expectMarkers(guest, found)
          expect(found.gaps).toEqual([])
          expect(places(found)).toEqual(places(rawFound))
        }
      } finally {
        if (format !== 'raw') await rm(path, { force: true })
      }
    })
  }

  for (const [blockBytes, partitionBytes] of [
    [2 << 20, 2 << 20],
    [1 << 20, 4 << 20],
    [64 << 10, 1 << 20],
    [4096, 1 << 20],
  ] as const) {
    it(`answers the same in blocks of ${blockBytes} and partitions of ${partitionBytes} bytes`, async () => {
      const found = await scanFile(rawPath, allPatterns(guest), { blockBytes, partitionBytes })
      expectMarkers(guest, found)
      expect(places(found)).toEqual(places(rawFound))
    })
  }

  it('finds the UTF-16 marker through its text', async () => {
    const marker = textMarkers(guest).find(m => m.encoding === 'utf16le')
    const found = await scanFile(rawPath, [{ kind: 'text', text: marker?.text ?? '', utf16: true }])
    expect(found.matches.map(m => ({ gpa: m.gpa, length: m.length }))).toEqual(marker?.segments)
  })

  for (const text of COMMON) {
    it(`counts "${text}" as ripgrep does`, async ({ skip }) => {
      if (findProgram('rg') === undefined) skip('ripgrep is not installed')
      const lines = await runCommand('rg', ['-a', '-b', '-o', '--no-filename', '-F', '--', text, rawPath])
      const offsets = lines
        .trimEnd()
        .split('\n')
        .map(line => Number.parseInt(line, 10))
      expect(offsetsOf(rawFound, text)).toEqual(offsets)
    })
  }

  it('finds what yara finds', async ({ skip }) => {
    if (findProgram('yara') === undefined) skip('yara is not installed')
    const strings = COMMON.map((text, i) => `$s${i} = ${JSON.stringify(text)}`).join('\n')
    const rules = join(dir, 'common.yar')
    await writeFile(rules, `rule common { strings: ${strings} condition: any of them }`)
    const lines = (await runCommand('yara', ['-s', '-w', rules, rawPath])).split('\n')
    for (const [i, text] of COMMON.entries()) {
      const offsets = lines
        .filter(line => line.includes(`:$s${i}: `))
        .map(line => Number.parseInt(line.slice(2), 16))
      expect(offsetsOf(rawFound, text)).toEqual(offsets)
    }
  })
})

function textMarkers(guest: LabGuest): Marker[] {
  return guest.truth.markers.filter(marker => marker.encoding !== 'counter')
}

function allPatterns(guest: LabGuest): PatternSpec[] {
  return [
    ...textMarkers(guest).map(marker => markerPattern(marker)),
    ...COMMON.map(text => ({ kind: 'text', text }) as const),
  ]
}

function markerPattern(marker: Marker): PatternSpec {
  if (marker.encoding === 'utf8') return { kind: 'text', text: marker.text }
  return { kind: 'bytes', hex: Buffer.from(marker.text, 'utf16le').toString('hex') }
}

function patternName(marker: Marker): string {
  const pattern = markerPattern(marker)
  return pattern.kind === 'bytes' ? pattern.hex : marker.text
}

async function scanFile(
  path: string,
  patterns: readonly PatternSpec[],
  tuning: ScanTuning = {},
): Promise<Found> {
  using target: Target = await openTarget(path)
  const events = await lastValueFrom(scan(target, { patterns, tuning }).pipe(toArray()))
  const summary = events.at(-1)
  if (summary?.type !== 'summary') throw new Error('the last event is no summary')
  expect(events.filter(event => event.type === 'error')).toEqual([])
  expect(summary.bytesTotal).toBe(target.bytes)
  return {
    matches: events.filter(event => event.type === 'match').filter(match => match.gpa !== undefined),
    gaps: events.filter(event => event.type === 'gap'),
    summary,
  }
}

/** Each marker exactly once, at its address; one in two far frames not at all. */
function expectMarkers(guest: LabGuest, found: Found): void {
  const byRule = groupByRule(found.matches)
  for (const marker of textMarkers(guest)) {
    const matches = (byRule.get(patternName(marker)) ?? []).map(({ gpa, length }) => ({ gpa, length }))
    expect(matches, marker.name).toEqual(marker.segments.length === 1 ? marker.segments : [])
  }
}

/** Left-out pages are told as such, and what was kept is found where it was. */
function expectExcluded(guest: LabGuest, found: Found, raw: Found): void {
  expect(found.gaps.length).toBeGreaterThan(0)
  expect(new Set(found.gaps.map(gap => gap.reason))).toEqual(new Set(['excluded']))
  expect(found.summary.bytesFailed).toBe(0)
  const overlapsGap = (gpa: number, length: number): boolean =>
    found.gaps.some(gap => gap.gpa !== undefined && gpa < gap.gpa + gap.length && gap.gpa < gpa + length)
  const kept = raw.matches.filter(match => !overlapsGap(match.gpa, match.length))
  expect(places(found)).toEqual(places({ ...raw, matches: kept }))
  // Memory of processes is among what -d 31 leaves out.
  const heap = guest.truth.markers.find(marker => marker.name === 'heap')?.segments[0]
  expect(heap !== undefined && overlapsGap(heap.gpa, heap.length)).toBe(true)
}

function expectCoverage({ summary, gaps }: Found): void {
  expect(summary.complete).toBe(true)
  expect(summary.bytesScanned + summary.bytesUnread).toBe(summary.bytesTotal)
  expect(gaps.reduce((sum, gap) => sum + gap.length, 0)).toBe(summary.bytesUnread)
}

/** Every match in RAM, in one order; formats differ in whether they carry the firmware at the top of 4 GiB. */
function places({ matches }: Found): string[] {
  return matches
    .filter(match => match.gpa < MEMORY_BYTES)
    .map(match => `${match.gpa.toString(16).padStart(12, '0')} ${match.length} ${match.rule}`)
    .sort()
}

function offsetsOf(found: Found, text: string): number[] {
  return found.matches
    .filter(match => match.rule === text)
    .map(match => match.gpa)
    .sort((a, b) => a - b)
}

/** A marker in one piece that lies over a boundary of this size. */
function crosses({ segments }: Marker, size: number): boolean {
  const [only] = segments
  if (only === undefined || segments.length > 1) return false
  return Math.floor(only.gpa / size) !== Math.floor((only.gpa + only.length - 1) / size)
}

function groupByRule(matches: readonly ResidentMatchEvent[]): Map<string, ResidentMatchEvent[]> {
  const groups = new Map<string, ResidentMatchEvent[]>()
  for (const match of matches) {
    const group = groups.get(match.rule)
    if (group === undefined) groups.set(match.rule, [match])
    else group.push(match)
  }
  return groups
}
