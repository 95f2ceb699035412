/** What marker.c plants, as the host knows it: the text comes from the boot's seed and the marker's name. */

import { frameLookup, type PageRun } from './witness.js'

/** A `long` one is UTF-8 too: longer than a page, its text with a filler behind. */
export type MarkerEncoding = 'utf8' | 'utf16le' | 'counter' | 'long'

/** A stretch of a marker that is contiguous in the guest's physical memory. */
export interface MarkerSegment {
  readonly gpa: number
  readonly length: number
}

/** A stretch of a marker inside one page; `gpa` is absent where the page has no frame. */
export interface MarkerPart {
  readonly gva: bigint
  readonly length: number
  readonly gpa?: number
}

export interface Marker {
  readonly name: string
  readonly pid: number
  readonly encoding: MarkerEncoding
  /** What stands there; empty for a counter. */
  readonly text: string
  /** Bytes in memory. */
  readonly length: number
  /** By address of the text's characters, first to last. */
  readonly parts: readonly MarkerPart[]
  /** `parts` with physical neighbours joined: one segment is what a physical scan finds as one match. */
  readonly segments: readonly MarkerSegment[]
}

/** FNV-1a of the name, mixed with the seed by splitmix64's finaliser; the same as `token_of` in marker.c. */
export function markerText(seed: bigint, name: string): string {
  const u64 = (value: bigint): bigint => BigInt.asUintN(64, value)
  let hash = 0xcbf29ce484222325n
  for (const byte of Buffer.from(name)) hash = u64((hash ^ BigInt(byte)) * 0x100000001b3n)
  let z = u64((seed ^ hash) + 0x9e3779b97f4a7c15n)
  z = u64((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n)
  z = u64((z ^ (z >> 27n)) * 0x94d049bb133111ebn)
  const token = (z ^ (z >> 31n)).toString(16).padStart(16, '0')
  return `vmsift-marker:${name}:${token};`
}

function plantedText(encoding: MarkerEncoding, seed: bigint, name: string, length: number): string {
  if (encoding === 'counter') return ''
  const text = markerText(seed, name)
  if (encoding !== 'long') return text
  const filler = Array.from({ length: length - text.length }, (_, i) => 97 + ((i * 7) % 26))
  return text + String.fromCharCode(...filler)
}

/** The same markers with the frames that these pages have. */
export function placeMarkers(
  markers: readonly Marker[],
  pages: readonly PageRun[],
  pageBytes: number,
): Marker[] {
  const frameOf = frameLookup(pages)
  return markers.map(marker => {
    const parts = marker.parts.map(({ gva, length }) => {
      const at = Number(gva)
      const frame = frameOf(marker.pid, Math.floor(at / pageBytes))
      return frame === undefined
        ? { gva, length }
        : { gva, length, gpa: frame * pageBytes + (at % pageBytes) }
    })
    return { ...marker, parts, segments: joinParts(parts) }
  })
}

/** Reads the `MARK` lines that `marker report` prints. */
export function parseMarkers(report: string, seed: bigint): Marker[] {
  const markers: Marker[] = []
  for (const line of report.split('\n')) {
    const [mark, name, pid, encoding, list] = line.trim().split(' ')
    if (mark !== 'MARK' || name === undefined || list === undefined) continue
    const parts = list.split(',').map(parsePart)
    const length = parts.reduce((sum, part) => sum + part.length, 0)
    markers.push({
      name,
      pid: Number(pid),
      encoding: encoding as MarkerEncoding,
      text: plantedText(encoding as MarkerEncoding, seed, name, length),
      length,
      parts,
      segments: joinParts(parts),
    })
  }
  return markers.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function parsePart(text: string): MarkerPart {
  const [gva = '', length, gpa] = text.split(':')
  const part = { gva: BigInt(gva), length: Number(length) }
  return gpa === '-' ? part : { ...part, gpa: Number(gpa) }
}

function joinParts(parts: readonly MarkerPart[]): MarkerSegment[] {
  const segments: { gpa: number; length: number }[] = []
  for (const { gpa, length } of parts) {
    const last = segments.at(-1)
    if (gpa === undefined) continue
    if (last !== undefined && last.gpa + last.length === gpa) last.length += length
    else segments.push({ gpa, length })
  }
  return segments
}
