/** From a target's name to control of the guest. */
import { VmsiftError } from '../core/errors.js'
import { type ControlOptions, GuestControl } from '../qemu/control.js'
import { findQemuGuest } from '../qemu/discover.js'
import { openMonitor } from '../qemu/open-monitor.js'

const LIVE = /^(qemu|libvirt|xen):(.*)$/s

/** Whether a target's name is that of a running guest. */
export function namesLiveGuest(target: string): boolean {
  return LIVE.test(target)
}

/**
 * Takes control of a running guest: `qemu:NAME`, `qemu:PID` or `qemu:PATH` of a QMP socket. Nothing is done to the guest yet. Dispose it to
 * end the connection: a QMP socket serves one client at a time.
 * @throws VmsiftError `not-supported` for a snapshot or another hypervisor's guest, `target-not-found`, `monitor-busy` when all of the
 * guest's QMP sockets are taken, `target-unreadable` when they must not be opened.
 */
export async function openControl(
  target: string,
  options: Omit<ControlOptions, 'pid'> = {},
): Promise<GuestControl> {
  const [, hypervisor, word] = LIVE.exec(target) ?? []
  if (hypervisor === undefined || word === undefined)
    throw new VmsiftError(
      'not-supported',
      `${target} is a snapshot: only a running guest can be controlled (qemu:NAME; vmsift list shows them)`,
      { detail: { target } },
    )
  if (hypervisor !== 'qemu')
    throw new VmsiftError('not-supported', `${hypervisor} guests can't be controlled yet: ${target}`, {
      detail: { target },
    })
  const guest = findQemuGuest(word)
  const monitor = await openMonitor(guest)
  const pid = guest.process?.pid
  return new GuestControl(monitor, { ...options, ...(pid === undefined ? {} : { pid }) })
}
