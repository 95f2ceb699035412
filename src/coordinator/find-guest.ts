/** From the name of a running guest to the guest. */
import { VmsiftError } from '../core/errors.js'
import { findQemuGuest, type QemuGuest } from '../qemu/discover.js'
import type { LiveWord } from './live-word.js'

/**
 * The running guest that `path`, whose parts are `word`, names.
 * @throws VmsiftError `target-not-found`, `bad-argument`; `not-supported` for a hypervisor that isn't.
 */
export async function findGuest(path: string, { hypervisor, word }: LiveWord): Promise<QemuGuest> {
  if (word === '')
    throw new VmsiftError('bad-argument', `${path} names no guest; vmsift list shows those that run here`)
  if (hypervisor === 'qemu') {
    const guest = findQemuGuest(word)
    return guest.qmpPaths.length > 0 ? guest : ((await domainOf(guest)) ?? guest)
  }
  if (hypervisor === 'libvirt') {
    const { findLibvirtGuest } = await import('../qemu/libvirt.js')
    return findLibvirtGuest(word)
  }
  throw new VmsiftError(
    'not-supported',
    `${hypervisor} guests are not supported yet: ${path}; take a snapshot and give its file`,
    { detail: { path } },
  )
}

/** A QEMU without a QMP socket may be libvirt's, which then has its monitor. */
async function domainOf({ process }: QemuGuest): Promise<QemuGuest | undefined> {
  const { listLibvirtGuests } = await import('../qemu/libvirt.js')
  return listLibvirtGuests().find(guest => guest.process !== undefined && guest.process.pid === process?.pid)
}
