/** Whether a guest runs, as QEMU tells it. */
import { VmsiftError } from '../core/errors.js'
import type { CommandOptions, Monitor } from './monitor.js'

export interface RunState {
  readonly running: boolean
  /** QEMU's own word: `running`, `paused`, `debug` (a breakpoint stopped it), `shutdown`, `prelaunch`, `inmigrate`, ... */
  readonly status: string
}

/** @throws VmsiftError `monitor-failed` when QEMU's answer makes no sense; else as `Monitor.execute`. */
export async function runState(monitor: Monitor, options?: CommandOptions): Promise<RunState> {
  const answer = (await monitor.execute('query-status', {}, options)) as {
    running?: unknown
    status?: unknown
  } | null
  if (typeof answer?.running === 'boolean' && typeof answer.status === 'string')
    return { running: answer.running, status: answer.status }
  throw new VmsiftError('monitor-failed', 'qmp query-status: the answer makes no sense', {
    detail: { answer },
  })
}

/** States of QEMU in which the guest goes on elsewhere. */
const MOVED: ReadonlySet<string> = new Set(['finish-migrate', 'postmigrate'])

/** Whether the guest has migrated to another QEMU, or is about to. */
export function hasMoved({ status }: RunState): boolean {
  return MOVED.has(status)
}

/** States in which whoever stopped the guest may let it run again; in all others QEMU itself stopped it, for a reason of its own. */
const RESUMABLE: ReadonlySet<string> = new Set(['running', 'paused', 'debug'])

/**
 * Whether a guest that a debugger holds may run. A gdbstub asks nobody: it lets a guest run that migrates just now, and QEMU aborts
 * ("invalid runstate transition").
 */
export function mayRun({ status }: RunState): boolean {
  return RESUMABLE.has(status)
}
