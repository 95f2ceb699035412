/** Which system runs in a guest: the entry for every family. */
import type { PhysicalMemory } from '../core/memory.js'
import { findBanners } from './linux/detect/banner.js'
import { findLinux, type LinuxHints } from './linux/detect/find.js'
import { isStillThere, type OpenedLinux, openLinux } from './linux/detect/open.js'
import { decodeRecord, encodeRecord } from './linux/detect/record-json.js'
import { tablesOf } from './linux/detect/symbol-file.js'
import type { LinuxKernel } from './linux/kernel.js'

/** What is known before looking at memory, all of it optional. */
export type GuestHints = LinuxHints

/** A system that was recognised. */
export interface DetectedGuest {
  readonly family: 'linux'
  readonly kernel: LinuxKernel
  /** Added to the gpas of the memory that was given: not 0 only with `hints.openBase`, and then proved by the guest's tables. */
  readonly base: number
  /** What a later run needs to have all this at once (`reopenGuest`), with what was asked meanwhile. */
  record(): string
  /** Whether `record` says more than the text that the guest was opened from, if it was. */
  changed(): boolean
}

/**
 * Looks for a system; undefined when none is recognised. Never throws for what stands in memory.
 * @throws VmsiftError `bad-argument` when the symbol file is another kernel's.
 */
export function detectGuest(memory: PhysicalMemory, hints: GuestHints = {}): DetectedGuest | undefined {
  const found = findLinux(memory, hints)
  return found === undefined ? undefined : linuxGuest(memory, found, true)
}

/** Releases of kernels whose banner stands in memory, the first first: what a symbol file is chosen by where nothing else tells. */
export function releasesIn(memory: PhysicalMemory): string[] {
  return [...new Set(findBanners(memory, memory.runs).map(({ banner }) => banner.release))]
}

/**
 * The guest out of an earlier run's record; undefined when the record is none, or not of this memory as it is opened now.
 * @throws VmsiftError `bad-argument` when the symbol file is another kernel's.
 */
export function reopenGuest(
  memory: PhysicalMemory,
  text: string,
  hints: Pick<GuestHints, 'openBase' | 'file'> = {},
): DetectedGuest | undefined {
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

function linuxGuest(memory: PhysicalMemory, opened: OpenedLinux, fresh: boolean): DetectedGuest {
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
