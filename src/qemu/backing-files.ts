/** The files behind a process's shared mappings, opened so that they are the very same files, whatever their names mean now. */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
} from 'node:fs'
import { tolerant } from '../core/tolerant.js'
import type { HostMapping } from './process-maps.js'

/**
 * Opens the file that a mapping shows: through the descriptor that the process keeps of it, else through the mapping itself, which takes
 * more privileges (proc(5), /proc/PID/map_files). The caller closes it. Undefined when it can't be had. For writing only what the process
 * itself may write to: a QEMU that was taken over must not have root write to files of its choice.
 */
export function openBackingFile(pid: number, mapping: HostMapping, write: boolean): number | undefined {
  if (write && mapping.flags[1] !== 'w') return undefined
  const range = `${mapping.start.toString(16)}-${mapping.end.toString(16)}`
  const ways = [...descriptorsOf(pid, mapping, write), `/proc/${pid}/map_files/${range}`]
  for (const way of ways) {
    const fd = openRegular(way, mapping.inode, write)
    if (fd !== undefined) return fd
  }
  return undefined
}

/** Descriptors of the process that seem to be of the mapping's file. */
function descriptorsOf(pid: number, { inode, path }: HostMapping, write: boolean): string[] {
  const folder = `/proc/${pid}/fd`
  return (tolerant(() => readdirSync(folder)) ?? [])
    .filter(fd => !write || isWritable(pid, fd))
    .map(fd => `${folder}/${fd}`)
    .filter(
      name => tolerant(() => readlinkSync(name)) === path && tolerant(() => statSync(name).ino) === inode,
    )
}

/** Whether the process has the descriptor open for writing (proc(5), fdinfo: octal flags). */
function isWritable(pid: number, fd: string): boolean {
  const text = tolerant(() => readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))
  const flags = Number.parseInt(/^flags:\s+([0-7]+)$/m.exec(text ?? '')?.[1] ?? '0', 8)
  return (flags & 3) === constants.O_RDWR
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
