/** A debugger's session with a guest: the stub found or started, and everything put back at the end. */
import { chown, mkdtemp, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { VmsiftError } from '../core/errors.js'
import { undoOnExit } from './exit-guard.js'
import { GdbStub } from './gdbstub.js'
import type { StubAddress } from './gdbstub-link.js'
import { findStub, stubBusy } from './gdbstub-server.js'
import { canExecuteNow, type Monitor } from './monitor.js'
import { mayRun, runState } from './run-state.js'
import { removeSharedFolder } from './shared-folder.js'

export interface SessionOptions {
  /** QEMU's process, where it is known: its command line and its user say more. */
  readonly pid?: number | undefined
  /** Milliseconds until an answer of the stub is given up; default 10 s. */
  readonly timeoutMs?: number
}

/** The guest stands still from `open` on. Disposing puts it back: it runs if it ran before, without breakpoints. */
export interface StubSession extends AsyncDisposable {
  readonly stub: GdbStub
  readonly wasRunning: boolean
  /** Somebody else has paused the guest meanwhile: disposing shall leave it so. */
  leavePaused(): void
}

const FOLDER_PREFIX = 'vmsift-gdb-'
const OWN_PATH = /^\/.*\/vmsift-gdb-\w+\/gdb$/
/** Longest path of a Unix socket (unix(7)). */
const MAX_SOCKET_PATH = 107

/**
 * Connects to the guest's gdbstub; starts one on a private Unix socket where none runs, and stops that one again at the end.
 * @throws VmsiftError `monitor-busy` when a debugger is connected: it is left alone, and so is the guest. `monitor-failed` when
 * the stub can't be started, or does not answer.
 */
export async function openStubSession(monitor: Monitor, options: SessionOptions = {}): Promise<StubSession> {
  const server = await findStub(monitor, options.pid)
  if (server !== undefined && (server.connected || server.address === undefined)) throw stubBusy(server)
  const { running: wasRunning } = await runState(monitor)
  // One of ours that nobody uses is left over from a vmsift that was killed.
  const own = server === undefined || isOwn(server.address)
  const address = server?.address ?? (await startStub(monitor, options.pid))
  const link: { opening?: Promise<GdbStub>; stub?: GdbStub } = {}
  let run = wasRunning
  let ended: Promise<void> | undefined
  const putAllBack = async (): Promise<void> => {
    // half open, the next thing that is asked would stop the guest again
    const stub = await link.opening?.catch(() => undefined)
    await putBack(monitor, stub, run)
  }
  const end = (): Promise<void> => {
    ended ??= putAllBack().finally(() => own && stopStub(monitor, address))
    return ended
  }
  const undoNow = (): void => {
    if (run && link.stub !== undefined) link.stub.detachNow()
    else if (run && canExecuteNow(monitor)) monitor.executeNow('cont')
  }
  // connecting stops the guest, so from here on there is something to put back
  const onExit = undoOnExit({ undo: end, undoNow })
  try {
    link.opening = GdbStub.open(address, { timeoutMs: options.timeoutMs ?? 10_000 })
    link.stub = await link.opening
  } catch (error) {
    // what went wrong first is told; the guest is put back as far as it can be
    await end().catch(() => undefined)
    onExit[Symbol.dispose]()
    throw error
  }
  return {
    stub: link.stub,
    wasRunning,
    leavePaused: () => {
      run = false
    },
    [Symbol.asyncDispose]: () => end().finally(() => onExit[Symbol.dispose]()),
  }
}

/**
 * Removes the breakpoints that a killed vmsift left in the guest, and the stub it had started. Does nothing where there is none.
 * @throws VmsiftError as `openStubSession`.
 */
export async function mendStub(monitor: Monitor, pid: number | undefined): Promise<void> {
  const server = await findStub(monitor, pid)
  if (server === undefined || server.connected || !isOwn(server.address)) return
  // connecting removes all breakpoints, ending the session the stub
  await using _session = await openStubSession(monitor, { pid })
}

async function putBack(monitor: Monitor, stub: GdbStub | undefined, wasRunning: boolean): Promise<void> {
  const run = wasRunning && (await isToRun(monitor))
  try {
    if (run && stub !== undefined && stub.ended === undefined) await stub.detach()
    else if (stub !== undefined && stub.ended === undefined) await stub.closeStopped()
  } finally {
    stub?.close()
    if (run && !(await isGone(monitor)) && !(await runState(monitor)).running) await monitor.execute('cont')
  }
}

/** True too where QEMU does not say. */
async function isToRun(monitor: Monitor): Promise<boolean> {
  try {
    return mayRun(await runState(monitor))
  } catch (error) {
    if (error instanceof VmsiftError) return error.code !== 'guest-gone'
    throw error
  }
}

async function isGone(monitor: Monitor): Promise<boolean> {
  try {
    await runState(monitor)
    return false
  } catch (error) {
    if (error instanceof VmsiftError && error.code === 'guest-gone') return true
    throw error
  }
}

async function startStub(monitor: Monitor, pid: number | undefined): Promise<StubAddress> {
  const folder = await mkdtemp(join(tmpdir(), FOLDER_PREFIX))
  try {
    await giveTo(folder, pid)
    const path = join(folder, 'gdb')
    if (path.length > MAX_SOCKET_PATH || path.includes(','))
      throw new VmsiftError(
        'not-supported',
        `no socket can have the path ${path}: set TMPDIR to a plain, short one`,
      )
    const said = await monitor.human(`gdbserver unix:${path},server=on,wait=off`)
    const server = await findStub(monitor, pid)
    if (server?.address?.kind === 'unix' && server.address.path === path) return server.address
    throw new VmsiftError(
      'monitor-failed',
      `QEMU did not start its gdbstub: ${said.trim() || 'it said nothing'}`,
      {
        detail: { path },
      },
    )
  } catch (error) {
    removeFolder(join(folder, 'gdb'))
    throw error
  }
}

/** The path may be what QEMU says: nothing but a socket and an empty folder is ever removed. */
function removeFolder(path: string): void {
  removeSharedFolder(dirname(path), (name, found) => name === basename(path) && found.isSocket())
}

/** QEMU makes the socket, so the folder must be its user's; only root can give it away. */
async function giveTo(folder: string, pid: number | undefined): Promise<void> {
  if (pid === undefined || process.getuid?.() !== 0) return
  const { uid, gid } = await stat(`/proc/${pid}`)
  if (uid !== 0) await chown(folder, uid, gid)
}

async function stopStub(monitor: Monitor, address: StubAddress): Promise<void> {
  try {
    await monitor.human('gdbserver none')
  } catch (error) {
    if (!(error instanceof VmsiftError && error.code === 'guest-gone')) throw error
  } finally {
    if (isOwn(address)) removeFolder(address.path)
  }
}

function isOwn(address: StubAddress | undefined): address is StubAddress & { kind: 'unix' } {
  return address?.kind === 'unix' && OWN_PATH.test(address.path)
}
