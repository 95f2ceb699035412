/** Generated guests as files, each written once. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type WindowsGuest as OpenedGuest, openTarget, openWindowsGuest } from '../../../src/index.js'
import {
  buildWindowsGuest,
  type GuestName,
  type GuestOptions,
  type WindowsGuest,
} from '../../images/windows/guest.js'

/** A folder of images that vanishes when it is disposed. */
export class GuestFiles implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'vmsift-windows-'))
  #count = 0

  /** Builds a guest, lets `change` at it, and writes a raw image. */
  write(
    name: GuestName,
    options: GuestOptions = {},
    change: (guest: WindowsGuest) => void = () => undefined,
  ): { readonly path: string; readonly guest: WindowsGuest } {
    const guest = buildWindowsGuest(name, options)
    change(guest)
    const path = join(this.folder, `${this.#count++}-${name}.raw`)
    guest.memory.writeRaw(path)
    return { path, guest }
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Opens a guest without a symbol file, hands it over, and closes it. */
export async function withGuest<T>(
  path: string,
  work: (guest: OpenedGuest) => T | Promise<T>,
  symbols?: string,
): Promise<T> {
  using target = await openTarget(path)
  using guest = await openWindowsGuest(target, symbols === undefined ? {} : { symbols })
  return await work(guest)
}

/** Guests whose offsets only one table confirms say so in the names of their tests. */
export function titleOf(name: GuestName): string {
  const { sources } = buildWindowsGuest(name)
  return sources.length > 1 ? name : `${name} (offsets from one source: ${sources[0]})`
}

/** 100 ns since 1601 as seconds since 1970. */
export function unixOf(time: bigint): number {
  return Number(time - 116_444_736_000_000_000n) / 1e7
}
