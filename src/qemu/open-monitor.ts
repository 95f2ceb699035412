/** A guest's monitor by whichever way there is. */
import { VmsiftError } from '../core/errors.js'
import type { QemuGuest } from './discover.js'
import type { Monitor } from './monitor.js'
import { qemuProcess } from './processes.js'
import { QmpMonitor, type QmpOptions } from './qmp.js'

/**
 * Connects through libvirt, when it looks after the guest, else to the first of the guest's QMP sockets that answers.
 * @throws VmsiftError `monitor-busy` when all are taken, `target-unreadable` when they must not be opened, `not-supported` when
 * the guest has none, `target-not-found` when its sockets are gone or another QEMU's by now.
 */
export async function openMonitor(guest: QemuGuest, options: QmpOptions = {}): Promise<Monitor> {
  if (guest.libvirt !== undefined) {
    // loaded when needed: few guests are libvirt's
    const { LibvirtMonitor } = await import('./libvirt.js')
    return LibvirtMonitor.open(guest.libvirt, guest.process)
  }
  if (guest.qmpPaths.length === 0)
    throw new VmsiftError(
      'not-supported',
      `${guest.target} has no QMP socket; start QEMU with -qmp unix:PATH,server=on,wait=off`,
      { detail: { target: guest.target } },
    )
  // all at once: one that is taken shows only by its silence
  const tries = guest.qmpPaths.map(path => connectTo(guest, path, options))
  const won = Promise.any(tries)
  for (const attempt of tries)
    attempt.then(
      async monitor => {
        if ((await won) !== monitor) monitor.close()
      },
      () => undefined,
    )
  try {
    return await won
  } catch (error) {
    throw error instanceof AggregateError ? (error.errors[0] as unknown) : error
  }
}

/** A socket that another QEMU has put in the place of this one's would tell of another guest. */
async function connectTo(
  { process, target }: QemuGuest,
  path: string,
  options: QmpOptions,
): Promise<Monitor> {
  const monitor = await QmpMonitor.connect(path, options)
  const pid = process === undefined ? undefined : monitor.peerPid
  if (pid === undefined || pid === process?.pid || qemuProcess(pid) === undefined) return monitor
  monitor.close()
  throw new VmsiftError(
    'target-not-found',
    `${path} belongs to another QEMU (process ${pid}), not to ${target} (process ${process?.pid}): the sockets of two guests need different names`,
    { detail: { path, pid } },
  )
}
