/** QEMU processes of this machine, out of /proc. */
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync, statSync } from 'node:fs'
import { basename, isAbsolute, join } from 'node:path'
import { tolerant } from '../core/tolerant.js'
import { parseCommandLine, type QemuCommandLine } from './command-line.js'

/** A process, told apart from a later one with the same number by when it started. */
export interface ProcessId {
  readonly pid: number
  /** Clock ticks since the machine booted (proc(5), `starttime`). */
  readonly startTicks: string
}

export interface QemuProcess extends ProcessId {
  readonly commandLine: QemuCommandLine
  /** QMP sockets as paths of this process. */
  readonly qmpPaths: readonly string[]
  /** gdbstub sockets as paths of this process. */
  readonly gdbPaths: readonly string[]
}

/** No command line of a guest comes near this. */
const MAX_ARGUMENTS_BYTES = 4 << 20
const PIECE_BYTES = 1 << 16
const PROGRAM = /^(qemu-system-\w+|qemu-kvm|kvm)$/

/** Every QEMU that runs a machine, ascending by pid. A process that ends meanwhile is left out. */
export function qemuProcesses(): QemuProcess[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b)
    .flatMap(pid => qemuProcess(pid) ?? [])
}

/** The QEMU with this pid, or undefined when it is none. */
export function qemuProcess(pid: number): QemuProcess | undefined {
  const words = argumentsOf(pid)
  if (words.length === 0) return undefined
  if (!PROGRAM.test(basename(words[0] ?? '')) && !PROGRAM.test(basename(programOf(pid) ?? '')))
    return undefined
  const startTicks = startTicksOf(pid)
  if (startTicks === undefined) return undefined
  const commandLine = parseCommandLine(words)
  const seen = (paths: readonly string[]): string[] => paths.map(path => pathHere(pid, path))
  return {
    pid,
    startTicks,
    commandLine,
    qmpPaths: seen(commandLine.qmpPaths),
    gdbPaths: seen(commandLine.gdbPaths),
  }
}

/**
 * The arguments of a process; none where they can't be read, or are too long. A process may say that all its memory is arguments
 * (prctl(2), PR_SET_MM): no more is read than any guest needs.
 */
export function argumentsOf(pid: number): string[] {
  const bytes = tolerant(() => {
    const fd = openSync(`/proc/${pid}/cmdline`, 'r')
    try {
      return readAtMost(fd, MAX_ARGUMENTS_BYTES + 1)
    } finally {
      closeSync(fd)
    }
  })
  if (bytes === undefined || bytes.length === 0 || bytes.length > MAX_ARGUMENTS_BYTES) return []
  return bytes.toString().split('\0')
}

function readAtMost(fd: number, most: number): Buffer {
  const pieces: Buffer[] = []
  for (let held = 0; held < most; ) {
    const piece = Buffer.alloc(Math.min(PIECE_BYTES, most - held))
    const got = readSync(fd, piece)
    if (got === 0) break
    pieces.push(piece.subarray(0, got))
    held += got
  }
  return Buffer.concat(pieces)
}

/** When a process started; undefined when there is none, or only its remains. */
export function startTicksOf(pid: number): string | undefined {
  const stat = tolerant(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  // the name in parentheses may hold anything
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (fields === undefined || fields[0] === 'Z' || fields[0] === 'X') return undefined
  return fields[19]
}

/** Whether it is still this very process that has the number. */
export function isRunning({ pid, startTicks }: ProcessId): boolean {
  return startTicksOf(pid) === startTicks
}

function programOf(pid: number): string | undefined {
  return tolerant(() => readlinkSync(`/proc/${pid}/exe`))?.replace(/ \(deleted\)$/, '')
}

/** A path of another process: relative to its folder, and in its own mount namespace, as a container has. */
function pathHere(pid: number, path: string): string {
  const folder = isAbsolute(path) ? '' : (tolerant(() => readlinkSync(`/proc/${pid}/cwd`)) ?? '')
  const absolute = isAbsolute(path) ? path : join(folder, path)
  const own = tolerant(() => readlinkSync('/proc/self/ns/mnt'))
  const its = tolerant(() => readlinkSync(`/proc/${pid}/ns/mnt`))
  if (own === its || its === undefined) return absolute
  const inside = `/proc/${pid}/root${absolute}`
  return tolerant(() => statSync(inside)) === undefined ? absolute : inside
}
