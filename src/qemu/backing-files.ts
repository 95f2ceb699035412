/** The files behind a process's shared mappings, opened so that they are the very same files, whatever their names mean now. */
import { closeSync, constants, fstatSync, openSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import type { HostMapping } from './process-maps.js'

/**
 * Opens the file that a mapping shows: through the descriptor that the process keeps of it, else through the mapping itself, which takes
 * more privileges (proc(5), /proc/PID/map_files). The caller closes it. Undefined when it can't be had.
 */
export function openBackingFile(pid: number, mapping: HostMapping, write: boolean): number | undefined {
  const range = `${mapping.start.toString(16)}-${mapping.end.toString(16)}`
  const ways = [...descriptorsOf(pid, mapping), `/proc/${pid}/map_files/${range}`]
  for (const way of ways) {
    const fd = openRegular(way, mapping.inode, write)
    if (fd !== undefined) return fd
  }
  return undefined
}

/** Descriptors of the process that seem to be of the mapping's file. */
function descriptorsOf(pid: number, { inode, path }: HostMapping): string[] {
  const folder = `/proc/${pid}/fd`
  return (tolerant(() => readdirSync(folder)) ?? [])
    .map(name => `${folder}/${name}`)
    .filter(
      name => tolerant(() => readlinkSync(name)) === path && tolerant(() => statSync(name).ino) === inode,
    )
}

/** A regular file with this inode and no other: opening anything else could wait for ever or have effects. */
function openRegular(path: string, inode: number, write: boolean): number | undefined {
  const stat = tolerant(() => statSync(path))
  if (stat?.isFile() !== true || stat.ino !== inode) return undefined
  const mode = write ? constants.O_RDWR : constants.O_RDONLY
  const fd = tolerant(() => openSync(path, mode | constants.O_NONBLOCK))
  if (fd === undefined) return undefined
  const opened = fstatSync(fd)
  if (opened.isFile() && opened.ino === inode) return fd
  closeSync(fd)
  return undefined
}

function tolerant<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
    return undefined
  }
}
