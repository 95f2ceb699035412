/** From a target to control of the guest. */
import { VmsiftError } from '../core/errors.js'
import { type ControlOptions, GuestControl } from '../qemu/control.js'
import { openMonitor } from '../qemu/open-monitor.js'
import { findGuest } from './find-guest.js'
import { isLive } from './live.js'
import { liveWord } from './live-word.js'
import type { Target } from './target.js'

/**
 * Takes control of a running guest: one that was opened as a target, whose connection is shared then, or `qemu:NAME`, `qemu:PID`,
 * `qemu:PATH` of a QMP socket, `libvirt:NAME`. Nothing is done to the guest yet. Dispose it to end the connection: a QMP socket serves one client at a time.
 * @throws VmsiftError `not-supported` for a snapshot or another hypervisor's guest, `target-not-found`, `monitor-busy` when all of the
 * guest's QMP sockets are taken, `target-unreadable` when they must not be opened.
 */
export async function openControl(
  target: string | Target,
  options: ControlOptions = {},
): Promise<GuestControl> {
  if (typeof target === 'string') return openByName(target, options)
  if (!isLive(target)) throw isSnapshot(target.path)
  const share = await target.link.share()
  return new GuestControl(share.monitor, {
    ...options,
    pid: target.guest.process?.pid,
    close: () => share[Symbol.dispose](),
  })
}

async function openByName(target: string, options: ControlOptions): Promise<GuestControl> {
  const live = liveWord(target)
  if (live === undefined) throw isSnapshot(target)
  const guest = await findGuest(target, live)
  const monitor = await openMonitor(guest)
  return new GuestControl(monitor, {
    ...options,
    pid: guest.process?.pid,
    close: () => monitor.close(),
  })
}

function isSnapshot(target: string): VmsiftError {
  return new VmsiftError(
    'not-supported',
    `${target} is a snapshot: only a running guest can be controlled (qemu:NAME; vmsift list shows them)`,
    { detail: { target } },
  )
}
