/** Holding a guest still for a while. */
import { VmsiftError } from '../core/errors.js'
import { undoOnExit } from './exit-guard.js'
import { canExecuteNow, type Monitor } from './monitor.js'
import { hasMoved, runState } from './run-state.js'

const STATE_MS = 2000

/**
 * A guest that stands still until this is disposed: `await using pause = await pauseGuest(monitor)`. It runs again when the
 * scope ends, by an error too, and when this process is ended by a signal that can be caught. A guest that was paused
 * already stays paused.
 */
export interface PauseGuard extends AsyncDisposable {
  /** Whether the guest ran before; then it will run again. */
  readonly wasRunning: boolean
  /**
   * Lets the guest run again, if it did before; safe to call twice.
   * @throws VmsiftError as `Monitor.execute`. That the guest has ended, or migrated, is no error: there is nothing left to resume.
   */
  resume(): Promise<void>
}

/**
 * Pauses the guest; returns once all its processors stand still, about 1 ms later.
 * @throws VmsiftError as `Monitor.execute`.
 */
export async function pauseGuest(monitor: Monitor): Promise<PauseGuard> {
  const { running } = await runState(monitor)
  if (!running) return { wasRunning: false, resume: async () => {}, [Symbol.asyncDispose]: async () => {} }
  let done = false
  const resume = async (): Promise<void> => {
    if (done) return
    done = true
    try {
      // one that migrated meanwhile goes on elsewhere, and must not do so twice
      if (!(await isElsewhere(monitor))) await monitor.execute('cont')
    } catch (error) {
      if (!(error instanceof VmsiftError && error.code === 'guest-gone')) throw error
    } finally {
      onExit[Symbol.dispose]()
    }
  }
  // before the guest stops: a signal may come in between
  const onExit = undoOnExit({
    undo: resume,
    undoNow: () => {
      if (canExecuteNow(monitor)) monitor.executeNow('cont')
    },
  })
  try {
    await monitor.execute('stop')
  } catch (error) {
    // It may have stopped all the same: an answer that came too late.
    await resume().catch(() => undefined)
    throw error
  }
  return { wasRunning: true, resume, [Symbol.asyncDispose]: resume }
}

/** False too where QEMU does not say. */
async function isElsewhere(monitor: Monitor): Promise<boolean> {
  try {
    return hasMoved(await runState(monitor, { timeoutMs: STATE_MS }))
  } catch (error) {
    if (error instanceof VmsiftError) return false
    throw error
  }
}
