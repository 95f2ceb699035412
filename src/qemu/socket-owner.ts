/** Which process listens on a Unix socket. */
import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs'

/**
 * The pid of the process that has the listening socket at `path` open, found through /proc/net/unix and /proc/PID/fd. Undefined when
 * nobody listens there or the process is another user's.
 */
export function socketOwner(path: string, pids: readonly number[]): number | undefined {
  const inodes = listeningInodes(path)
  if (inodes.size === 0) return undefined
  return pids.find(pid => {
    try {
      return readdirSync(`/proc/${pid}/fd`).some(fd => inodes.has(readlinkSync(`/proc/${pid}/fd/${fd}`)))
    } catch (error) {
      // it ended, or must not be looked into
      if ((error as NodeJS.ErrnoException).code === undefined) throw error
      return false
    }
  })
}

/** Flag `__SO_ACCEPTCON` of a listening socket (proc(5), /proc/net/unix). */
const LISTENS = 0x10000

function listeningInodes(path: string): ReadonlySet<string> {
  const names = new Set([path, realpathSync(path)])
  const inodes = new Set<string>()
  for (const line of readFileSync('/proc/net/unix', 'utf8').split('\n')) {
    const [, , , flags, , , inode, name] = line.trim().split(/\s+/)
    if (name !== undefined && names.has(name) && (Number.parseInt(flags ?? '', 16) & LISTENS) !== 0)
      inodes.add(`socket:[${inode}]`)
  }
  return inodes
}
