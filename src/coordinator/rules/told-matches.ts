/** The matches of a string as events, many at a time: there may be millions, and each would cost more by itself. */
import type { OffsetColumns } from '../../rules/search/columns.js'
import { MAX_DATA_BYTES, type ResidentMatchEvent } from '../../scan/events.js'
import { TOLD_TOGETHER } from '../together.js'
import type { RuleMemory } from './rule-memory.js'
import type { ToldString } from './verdict.js'

/** Their bytes, with contexts: as soon as there are so many they are told. */
const BYTES_TOGETHER = 1 << 20
/** Matches that lie no further apart are read in one go: reading what lies between them costs less than another call. */
const NEAR_BYTES = 2048
/** What is read in one go at most: it is to stay in the processor's cache. */
const READ_BYTES = 1 << 16

/** How matches are told; conditions see them all. */
export interface AskedOfMatches {
  readonly contextBytes: number
  /** Not those that lie inside an earlier one of the same string. */
  readonly outermost: boolean
}

/** What all matches of a string have in common. */
interface Common {
  readonly namespace: string
  readonly rule: string
  readonly pattern: string
}

/** All matches of a string in a space, ascending; those of one array share memory for their bytes. */
export function* toldMatches(
  space: RuleMemory,
  { rule, string }: ToldString,
  { contextBytes, outermost }: AskedOfMatches,
): Generator<ResidentMatchEvent[]> {
  const columns = space.columns(string.id)
  if (columns === undefined) return
  const common = { namespace: rule.namespace, rule: rule.name, pattern: string.identifier }
  const picked = new Uint32Array(Math.min(TOLD_TOGETHER, columns.count))
  const most =
    contextBytes === 0 ? TOLD_TOGETHER : Math.ceil(BYTES_TOGETHER / (2 * contextBytes + MAX_DATA_BYTES))
  let end = -1
  for (let next = 0; next < columns.count; ) {
    let count = 0
    for (; next < columns.count && count < Math.min(most, picked.length); next++) {
      const matchEnd = columns.offsetAt(next) + columns.lengthAt(next)
      if (outermost && matchEnd <= end) continue
      end = Math.max(end, matchEnd)
      picked[count++] = next
    }
    if (count > 0) yield eventsOf(space, columns, picked.subarray(0, count), common, contextBytes)
  }
}

/** The events of some matches, by their indices. */
function eventsOf(
  space: RuleMemory,
  columns: OffsetColumns,
  picked: Uint32Array,
  { namespace, rule, pattern }: Common,
  contextBytes: number,
): ResidentMatchEvent[] {
  const events: ResidentMatchEvent[] = []
  const bytes = new Uint8Array(roomFor(columns, picked, contextBytes))
  let used = 0
  /** The first match that lies behind what was fetched ahead. */
  let behind = 0
  for (let i = 0; i < picked.length; i++) {
    const gpa = columns.offsetAt(picked[i] as number)
    const length = columns.lengthAt(picked[i] as number)
    if (i >= behind) behind = fetchAhead(space, columns, picked, i, contextBytes)
    const kept = space.copy(gpa, Math.min(length, MAX_DATA_BYTES), bytes, used)
    const data = bytes.subarray(used, used + kept)
    used += kept
    if (contextBytes === 0) {
      events.push({ type: 'match', scanner: 'yara', namespace, rule, pattern, gpa, length, data })
      continue
    }
    const from = Math.max(space.runStart(gpa), gpa - contextBytes)
    const before = space.copy(from, gpa - from + Math.min(length, MAX_DATA_BYTES), bytes, used)
    const after = space.copy(gpa + length, contextBytes, bytes, used + before)
    const context = bytes.subarray(used, used + before + after)
    used += before + after
    events.push({ type: 'match', scanner: 'yara', namespace, rule, pattern, gpa, length, data, context })
  }
  space.letGo()
  return events
}

function roomFor(columns: OffsetColumns, picked: Uint32Array, contextBytes: number): number {
  let room = 0
  for (const index of picked) room += Math.min(columns.lengthAt(index), MAX_DATA_BYTES)
  return contextBytes === 0 ? room : 2 * (room + picked.length * contextBytes)
}

/** Fetches what a match and those close behind it need; returns which comes next. */
function fetchAhead(
  space: RuleMemory,
  columns: OffsetColumns,
  picked: Uint32Array,
  first: number,
  contextBytes: number,
): number {
  const start = columns.offsetAt(picked[first] as number)
  let end = start
  let next = first
  for (; next < picked.length; next++) {
    const index = picked[next] as number
    const offset = columns.offsetAt(index)
    const own = offset + Math.min(columns.lengthAt(index), MAX_DATA_BYTES) + contextBytes
    if (next > first && (offset - end > NEAR_BYTES || own - start > READ_BYTES)) break
    end = Math.max(end, own)
  }
  space.fetchAhead(start, contextBytes, end - start)
  return next
}
