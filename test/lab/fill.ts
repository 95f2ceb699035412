/** Real files for a guest's memory to hold, so that scans meet the bytes of programs, libraries and texts. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CPIO_DIRECTORY, CPIO_FILE, type CpioEntry } from './cpio.js'

export interface Fill {
  readonly directory: string
  /** Stop before going over this. */
  readonly bytes: number
}

const LARGEST_BYTES = 32 << 20

/** Archive entries under `fill/`, in a stable order, spread over the whole directory. */
export async function collectFill({ directory, bytes }: Fill): Promise<CpioEntry[]> {
  const entries: CpioEntry[] = [{ path: 'fill', mode: CPIO_DIRECTORY }]
  let left = bytes
  const found = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = found
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .sort()
  // A stride through the list, so that one huge folder at its start doesn't take all the room.
  const stride = 7
  for (let start = 0; start < stride; start++) {
    for (let i = start; i < files.length; i += stride) {
      const path = files[i] as string
      const { size } = await stat(path)
      if (size === 0 || size > LARGEST_BYTES || size > left) continue
      left -= size
      entries.push({ path: `fill/${entries.length}`, mode: CPIO_FILE, data: await readFile(path) })
      if (left < 4096) return entries
    }
  }
  return entries
}
