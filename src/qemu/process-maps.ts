/** A process's mappings, out of /proc/PID/maps (proc(5)). */
import { readFileSync } from 'node:fs'

export interface HostMapping {
  readonly start: number
  /** Exclusive. */
  readonly end: number
  /** `rw-s`: the last letter is `s` where writes go to the file. */
  readonly flags: string
  /** Of `start` in the file. */
  readonly offset: number
  /** 0: no file. */
  readonly inode: number
  /** As the kernel prints it: ` (deleted)` behind the name of a file that has none any more. */
  readonly path: string
}

const LINE = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) \S+ (\d+) *(.*)$/

/** All mappings, ascending. Throws what reading the file throws. */
export function hostMappings(pid: number): HostMapping[] {
  const mappings: HostMapping[] = []
  for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
    const [, start, end, flags, offset, inode, path] = LINE.exec(line) ?? []
    if (start === undefined || end === undefined || flags === undefined) continue
    mappings.push({
      start: Number.parseInt(start, 16),
      end: Number.parseInt(end, 16),
      flags,
      offset: Number.parseInt(offset ?? '0', 16),
      inode: Number(inode),
      path: path ?? '',
    })
  }
  return mappings
}

/** Whether what is written to the mapping can be read from its file. */
export function isShared({ flags, inode }: HostMapping): boolean {
  return flags.endsWith('s') && inode !== 0
}
