/** Where what was found out about images is kept between runs. */
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

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
