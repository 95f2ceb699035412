/**
 * num_syms, names and markers in the bytes that end where token_table starts. markers holds where every 256th name starts: zero, then
 * steps of some thousand bytes. Behind it there may be seqs_of_names (3 or 4 bytes a symbol; 6.2, 6.3 and later 6.1 kernels), else
 * nothing but padding. names ends where markers starts, and num_syms stands right before names.
 */
import { alignUp, viewOf } from './byte-reader.js'
import { MAX_SYMBOLS } from './kallsyms-layout.js'
import { nameEnd } from './kallsyms-names.js'

/** Offsets in the bytes that were looked at. */
export interface NamesPlace {
  readonly numSyms: number
  readonly names: number
  readonly markers: number
  readonly markerBytes: 4 | 8
  readonly count: number
}

/** Names of one marker's step: at least a length and a token each, at most KSYM_NAME_LEN. */
const STEP_NAMES = 256
const MIN_STEP = STEP_NAMES * 2
const MAX_STEP = STEP_NAMES * 514
/** The fewest markers to go by: the smallest kernels have thousands of symbols. */
const MIN_MARKERS = 3
/** Places of `markers` that are looked at closer. */
const MAX_MARKERS_TRIED = 256
/** Places of `num_syms` whose names are walked, for one place of `markers`. */
const MAX_COUNTS_TRIED = 64

/** Steps that a whole search may still take: memory full of tables that are almost right must not hold it up. */
export interface SearchBudget {
  left: number
}

/** A kernel takes one or two million steps; this many take some seconds. */
export function searchBudget(): SearchBudget {
  return { left: 300_000_000 }
}

/** Finds the three; undefined when nothing before token_table has their shape. */
export function locateNames(
  before: Uint8Array,
  alignBytes: 4 | 8,
  budget: SearchBudget = searchBudget(),
): NamesPlace | undefined {
  const view = viewOf(before)
  budget.left -= before.length / 32
  let tried = 0
  for (let at = before.length - (before.length % alignBytes) - alignBytes; at >= 0; at -= alignBytes) {
    if (view.getUint32(at, true) !== 0) continue
    const markerBytes = markerWidth(view, at)
    if (markerBytes === undefined) continue
    const place = namesBefore(before, view, at, markerBytes, alignBytes, budget)
    if (place !== undefined) return place
    if (++tried >= MAX_MARKERS_TRIED || budget.left < 0) return undefined
  }
  return undefined
}

/** Whether at least MIN_MARKERS markers start at `at`, a zero, and how wide they are. */
function markerWidth(view: DataView, at: number): 4 | 8 | undefined {
  for (const width of [4, 8] as const)
    if (markerRun(view, at, width, MIN_MARKERS) >= MIN_MARKERS) return width
  return undefined
}

/** How many markers there are from `at` on, up to `limit`. */
function markerRun(view: DataView, at: number, width: 4 | 8, limit: number): number {
  let count = 1
  if (width === 8 && (at + 8 > view.byteLength || view.getUint32(at + 4, true) !== 0)) return 0
  let last = 0
  for (let next = at + width; count < limit && next + width <= view.byteLength; next += width) {
    const value = view.getUint32(next, true)
    if (value < last + MIN_STEP || value > last + MAX_STEP) break
    if (width === 8 && view.getUint32(next + 4, true) !== 0) break
    last = value
    count++
  }
  return count
}

/** names and num_syms that end where markers starts; every marker must hit the start of a name. */
function namesBefore(
  before: Uint8Array,
  view: DataView,
  markers: number,
  markerBytes: 4 | 8,
  alignBytes: 4 | 8,
  budget: SearchBudget,
): NamesPlace | undefined {
  // What follows markers may look like one more.
  const most = markerRun(view, markers, markerBytes, MAX_SYMBOLS / STEP_NAMES)
  const least = Math.max(1, most - 2)
  const closest = markers - view.getUint32(markers + (least - 1) * markerBytes, true) - 1
  const furthest = markers - view.getUint32(markers + (most - 1) * markerBytes, true) - MAX_STEP
  let tried = 0
  const last = Math.max(furthest, alignBytes)
  budget.left -= (closest - last) / alignBytes
  for (let names = closest - (closest % alignBytes); names >= last; names -= alignBytes) {
    const numSyms = names - alignBytes
    const count = view.getUint32(numSyms, true)
    const needed = Math.ceil(count / STEP_NAMES)
    if (needed < least || needed > most || (alignBytes === 8 && view.getUint32(numSyms + 4, true) !== 0))
      continue
    const end = walkNames(before.subarray(names, markers), count, view, markers, markerBytes, budget)
    if (end >= 0 && alignUp(end, alignBytes) === markers - names)
      return { numSyms, names, markers, markerBytes, count }
    if (++tried >= MAX_COUNTS_TRIED || budget.left < 0) return undefined
  }
  return undefined
}

/** Where the last name ends; -1 when a name passes the end, or a marker points elsewhere. */
function walkNames(
  names: Uint8Array,
  count: number,
  view: DataView,
  markers: number,
  markerBytes: 4 | 8,
  budget: SearchBudget,
): number {
  let at = 0
  for (let i = 0; i < count; i++) {
    if (i % STEP_NAMES === 0) {
      budget.left -= STEP_NAMES
      if (view.getUint32(markers + (i / STEP_NAMES) * markerBytes, true) !== at) return -1
    }
    at = nameEnd(names, at)
    if (at < 0) return -1
  }
  return at
}
