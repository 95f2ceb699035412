/** Which system runs in a guest: the entry for every family. */
import type { PhysicalMemory } from '../core/memory.js'
import type { SymbolFile } from '../symbols/load.js'
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
  return found === undefined ? undefined : linuxGuest(found, true)
}

/** The guest out of an earlier run's record; undefined when the record is none, or not of this memory. */
export function reopenGuest(
  memory: PhysicalMemory,
  text: string,
  file?: SymbolFile,
): DetectedGuest | undefined {
  const record = decodeRecord(text)
  if (record === undefined || !isStillThere(memory, record)) return undefined
  if (file === undefined) return linuxGuest(openLinux(memory, record), false)
  // with the file, other things have to be derived than without
  const { derived: _, ...rest } = record
  return linuxGuest(openLinux(memory, rest, tablesOf(file, record, undefined)), false)
}

function linuxGuest(opened: OpenedLinux, fresh: boolean): DetectedGuest {
  return {
    family: 'linux',
    kernel: opened.kernel,
    base: opened.record().base,
    record: () => encodeRecord(opened.record()),
    changed: () => fresh || opened.learnt() > 0,
  }
}
