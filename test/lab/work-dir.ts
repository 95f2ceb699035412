/** A guest's folder: its memory, sockets and logs. */
import { mkdtemp, readdir, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const MEMORY_DIR = '/dev/shm'
const PREFIX = 'vmsift-lab-'
/** Room for the initramfs and for others. */
const SPARE_BYTES = 128 << 20

/** Makes the folder: on tmpfs where the memory fits, so that the guest's writes cause no disk traffic. */
export async function makeWorkDir(memoryBytes: number): Promise<string> {
  const prefix = `${PREFIX}${process.pid}-`
  try {
    await sweep(MEMORY_DIR)
    const { bavail, bsize } = await statfs(MEMORY_DIR)
    if (bavail * bsize > memoryBytes * 1.2 + SPARE_BYTES) return await mkdtemp(join(MEMORY_DIR, prefix))
  } catch {
    // No tmpfs to be had: the disk does as well.
  }
  await sweep(tmpdir())
  return mkdtemp(join(tmpdir(), prefix))
}

/** Removes the folders of processes that were killed before they could do it. */
async function sweep(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    const owner = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1]
    if (owner !== undefined && !isAlive(Number(owner)))
      await rm(join(dir, name), { recursive: true, force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
