/** What a running guest has beyond an image. */
import type { LiveAccess } from '../drivers/live-plan.js'
import type { QemuGuest } from '../qemu/discover.js'
import type { MonitorLink } from '../qemu/monitor-link.js'
import type { Target } from './target.js'

/** A running guest. Its memory is where it was when it was opened: open it anew after memory was plugged in or out. */
export interface LiveTarget extends Target {
  readonly live: true
  /** How most of its memory is read, the best way that is open to this user. */
  readonly access: LiveAccess
  /** Shared memory that is mapped, not copied. */
  readonly mapped: boolean
  /** Processors; undefined where no monitor tells. */
  readonly vcpus: number | undefined
  /**
   * Who the guest is, and how its monitor is reached.
   * @internal
   */
  readonly guest: QemuGuest
  /**
   * The connection to the guest's monitor, shared by all who use the target.
   * @internal
   */
  readonly link: MonitorLink
  /** Whether QEMU is still there. */
  isRunning(): boolean
}

/** Whether a target is a running guest. */
export function isLive(target: Target): target is LiveTarget {
  return target.live
}
