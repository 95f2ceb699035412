/** A target's guest: its system recognised, from this image's cache where it was recognised before. */
import { statSync } from 'node:fs'
import type { Architecture } from '../core/architecture.js'
import { VmsiftError } from '../core/errors.js'
import type { PhysicalMemory } from '../core/memory.js'
import type { DetectedGuest, DetectedLinux, DetectedWindows, GuestHints } from '../os/detected.js'
import type { LinuxKernel } from '../os/linux/kernel.js'
import { rebased } from '../os/search/physical.js'
import type { WindowsKernel } from '../os/windows/kernel.js'
import { linuxAbsent } from '../paging/absent.js'
import { type AddressSpace, openAddressSpace } from '../paging/address-space.js'
import { cacheFolder } from './cache-folder.js'
import { DetectionCache } from './detection-cache.js'
import { GuestSearch } from './guest-search.js'
import type { Target } from './target.js'

/** How a guest is looked for. */
export interface GuestOptions {
  /** Memory of a raw image may start elsewhere than at 0: the person gave no `--base`. */
  readonly openBase?: boolean
  /** Of the guest that is looked for, where the target does not tell: others need not be found. */
  readonly architecture?: Architecture
  /** A symbol file, or a folder of them; they fill what the guest's memory lacks. Default: `$VMSIFT_SYMBOLS`. */
  readonly symbols?: string
  /** Default: the cache in the person's folder (`cacheFolder`). */
  readonly cache?: DetectionCache
}

/** What guests of every family have. Dispose it before its target: what was learnt is then kept for the next run. */
export interface GuestBase extends Disposable {
  /** Where the image's first byte lies, as far as only the guest tells: what `--base` should be. 0 where the target has it right. */
  readonly base: number
  /** The target's memory at the guest's own addresses. */
  readonly memory: PhysicalMemory
  /** Whether the image's cache told it all. */
  readonly cached: boolean
  /** The address space of a process, by gpa of its top table; the kernel's half belongs to it. */
  openSpace(dtb: number): AddressSpace
  /** Keeps what was learnt so far; disposing does that as well. */
  save(): void
}

/** A Linux guest. */
export interface FoundLinux extends GuestBase {
  readonly family: 'linux'
  readonly kernel: LinuxKernel
}

/** A Windows guest. */
export interface FoundWindows extends GuestBase {
  readonly family: 'windows'
  readonly kernel: WindowsKernel
}

/** A guest, by the family of its system. */
export type Guest = FoundLinux | FoundWindows

/**
 * Recognises the system of a target; undefined when there is none that is known.
 * @throws VmsiftError for a symbol file that is missing, broken or another kernel's.
 */
export async function openGuest(target: Target, options: GuestOptions = {}): Promise<Guest | undefined> {
  const symbols = options.symbols ?? (process.env['VMSIFT_SYMBOLS'] || undefined)
  if (target.space === 'virtual') {
    // loaded when needed: few dumps are of this kind
    const { openTriageGuest } = await import('./triage-guest.js')
    return openTriageGuest(target, symbols)
  }
  const cache = options.cache ?? new DetectionCache(cacheFolder())
  const hints: GuestHints = {
    notes: target.notes,
    architecture: target.architecture ?? options.architecture,
    openBase: options.openBase === true && target.format === 'raw',
  }
  const identity = target.identity(saltOf(symbols))
  const kept = identity === undefined ? undefined : cache.read(identity)
  const search = new GuestSearch(target.memory, kept, hints)
  const detected = await search.run(symbols)
  if (detected === undefined) return undefined
  const keep = (text: string): void => {
    if (identity !== undefined) cache.write(identity, text)
  }
  return detected.family === 'linux'
    ? new LinuxTarget(target, detected, search.cached, keep)
    : new WindowsTarget(target, detected, search.cached, keep)
}

/** What tells whether a symbol file is still the one of the last run. */
function saltOf(symbols: string | undefined): string[] {
  if (symbols === undefined) return []
  try {
    const { size, mtimeMs } = statSync(symbols)
    return [symbols, String(size), String(mtimeMs)]
  } catch (error) {
    // what can't be opened is refused in words where it is opened
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
    return [symbols]
  }
}

/** What was recognised in a target. */
abstract class DetectedTarget implements GuestBase {
  readonly base: number
  readonly memory: PhysicalMemory
  readonly cached: boolean
  readonly #detected: DetectedGuest
  readonly #keep: (text: string) => void
  #kept: string | undefined
  #open = true

  constructor(target: Target, detected: DetectedGuest, cached: boolean, keep: (text: string) => void) {
    this.base = detected.base
    this.memory = rebased(target.memory, detected.base)
    this.cached = cached
    this.#detected = detected
    this.#keep = keep
  }

  abstract openSpace(dtb: number): AddressSpace

  save(): void {
    if (!this.#detected.changed()) return
    const text = this.#detected.record()
    if (text === this.#kept) return
    this.#kept = text
    this.#keep(text)
  }

  [Symbol.dispose](): void {
    if (!this.#open) return
    this.#open = false
    this.save()
  }
}

class LinuxTarget extends DetectedTarget implements FoundLinux {
  readonly family = 'linux'
  readonly kernel: LinuxKernel

  constructor(target: Target, detected: DetectedLinux, cached: boolean, keep: (text: string) => void) {
    super(target, detected, cached, keep)
    this.kernel = detected.kernel
  }

  openSpace(dtb: number): AddressSpace {
    const { paging: mode, dtb: kernelDtb } = this.kernel
    return openAddressSpace(this.memory, { mode, dtb, kernelDtb, absent: linuxAbsent(mode.format) })
  }
}

class WindowsTarget extends DetectedTarget implements FoundWindows {
  readonly family = 'windows'
  readonly kernel: WindowsKernel

  constructor(target: Target, detected: DetectedWindows, cached: boolean, keep: (text: string) => void) {
    super(target, detected, cached, keep)
    this.kernel = detected.kernel
  }

  openSpace(dtb: number): AddressSpace {
    return openWindowsSpace(this.memory, this.kernel, dtb)
  }
}

/**
 * The address space under a top table of a Windows guest, with entries of Windows' own kinds understood.
 * @throws VmsiftError `not-supported` for a dump that holds virtual memory only.
 */
export function openWindowsSpace(memory: PhysicalMemory, kernel: WindowsKernel, dtb: number): AddressSpace {
  const { paging: mode, dtb: kernelDtb, absent } = kernel
  if (mode === undefined)
    throw new VmsiftError(
      'not-supported',
      "this dump holds pieces of the kernel's virtual memory only: it has no page tables, and no memory of processes",
    )
  return openAddressSpace(memory, { mode, dtb, kernelDtb, absent })
}
