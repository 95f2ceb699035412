/** A target's guest: its system recognised, from this image's cache where it was recognised before. */
import type { PhysicalMemory } from '../core/memory.js'
import { type DetectedGuest, detectGuest, reopenGuest } from '../os/detect.js'
import { absentOf } from '../os/linux/detect/candidate.js'
import { rebased } from '../os/linux/detect/physical.js'
import type { LinuxKernel } from '../os/linux/kernel.js'
import { type AddressSpace, openAddressSpace } from '../paging/address-space.js'
import { DetectionCache } from './detection-cache.js'
import { imageIdentity } from './image-identity.js'
import type { Target } from './target.js'

/** How a guest is looked for. */
export interface GuestOptions {
  /** Memory of a raw image may start elsewhere than at 0: the person gave no `--base`. */
  readonly openBase?: boolean
  /** Default: the cache in the person's folder (`cacheFolder`). */
  readonly cache?: DetectionCache
}

/** Dispose it before its target: what was learnt is then kept for the next run. */
export interface Guest extends Disposable {
  readonly family: 'linux'
  readonly kernel: LinuxKernel
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

/** Recognises the system of a target; undefined when there is none that is known. */
export async function openGuest(target: Target, options: GuestOptions = {}): Promise<Guest | undefined> {
  const cache = options.cache ?? new DetectionCache()
  const openBase = options.openBase === true && target.format === 'raw'
  const identity = imageIdentity(target.driver.fd, target.path, [
    target.format,
    String(target.runs[0]?.gpa ?? 0),
    String(openBase),
  ])
  const kept = cache.read(identity)
  const known = kept === undefined ? undefined : reopenGuest(target.memory, kept)
  const detected =
    known ??
    detectGuest(target.memory, {
      vmcoreinfo: target.notes.vmcoreinfo,
      architecture: target.architecture,
      openBase,
    })
  return detected === undefined
    ? undefined
    : new DetectedTarget(target, detected, known !== undefined, cache, identity)
}

class DetectedTarget implements Guest {
  readonly family = 'linux'
  readonly kernel: LinuxKernel
  readonly base: number
  readonly memory: PhysicalMemory
  readonly cached: boolean
  readonly #detected: DetectedGuest
  readonly #keep: (text: string) => void
  #open = true

  constructor(
    target: Target,
    detected: DetectedGuest,
    cached: boolean,
    cache: DetectionCache,
    identity: string,
  ) {
    this.kernel = detected.kernel
    this.base = detected.base
    this.memory = rebased(target.memory, detected.base)
    this.cached = cached
    this.#detected = detected
    this.#keep = text => cache.write(identity, text)
  }

  openSpace(dtb: number): AddressSpace {
    const { paging: mode, dtb: kernelDtb } = this.kernel
    return openAddressSpace(this.memory, { mode, dtb, kernelDtb, absent: absentOf(mode) })
  }

  save(): void {
    const text = this.#detected.record()
    if (text !== undefined) this.#keep(text)
  }

  [Symbol.dispose](): void {
    if (!this.#open) return
    this.#open = false
    this.save()
  }
}
