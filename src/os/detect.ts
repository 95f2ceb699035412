/** Which system runs in a guest: the search for every family. */
import type { PhysicalMemory } from '../core/memory.js'
import type { DetectedGuest, GuestHints } from './detected.js'
import { findBanners } from './linux/detect/banner.js'
import { findLinux, openLocated } from './linux/detect/find.js'
import { without } from './linux/detect/from-registers.js'
import { KernelSearch } from './linux/detect/locate.js'
import type { Located } from './linux/detect/located.js'
import { NEEDLE_OVERLAP } from './linux/detect/needles.js'
import { linuxGuest } from './linux/detect/reopen.js'
import { sweep } from './search/sweep.js'
import { findWindows, findWindowsAtOnce, WINDOWS_OVERLAP, WindowsSearch } from './windows/detect/find.js'
import type { OpenedWindows } from './windows/detect/open.js'
import { windowsGuest } from './windows/detect/reopen.js'

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
