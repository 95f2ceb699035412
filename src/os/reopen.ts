/** A guest out of an earlier run's record, of whichever family: only that family's code is loaded. */
import type { PhysicalMemory } from '../core/memory.js'
import type { DetectedGuest, GuestHints } from './detected.js'

/** Of the records, only those of Windows guests name their family; within a text of JSON's, quotes are written otherwise. */
const WINDOWS = '"family":"windows"'

/**
 * The guest out of an earlier run's record; undefined when the record is none, or not of this memory as it is opened now.
 * @throws VmsiftError `bad-argument` when the symbol file is another kernel's.
 */
export async function reopenGuest(
  memory: PhysicalMemory,
  text: string,
  hints: Pick<GuestHints, 'openBase' | 'file'> = {},
): Promise<DetectedGuest | undefined> {
  if (isWindowsRecord(text)) {
    const { reopenWindows } = await import('./windows/detect/reopen.js')
    return reopenWindows(memory, text, hints)
  }
  const { reopenLinux } = await import('./linux/detect/reopen.js')
  return reopenLinux(memory, text, hints)
}

/** Whether a kept text is of a Windows guest, as far as a look tells. */
export function isWindowsRecord(text: string): boolean {
  return text.includes(WINDOWS)
}
