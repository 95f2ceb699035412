/** Which system runs in a guest: the entry for every family. */
import type { PhysicalMemory } from '../core/memory.js'
import { findBanners } from './linux/detect/banner.js'
import { findLinux, type LinuxHints, openLocated } from './linux/detect/find.js'
import { without } from './linux/detect/from-registers.js'
import { KernelSearch } from './linux/detect/locate.js'
import type { Located } from './linux/detect/located.js'
import { NEEDLE_OVERLAP } from './linux/detect/needles.js'
import { isStillThere, type OpenedLinux, openLinux } from './linux/detect/open.js'
import { decodeRecord, encodeRecord } from './linux/detect/record-json.js'
import { tablesOf } from './linux/detect/symbol-file.js'
import type { LinuxKernel } from './linux/kernel.js'
import { sweep } from './search/sweep.js'
import { findWindows, findWindowsAtOnce, WINDOWS_OVERLAP, WindowsSearch } from './windows/detect/find.js'
import { type OpenedWindows, openWindows, recordedImage } from './windows/detect/open.js'
import { decodeWindowsRecord, encodeWindowsRecord } from './windows/detect/record.js'
import type { WindowsKernel } from './windows/kernel.js'

/** What is known before looking at memory, all of it optional. */
export type GuestHints = LinuxHints

/** What every family has. */
interface Detected {
  /** Added to the gpas of the memory that was given: not 0 only with `hints.openBase`, and then proved by the guest's tables. */
  readonly base: number
  /** What a later run needs to have all this at once (`reopenGuest`), with what was asked meanwhile. */
  record(): string
  /** Whether `record` says more than the text that the guest was opened from, if it was. */
  changed(): boolean
}

export interface DetectedLinux extends Detected {
  readonly family: 'linux'
  readonly kernel: LinuxKernel
}

export interface DetectedWindows extends Detected {
  readonly family: 'windows'
  readonly kernel: WindowsKernel
}

/** A system that was recognised. */
export type DetectedGuest = DetectedLinux | DetectedWindows

/**
 * Looks for a system; undefined when none is recognised. Never throws for what stands in memory.
 * @throws VmsiftError `bad-argument` when the symbol file is another kernel's.
 */
export function detectGuest(memory: PhysicalMemory, hints: GuestHints = {}): DetectedGuest | undefined {
  // what costs no search comes first; a file says for which family it is
  const { file } = hints
  const windows = file?.banner === undefined
  const linux = file?.pdb === undefined
  const told = windows ? findWindowsAtOnce(memory, hints) : undefined
  if (told !== undefined) return windowsGuest(told, true)
  if (!windows || hints.architecture === 'aarch64') {
    const found = linux ? findLinux(memory, hints) : undefined
    return found && linuxGuest(memory, found, true)
  }
  if (linux) return searchBoth(memory, hints)
  const found = findWindows(memory, hints)
  return found && windowsGuest(found, true)
}

/** One pass over memory for both families: reading it is most of the cost. */
function searchBoth(memory: PhysicalMemory, hints: GuestHints): DetectedGuest | undefined {
  const linux = new KernelSearch(memory, hints)
  const windows = new WindowsSearch(memory, hints)
  const open = (located: Located | undefined) => {
    const found = openLocated(memory, hints, located)
    return found && linuxGuest(memory, found, true)
  }
  let found = linux.atOnce()
  let other: OpenedWindows | undefined
  if (found === undefined)
    sweep(
      memory,
      (bytes, gpa) => {
        const [tryLinux, tryWindows] = [linux.look(bytes, gpa), windows.look(bytes, gpa)]
        found = tryLinux()
        if (found === undefined) other = tryWindows()
        return found !== undefined || other !== undefined
      },
      { overlap: Math.max(NEEDLE_OVERLAP, WINDOWS_OVERLAP), ranges: linux.rest },
    )
  const guest = other === undefined ? open(found ?? linux.idle) : undefined
  if (guest !== undefined) return guest
  other ??= windows.sweepRuns(without(memory, linux.rest)) ?? windows.afterwards()
  return other && windowsGuest(other, true)
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
  return reopenLinux(memory, text, hints) ?? reopenWindows(memory, text, hints)
}

function reopenLinux(
  memory: PhysicalMemory,
  text: string,
  hints: Pick<GuestHints, 'openBase' | 'file'>,
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

function reopenWindows(
  memory: PhysicalMemory,
  text: string,
  { file }: Pick<GuestHints, 'file'>,
): DetectedGuest | undefined {
  const record = decodeWindowsRecord(text)
  const image = record === undefined ? undefined : recordedImage(memory, record)
  if (record === undefined || image === undefined) return undefined
  // the file's names go before what was found without it
  const kept = file === undefined ? record : { ...record, places: {} }
  return windowsGuest(openWindows(memory, kept, image, file), false)
}

/** What a record's base counts from, so that it serves whichever base the image is opened at. */
function startOf(memory: PhysicalMemory): number {
  return memory.runs[0]?.gpa ?? 0
}

function linuxGuest(memory: PhysicalMemory, opened: OpenedLinux, fresh: boolean): DetectedLinux {
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

function windowsGuest(opened: OpenedWindows, fresh: boolean): DetectedWindows {
  return {
    family: 'windows',
    kernel: opened.kernel,
    base: 0,
    record: () => encodeWindowsRecord(opened.record()),
    changed: () => fresh || opened.learnt() > 0,
  }
}
