/** QEMU with firmware and nothing else: up in a moment, and enough for its monitor and its gdbstub. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Monitor } from '../../src/qemu/monitor.js'
import { findProgram } from './command.js'
import { startQemu } from './qemu-process.js'
import { connectQmp } from './qmp.js'

export interface BareQemu extends AsyncDisposable {
  readonly pid: number
  /** A QMP socket that nobody uses. */
  readonly qmpPath: string
  /** The test's own connection, through another socket. */
  readonly monitor: Monitor
  /** A folder that is removed with it. */
  readonly folder: string
  /** Resolves when QEMU has ended. */
  readonly ended: Promise<string>
}

/** Why there can be none here; undefined where there can. */
export function noBareQemu(program = 'qemu-system-x86_64'): string | undefined {
  return findProgram(program) === undefined ? `${program} not found` : undefined
}

/** Starts it under TCG; `args` are added, given its folder if need be. It ends with this process at the latest. */
export async function startBareQemu(
  args: readonly string[] | ((folder: string) => readonly string[]) = [],
  program = 'qemu-system-x86_64',
): Promise<BareQemu> {
  const folder = await mkdtemp(join(tmpdir(), 'vmsift-bare-'))
  const qmpPath = join(folder, 'qmp')
  const ownPath = join(folder, 'own-qmp')
  const qemu = startQemu(
    program,
    [
      ...['-nodefaults', '-display', 'none', '-accel', 'tcg,thread=single', '-m', '16M'],
      ...['-qmp', `unix:${ownPath},server=on,wait=off`, '-qmp', `unix:${qmpPath},server=on,wait=off`],
      ...(typeof args === 'function' ? args(folder) : args),
    ],
    folder,
  )
  const monitor = await Promise.race([
    connectQmp(ownPath, AbortSignal.timeout(20_000)),
    qemu.ended.then(said => Promise.reject(new Error(`QEMU ended: ${said}`))),
  ])
  return {
    pid: qemu.pid,
    qmpPath,
    monitor,
    folder,
    ended: qemu.ended,
    async [Symbol.asyncDispose]() {
      monitor.close()
      await qemu.stop()
    },
  }
}
