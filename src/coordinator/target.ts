/** A target: guest memory that was found, opened and understood. */
import type { MemoryRun, PhysicalMemory } from '../core/memory.js'
import type { DriverSpec } from '../drivers/spec.js'
import type { Architecture, ImageFormat, ImageNotes, ParseOptions } from '../formats/image.js'
import { openFileTarget } from './file-target.js'
import { liveWord } from './live-word.js'

/** What a target's memory comes from: an image of a format, or a running guest by the hypervisor it runs under. */
export type TargetFormat = ImageFormat | 'qemu' | 'libvirt'

/** How to open a target. */
export interface TargetOptions extends ParseOptions {
  /** The memory of a running guest may be written; `memory` then is writable. Images never are. Default false. */
  readonly allowWrite?: boolean
}

/** Guest memory. Dispose it when done; it stays open underneath until the scans that run on it have ended. */
export interface Target extends Disposable {
  /** As it was given. */
  readonly path: string
  readonly format: TargetFormat
  /** A running guest: its memory changes. `isLive` tells more of it. */
  readonly live: boolean
  /** Whether its memory could be written, with `allowWrite`. */
  readonly writable: boolean
  readonly architecture: Architecture | undefined
  /**
   * What the target holds: physical memory, or (a triage dump of Windows) blocks of the kernel's virtual memory and nothing else. Such a
   * target has no runs; its `memory` lies at virtual addresses, folded to 52 bits.
   */
  readonly space: 'physical' | 'virtual'
  /** Guest physical ranges that are memory: sorted, disjoint, touching ones merged. */
  readonly runs: readonly MemoryRun[]
  /** Bytes of memory in all. */
  readonly bytes: number
  /** Highest guest physical address of memory, inclusive; 0 where there is none. */
  readonly maxAddress: number
  readonly notes: ImageNotes
  /** Oddities worth telling a person. */
  readonly warnings: readonly string[]
  /** A reader for this thread, opened at its first use. */
  readonly memory: PhysicalMemory
  /**
   * What workers open.
   * @internal
   */
  readonly driver: DriverSpec
  /**
   * A name for the memory's content as it is now, 64 hex digits; undefined where nothing tells whether it stays the same.
   * @internal
   */
  identity(salt: readonly string[]): string | undefined
  /**
   * Keeps the memory open until the result is disposed, whatever becomes of the target; scans do this.
   * @throws VmsiftError `bad-argument` when the target is closed already.
   */
  hold(): Disposable
}

/**
 * Opens a snapshot file, whose format is found from its bytes, or a running guest: `qemu:NAME`, `qemu:PID`, `qemu:PATH` of a QMP socket.
 * @throws VmsiftError `target-not-found`, `target-unreadable`, `target-empty`, `target-compressed`, `target-unsupported`
 * or `image-corrupt`, each saying what to do.
 */
export async function openTarget(path: string, options: TargetOptions = {}): Promise<Target> {
  const live = liveWord(path)
  if (live === undefined) return openFileTarget(path, options)
  // loaded when needed: most targets are files
  const { openLiveTarget } = await import('./live-target.js')
  return openLiveTarget(path, live, options)
}
