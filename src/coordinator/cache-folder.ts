/** Where what was found out about images is kept between runs. */
import { mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'

/**
 * `$VMSIFT_CACHE`, else `vmsift` under `$XDG_CACHE_HOME` (where that is absolute, as the XDG base directory specification
 * asks), else `~/.cache/vmsift`. Undefined with `VMSIFT_CACHE=off`.
 */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const own = environment['VMSIFT_CACHE']
  if (own === 'off') return undefined
  if (own !== undefined && own !== '') return own
  const xdg = environment['XDG_CACHE_HOME']
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, 'vmsift')
  const home = homedir()
  return home === '' ? undefined : join(home, '.cache', 'vmsift')
}

/** Makes a folder and those above it, for its owner only. Node's own way never returns where the file system takes no folder, as under /proc. */
export function makeFolder(path: string): void {
  if (made(path)) return
  makeFolder(dirname(path))
  // another process may have been quicker
  if (!made(path)) mkdirSync(path, { mode: 0o700 })
}

/** False where the folder above is missing. */
function made(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' && dirname(path) !== path) return false
    if (code !== 'EEXIST') throw error
  }
  return true
}
