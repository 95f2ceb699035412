/** Processes as the guest's own /proc tells them. */
import type { WitnessedProcess } from './witness.js'

export interface GuestMapping {
  readonly start: bigint
  readonly end: bigint
  /** As /proc prints them: `r-xp`. */
  readonly flags: string
  /** Bytes into the file. */
  readonly offset: number
  /** `major:minor` in hexadecimal, as /proc prints it. */
  readonly device: string
  readonly inode: number
  /** With ` (deleted)` where the kernel says so; `[heap]` and its like; empty for anonymous memory. */
  readonly path: string
}

export interface GuestThread {
  readonly tid: number
  readonly name: string
  readonly state: string
  /** Clock ticks (100 a second) from boot. */
  readonly startTicks: number
}

export interface GuestFile {
  readonly fd: number
  /** What the link in /proc/PID/fd says: a path, `socket:[INODE]`, `pipe:[INODE]`, `anon_inode:[eventfd]`. */
  readonly target: string
  readonly position: number
  /** O_RDWR and its like, with O_CLOEXEC. */
  readonly flags: number
  readonly mountId: number
  /** Absent on kernels that don't tell it (before 5.14). */
  readonly inode?: number
}

export interface GuestProcess {
  readonly pid: number
  readonly tgid: number
  readonly ppid: number
  /**
   * As /proc/PID/stat prints it. A kworker's name has its work queue behind it there (`kworker/0:1-events`), its `comm`
   * in memory has not (`kworker/0:1`).
   */
  readonly name: string
  /** State letter of /proc/PID/stat. */
  readonly state: string
  /** Real, effective, saved, file system. */
  readonly uids: readonly number[]
  readonly gids: readonly number[]
  readonly uid: number
  /** `task_struct.flags`. */
  readonly flags: number
  readonly kernelThread: boolean
  /** Clock ticks (100 a second) from boot. */
  readonly startTicks: number
  readonly threads: number
  readonly threadList: readonly GuestThread[]
  /** Ids from the outermost pid namespace inwards. */
  readonly nsPids: readonly number[]
  readonly commandLine: readonly string[]
  readonly environment: readonly string[]
  readonly exe?: string
  readonly cwd?: string
  readonly root?: string
  /** `mnt:[4026531841]` and its like. */
  readonly namespaces: readonly string[]
  readonly maps: readonly GuestMapping[]
  readonly files: readonly GuestFile[]
}

/** include/linux/sched.h */
const PF_KTHREAD = 0x00200000

/** Undefined for a process that ended while it was looked at. */
export function parseProcess(told: WitnessedProcess): GuestProcess | undefined {
  const { files, lines } = told
  const stat = parseStat(files.get('stat') ?? '')
  const status = files.get('status') ?? ''
  if (stat === undefined || status === '') return undefined
  const numbers = (key: string): number[] => {
    const line = new RegExp(`^${key}:\\s*(.*)$`, 'm').exec(status)?.[1]
    return line === undefined ? [] : line.trim().split(/\s+/).map(Number)
  }
  const value = (key: string): string | undefined => lines.find(line => line[0] === key)?.[1]
  const uids = numbers('Uid')
  return {
    pid: told.pid,
    tgid: numbers('Tgid')[0] ?? -1,
    ppid: Number(stat.fields[1]),
    name: stat.name,
    state: stat.fields[0] ?? '',
    uid: uids[0] ?? -1,
    uids,
    gids: numbers('Gid'),
    flags: Number(stat.fields[6]),
    kernelThread: (Number(stat.fields[6]) & PF_KTHREAD) !== 0,
    startTicks: Number(stat.fields[19]),
    threads: numbers('Threads')[0] ?? 0,
    threadList: [...files].flatMap(([path, text]) => parseThread(path, text)),
    nsPids: numbers('NSpid'),
    commandLine: parseStrings(value('cmdline')),
    environment: parseStrings(value('environ')),
    ...optional('exe', value('exe')),
    ...optional('cwd', value('cwd')),
    ...optional('root', value('root')),
    namespaces: lines.filter(([key]) => key === 'ns').map(([, text]) => text),
    maps: (files.get('maps') ?? '').split('\n').flatMap(parseMapping),
    files: lines.filter(([key]) => key === 'fd').map(([, text]) => parseFile(text, files)),
  }
}

/** Fields behind the name: the first is the state. The name may hold blanks and parentheses: it ends at the last one. */
function parseStat(stat: string): { name: string; fields: string[] } | undefined {
  const close = stat.lastIndexOf(')')
  if (close < 0) return undefined
  return { name: stat.slice(stat.indexOf('(') + 1, close), fields: stat.slice(close + 2).split(' ') }
}

function parseThread(path: string, text: string): GuestThread[] {
  const tid = /^task\/(\d+)\/stat$/.exec(path)?.[1]
  const stat = parseStat(text)
  if (tid === undefined || stat === undefined) return []
  const [state = ''] = stat.fields
  return [{ tid: Number(tid), name: stat.name, state, startTicks: Number(stat.fields[19]) }]
}

/** Hexadecimal of strings that each end in a zero. */
function parseStrings(hex = ''): string[] {
  const text = Buffer.from(hex, 'hex').toString('latin1')
  return text === '' ? [] : text.replace(/\0$/, '').split('\0')
}

function parseFile(text: string, files: ReadonlyMap<string, string>): GuestFile {
  const [fd = '', ...target] = text.split(' ')
  const info = files.get(`fdinfo/${fd}`) ?? ''
  const field = (key: string): string | undefined => new RegExp(`^${key}:\\s*(\\S+)`, 'm').exec(info)?.[1]
  const inode = field('ino')
  return {
    fd: Number(fd),
    target: target.join(' '),
    position: Number(field('pos')),
    flags: Number.parseInt(field('flags') ?? '', 8),
    mountId: Number(field('mnt_id')),
    ...(inode === undefined ? {} : { inode: Number(inode) }),
  }
}

function parseMapping(line: string): GuestMapping[] {
  const match = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) (\S+) (\d+) *(.*)$/.exec(line)
  if (match === null) return []
  const [, start, end, flags = '', offset = '', device = '', inode, path = ''] = match
  return [
    {
      start: BigInt(`0x${start}`),
      end: BigInt(`0x${end}`),
      flags,
      offset: Number.parseInt(offset, 16),
      device,
      inode: Number(inode),
      path,
    },
  ]
}

function optional<K extends string>(key: K, value: string | undefined): { [P in K]?: string } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: string })
}
