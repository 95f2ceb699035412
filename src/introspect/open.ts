/** From an opened target to the guest in it. */
import { type GuestOptions, openGuest } from '../coordinator/guest.js'
import type { Target } from '../coordinator/target.js'
import { VmsiftError } from '../core/errors.js'
import type { LinuxGuest } from './linux-guest.js'
import type { WindowsGuest } from './windows-guest.js'

/** A guest whose system was recognised, by its `family`. */
export type SystemGuest = LinuxGuest | WindowsGuest

/**
 * Recognises the system in a target, Linux or Windows, with no profile. Dispose it before the target.
 * @throws VmsiftError `target-unsupported` when no system is recognised.
 */
export async function openSystemGuest(target: Target, options: GuestOptions = {}): Promise<SystemGuest> {
  const guest = await openGuest(target, options)
  // only what this guest needs is loaded
  if (guest?.family === 'linux') {
    const { LinuxGuest } = await import('./linux-guest.js')
    return new LinuxGuest(guest)
  }
  if (guest?.family === 'windows') {
    const { WindowsGuest } = await import('./windows-guest.js')
    return new WindowsGuest(guest)
  }
  throw new VmsiftError(
    'target-unsupported',
    `no system was recognised in ${target.path}: is it the memory of a Linux or Windows guest, and complete? (scan, read and dump of physical addresses work all the same)`,
    { detail: { path: target.path } },
  )
}

/**
 * Recognises the Linux guest in a target, with no profile: kernel, symbols, types and page tables come from its memory.
 * Dispose it before the target.
 * @throws VmsiftError `target-unsupported` when none is recognised.
 */
export async function openLinuxGuest(target: Target, options: GuestOptions = {}): Promise<LinuxGuest> {
  const guest = await openSystemGuest(target, options)
  if (guest.family === 'linux') return guest
  guest[Symbol.dispose]()
  throw wrongFamily(target, 'Windows', 'openWindowsGuest')
}

/**
 * Recognises the Windows guest in a target, with no profile: kernel, symbols, page tables and layouts come from its memory, beside a table
 * of known builds. Dispose it before the target.
 * @throws VmsiftError `target-unsupported` when none is recognised.
 */
export async function openWindowsGuest(target: Target, options: GuestOptions = {}): Promise<WindowsGuest> {
  const guest = await openSystemGuest(target, options)
  if (guest.family === 'windows') return guest
  guest[Symbol.dispose]()
  throw wrongFamily(target, 'Linux', 'openLinuxGuest')
}

function wrongFamily(target: Target, family: string, opener: string): VmsiftError {
  return new VmsiftError('target-unsupported', `${target.path} is a ${family} guest: ${opener} opens it`, {
    detail: { path: target.path },
  })
}
