/** A Linux guest out of an earlier run's record. */
import type { PhysicalMemory } from '../../../core/memory.js'
import type { DetectedLinux, GuestHints } from '../../detected.js'
import { isStillThere, type OpenedLinux, openLinux } from './open.js'
import { decodeRecord, encodeRecord } from './record-json.js'
import { tablesOf } from './symbol-file.js'

/**
 * Undefined when the text is no record of a Linux guest, or not of this memory as it is opened now.
 * @throws VmsiftError `bad-argument` when the symbol file is another kernel's.
 */
export function reopenLinux(
  memory: PhysicalMemory,
  text: string,
  hints: Pick<GuestHints, 'openBase' | 'file'>,
): DetectedLinux | undefined {
  const kept = decodeRecord(text)
  if (kept === undefined) return undefined
  const record = { ...kept, base: kept.base - startOf(memory) }
  if (record.base < 0 || (record.base > 0 && hints.openBase !== true)) return undefined
  if (!isStillThere(memory, record)) return undefined
  const { file } = hints
  if (file === undefined) return linuxGuest(memory, openLinux(memory, record), false)
  // with the file, other things have to be derived than without
  const { derived: _, ...rest } = record
  return linuxGuest(memory, openLinux(memory, rest, tablesOf(file, record, undefined)), false)
}

/** What a record's base counts from, so that it serves whichever base the image is opened at. */
function startOf(memory: PhysicalMemory): number {
  return memory.runs[0]?.gpa ?? 0
}

/** What was opened, with what the next run needs. `fresh`: it was searched for. */
export function linuxGuest(memory: PhysicalMemory, opened: OpenedLinux, fresh: boolean): DetectedLinux {
  return {
    family: 'linux',
    kernel: opened.kernel,
    base: opened.record().base,
    record: () => {
      const record = opened.record()
      return encodeRecord({ ...record, base: record.base + startOf(memory) })
    },
    changed: () => fresh || opened.learnt() > 0,
  }
}
