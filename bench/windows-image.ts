/** A whole Windows guest in a raw image: empty but for what it uses, or with real content everywhere else. */
import { closeSync, copyFileSync, existsSync, openSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { buildWindowsGuest, type GuestName } from '../test/images/windows/guest.js'
import { benchDirectory, MIB, realImage } from './data.js'

const VERSION = 1

export interface WindowsImageOptions {
  readonly megabytes: number
  /** Real content where the guest has nothing; else zeros, which take no room. */
  readonly full?: boolean
  /** Without what boots further processors: the kernel has to be searched for. */
  readonly withoutLowStub?: boolean
}

/** Path of the image; made once. */
export function windowsImage(
  name: GuestName,
  { megabytes, full = false, withoutLowStub = false }: WindowsImageOptions,
): string {
  const kind = `${full ? '-full' : ''}${withoutLowStub ? '-no-stub' : ''}`
  const path = join(benchDirectory(), `windows-${name}-${megabytes}m${kind}-v${VERSION}.img`)
  if (existsSync(path)) return path
  process.stderr.write(`making ${path}\n`)
  const { memory } = buildWindowsGuest(name, { ramBytes: megabytes * MIB, withoutLowStub })
  if (full) {
    copyFileSync(realImage(megabytes), `${path}.partial`)
    const fd = openSync(`${path}.partial`, 'r+')
    for (const { gpa, bytes } of memory.contents()) writeSync(fd, bytes, 0, bytes.length, gpa)
    closeSync(fd)
  } else memory.writeRaw(`${path}.partial`)
  renameSync(`${path}.partial`, path)
  return path
}
