/** Finds running QEMU guests, by name, process id or QMP socket. */
import { realpathSync, statSync } from 'node:fs'
import { VmsiftError } from '../core/errors.js'
import { connectBlocking } from '../ffi/unix-socket.js'
import type { ProcessId, QemuProcess } from './processes.js'
import { qemuProcess, qemuProcesses } from './processes.js'
import { socketOwner } from './socket-owner.js'

/** A socket that is taken keeps whoever connects waiting only when many wait already. */
const CONNECT_MS = 500

/** A running guest as plain data: everything that is needed to reach its monitor and its process. */
export interface QemuGuest {
  /** What names it on the command line: `qemu:NAME`, `qemu:PID` or `qemu:PATH`. */
  readonly target: string
  readonly name: string | undefined
  /** `-uuid`, by which libvirt knows its own. */
  readonly uuid: string | undefined
  /** Absent for a socket whose QEMU can't be found: it may run elsewhere. */
  readonly process: ProcessId | undefined
  /** QMP sockets to try. */
  readonly qmpPaths: readonly string[]
  /** Unix sockets of gdbstubs that its command line names. */
  readonly gdbPaths: readonly string[]
  /** The name of libvirt's domain, when libvirt has the monitor. */
  readonly libvirt?: string
}

/** Every QEMU guest of this machine, whether it can be opened or not. */
export function listQemuGuests(): QemuGuest[] {
  const processes = qemuProcesses()
  return processes.map(found => {
    const { name } = found.commandLine
    const unique = processes.filter(other => other.commandLine.name === name).length === 1
    return guestOf(found, name !== undefined && unique && !isAmbiguous(name) ? name : String(found.pid))
  })
}

/** A name that would be taken for something else. */
function isAmbiguous(name: string): boolean {
  return /^\d+$/.test(name) || name.includes('/')
}

/**
 * The guest that `word` (what follows `qemu:`) names: a process id, the path of a QMP socket, or a name.
 * @throws VmsiftError `target-not-found`, or `bad-argument` when several guests have the name.
 */
export function findQemuGuest(word: string): QemuGuest {
  if (/^\d+$/.test(word)) {
    const found = qemuProcess(Number(word))
    if (found !== undefined) return guestOf(found, word)
  }
  if (word.includes('/')) return guestAtSocket(word)
  const named = qemuProcesses().filter(({ commandLine }) => commandLine.name === word)
  if (named.length > 1) {
    const pids = named.map(({ pid }) => pid)
    throw new VmsiftError(
      'bad-argument',
      `${named.length} guests have the name ${word}; give a process id instead: ${pids.map(pid => `qemu:${pid}`).join(', ')}`,
      { detail: { name: word, pids } },
    )
  }
  const [found] = named
  if (found !== undefined) return guestOf(found, word)
  const what = /^\d+$/.test(word) ? `no QEMU process ${word}` : `no QEMU guest is called ${word}`
  throw new VmsiftError('target-not-found', `${what}; vmsift list shows the guests that run here`, {
    detail: { target: `qemu:${word}` },
  })
}

function guestAtSocket(path: string): QemuGuest {
  checkSocket(path)
  const processes = qemuProcesses()
  const claims = processes.filter(({ qmpPaths }) => qmpPaths.some(other => samePath(other, path)))
  // a command line says who made a socket there, but not who was the last
  const owner = claims.length === 1 ? claims[0] : ownerOf(path, processes)
  if (owner !== undefined) return { ...guestOf(owner, path), qmpPaths: [path] }
  const unknown = { name: undefined, uuid: undefined, process: undefined }
  return { target: `qemu:${path}`, ...unknown, qmpPaths: [path], gdbPaths: [] }
}

function ownerOf(path: string, processes: readonly QemuProcess[]): QemuProcess | undefined {
  using socket = connectBlocking(path, CONNECT_MS)
  const pid =
    socket?.peerPid() ??
    socketOwner(
      path,
      processes.map(({ pid }) => pid),
    )
  return processes.find(found => found.pid === pid)
}

function checkSocket(path: string): void {
  try {
    if (statSync(path).isSocket()) return
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    throw new VmsiftError('target-not-found', `no QMP socket at ${path}: ${code ?? String(cause)}`, { cause })
  }
  throw new VmsiftError(
    'target-unreadable',
    `${path} is not a socket; give a QMP socket, a name or a process id`,
  )
}

function samePath(a: string, b: string): boolean {
  if (a === b) return true
  try {
    return realpathSync(a) === realpathSync(b)
  } catch (error) {
    // a socket that is gone is not the one asked for
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
    return false
  }
}

function guestOf(found: QemuProcess, word: string): QemuGuest {
  const { commandLine, pid, startTicks, qmpPaths, gdbPaths } = found
  const { name, uuid } = commandLine
  return { target: `qemu:${word}`, name, uuid, process: { pid, startTicks }, qmpPaths, gdbPaths }
}
