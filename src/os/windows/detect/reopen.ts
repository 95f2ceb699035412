/** A Windows guest out of an earlier run's record. */
import type { PhysicalMemory } from '../../../core/memory.js'
import type { DetectedWindows, GuestHints } from '../../detected.js'
import { type OpenedWindows, openWindows, recordedImage } from './open.js'
import { decodeWindowsRecord, encodeWindowsRecord } from './record.js'

/**
 * Undefined when the text is no record of a Windows guest, or not of this memory.
 * @throws VmsiftError `bad-argument` when the symbol file is another kernel's.
 */
export function reopenWindows(
  memory: PhysicalMemory,
  text: string,
  { file }: Pick<GuestHints, 'file'>,
): DetectedWindows | undefined {
  const record = decodeWindowsRecord(text)
  const image = record === undefined ? undefined : recordedImage(memory, record)
  if (record === undefined || image === undefined) return undefined
  // the file's names go before what was found without it
  const kept = file === undefined ? record : { ...record, places: {} }
  return windowsGuest(openWindows(memory, kept, image, file), false)
}

/** What was opened, with what the next run needs. `fresh`: it was searched for. */
export function windowsGuest(opened: OpenedWindows, fresh: boolean): DetectedWindows {
  return {
    family: 'windows',
    kernel: opened.kernel,
    base: 0,
    record: () => encodeWindowsRecord(opened.record()),
    changed: () => fresh || opened.learnt() > 0,
  }
}
