/** From an opened target to the guest in it. */
import { type GuestOptions, openGuest } from '../coordinator/guest.js'
import type { Target } from '../coordinator/target.js'
import { VmsiftError } from '../core/errors.js'
import { LinuxGuest } from './linux-guest.js'

/**
 * Recognises the Linux guest in a target, with no profile: kernel, symbols, types and page tables come from its memory.
 * Dispose it before the target.
 * @throws VmsiftError `target-unsupported` when no system is recognised.
 */
export async function openLinuxGuest(target: Target, options: GuestOptions = {}): Promise<LinuxGuest> {
  const guest = await openGuest(target, options)
  if (guest !== undefined) return new LinuxGuest(guest)
  throw new VmsiftError(
    'target-unsupported',
    `no Linux kernel was recognised in ${target.path}: is it the memory of a Linux guest, and complete? (scan, read and dump of physical addresses work all the same)`,
    { detail: { path: target.path } },
  )
}
