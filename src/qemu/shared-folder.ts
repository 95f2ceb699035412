/** Folders that QEMU's user may write to, and so may change under our hands: what is removed there is pinned first. */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  rmdirSync,
  type Stats,
  unlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { tolerant } from '../core/tolerant.js'

/**
 * Removes what `which` picks from a folder, and the folder when it is empty then. A folder that is a symbolic link stays, and so does
 * whatever else can't be removed: root must not be led to files elsewhere.
 */
export function removeSharedFolder(folder: string, which: (name: string, stat: Stats) => boolean): void {
  tolerant(() => {
    const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
    try {
      const pinned = `/proc/self/fd/${fd}`
      for (const name of readdirSync(pinned)) {
        const path = join(pinned, name)
        tolerant(() => which(name, lstatSync(path)) && unlinkSync(path))
      }
    } finally {
      closeSync(fd)
    }
    rmdirSync(folder)
  })
}

/** Opens a regular file there for reading: nothing that would be waited for, and no link to elsewhere. Undefined when it is none. */
export function openSharedFile(path: string): number | undefined {
  return tolerant(() => {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    if (fstatSync(fd).isFile()) return fd
    closeSync(fd)
    return undefined
  })
}
