/** A symbol file out of a folder of them: the one whose name holds the kernel's release. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { VmsiftError } from '../core/errors.js'

const MAX_DEPTH = 4
const MAX_ENTRIES = 50_000

/**
 * Whether the path is a folder of symbol files.
 * @throws VmsiftError `target-not-found`, `target-unreadable`.
 */
export async function isSymbolFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const missing = code === 'ENOENT' || code === 'ENOTDIR'
    throw new VmsiftError(
      missing ? 'target-not-found' : 'target-unreadable',
      missing ? `no such symbol file or folder: ${path}` : `can't open ${path}: ${code ?? String(error)}`,
      { cause: error },
    )
  }
}

/**
 * The file in `folder`, or in the folders below it, that is for `release`: those with types and symbols go before those with symbols
 * only. Undefined when no name holds the release.
 */
export async function symbolFileFor(folder: string, release: string): Promise<string | undefined> {
  const found: string[] = []
  let left = MAX_ENTRIES
  let level = [folder]
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth++) {
    const next: string[] = []
    for (const each of level) {
      for (const entry of await entriesOf(each)) {
        if (--left < 0) break
        if (entry.isDirectory()) next.push(join(each, entry.name))
        else if (namesRelease(entry.name, release)) found.push(join(each, entry.name))
      }
    }
    level = next
  }
  return found.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))[0]
}

/** 6.1.0-1-amd64 is not 6.1.0-1-amd64-dbg, and not 16.1.0-1-amd64. */
function namesRelease(name: string, release: string): boolean {
  const at = name.indexOf(release)
  if (at < 0) return false
  const before = name[at - 1] ?? ''
  const behind = name.slice(at + release.length)
  return !/[\d.]/.test(before) && (behind === '' || /^[._]/.test(behind) || /^-dbg\b|^-debug\b/.test(behind))
}

function rank(path: string): number {
  if (/\.json$/i.test(path)) return 0
  if (/\.json\.xz$/i.test(path)) return 1
  return /system\.map/i.test(path) ? 2 : 3
}

async function entriesOf(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch (error) {
    // a folder below that may not be read holds nothing for this person
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
    return []
  }
}
