/** Which system runs in a guest: the entry for every family. */
import type { PhysicalMemory } from '../core/memory.js'
import { findLinux } from './linux/detect/find.js'
import type { LocateHints } from './linux/detect/locate.js'
import { isStillThere, type OpenedLinux, openLinux } from './linux/detect/open.js'
import type { LinuxRecord } from './linux/detect/record.js'
import { decodeRecord, encodeRecord } from './linux/detect/record-json.js'
import type { LinuxKernel } from './linux/kernel.js'

/** What is known before looking at memory, all of it optional. */
export type GuestHints = LocateHints

/** A system that was recognised. */
export interface DetectedGuest {
  readonly family: 'linux'
  readonly kernel: LinuxKernel
  /** Added to the gpas of the memory that was given: not 0 only with `hints.openBase`, and then proved by the guest's tables. */
  readonly base: number
  /**
   * What a later run needs to have all this at once (`reopenGuest`), with what was asked meanwhile; undefined when the text that it was
   * opened from still says it all.
   */
  record(): string | undefined
}

/** Looks for a system; undefined when none is recognised. Never throws for what stands in memory. */
export function detectGuest(memory: PhysicalMemory, hints: GuestHints = {}): DetectedGuest | undefined {
  const found = findLinux(memory, hints)
  return found === undefined ? undefined : linuxGuest(found, found.record, true)
}

/** The guest out of an earlier run's record; undefined when the record is none, or not of this memory. */
export function reopenGuest(memory: PhysicalMemory, text: string): DetectedGuest | undefined {
  const record = decodeRecord(text)
  if (record === undefined || !isStillThere(memory, record)) return undefined
  return linuxGuest(openLinux(memory, record), record, false)
}

function linuxGuest(opened: OpenedLinux, record: LinuxRecord, fresh: boolean): DetectedGuest {
  return {
    family: 'linux',
    kernel: opened.kernel,
    base: record.base,
    record: () => {
      const learnt = opened.learnt() ?? (fresh ? record : undefined)
      return learnt === undefined ? undefined : encodeRecord(learnt)
    },
  }
}
