/** A system that was recognised in a guest's memory: what every way of recognising one gives. */
import type { LinuxHints } from './linux/detect/find.js'
import type { LinuxKernel } from './linux/kernel.js'
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
