/** Connects to a QEMU that is still starting. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Monitor } from '../../src/qemu/monitor.js'
import { QmpMonitor } from '../../src/qemu/qmp.js'

/** Tries until the socket is there, or `signal` says that it is over. */
export async function connectQmp(path: string, signal: AbortSignal): Promise<Monitor> {
  for (;;) {
    try {
      return await QmpMonitor.connect(path)
    } catch (error) {
      if (signal.aborted) throw new Error(`no connection to ${path}`, { cause: error })
      await sleep(20)
    }
  }
}
