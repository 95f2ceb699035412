/** A folder of ours into which QEMU can write. */
import { chownSync, existsSync, mkdtempSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { executeBlocking } from '../qemu/blocking-qmp.js'
import type { ProcessId } from '../qemu/processes.js'
import { removeSharedFolder } from '../qemu/shared-folder.js'

const MEMORY_FOLDER = '/dev/shm'
const TRIED_BYTES = 16

/**
 * Makes one, on tmpfs where there is, that nobody but QEMU's user and this one can look into, and has QEMU write to it once. Undefined when it
 * can't: it runs as another user, elsewhere, or confined. The caller removes it.
 */
export function folderFor(
  process: ProcessId | undefined,
  qmpPath: string,
  turns: SharedArrayBuffer,
): string | undefined {
  const folder = mkdtempSync(join(existsSync(MEMORY_FOLDER) ? MEMORY_FOLDER : tmpdir(), 'vmsift-'))
  const path = join(folder, 'tried')
  try {
    giveTo(process, folder)
    const args = { val: 0, size: TRIED_BYTES, filename: path }
    if (
      executeBlocking(qmpPath, turns, 'pmemsave', args) !== undefined &&
      statSync(path).size === TRIED_BYTES
    )
      return folder
  } catch (error) {
    // not ours to give, or nothing was written there
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
  }
  removeMonitorFolder(folder)
  return undefined
}

/** Removes it with what QEMU wrote. */
export function removeMonitorFolder(folder: string): void {
  removeSharedFolder(folder, (_name, found) => found.isFile())
}

/** Root lets QEMU's user have it. */
function giveTo(process: ProcessId | undefined, folder: string): void {
  if (process === undefined || globalThis.process.getuid?.() !== 0) return
  const { uid, gid } = statSync(`/proc/${process.pid}`)
  chownSync(folder, uid, gid)
}
